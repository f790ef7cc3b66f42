"""The language of a page: English in the source, Chinese from catalogues; chosen by the reader, else by the browser."""

import gettext as texts
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, Request, Response, g, request

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
TAG = {"en": "en", "zh": "zh-CN"}
"""As HTML names them."""
COOKIE = "language"
A_YEAR_S = 31_536_000
CATALOGUES = Path(__file__).parent.parent / "locale"
_spoken: ContextVar[Language] = ContextVar("language", default="en")


class Clashing(ValueError):
    """Two catalogues translate one text differently."""


def merged(folder: Path) -> Catalog:
    """All catalogues of a language as one; raises `Clashing`."""
    whole = Catalog(locale="zh_Hans_CN", fuzzy=False)
    for file in sorted(folder.glob("*.po")):
        with file.open("rb") as source:
            for message in read_po(source, locale="zh_Hans_CN"):
                before = whole.get(message.id, message.context) if message.id else None
                if before is not None and before.string != message.string:
                    raise Clashing(f"{file.name}: {message.id!r} is translated twice")
                if message.id:
                    whole[message.id] = message
    return whole


@cache
def _translations(language: Language) -> texts.NullTranslations:
    if language == "en":
        return texts.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, merged(CATALOGUES / language))
    compiled.seek(0)
    return texts.GNUTranslations(compiled)


def spoken() -> Language:
    """The language of the page that is being written."""
    return _spoken.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Write in a language."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def _(text: str, /, **values: object) -> str:
    """A text in the language of the page; `%(name)s` stands for a value."""
    found = _translations(spoken()).gettext(text)
    return found % values if values else found


def _p(context: str, text: str, /, **values: object) -> str:
    """As `_`, for a text that means one thing here and another elsewhere: `context` says where."""
    found = _translations(spoken()).pgettext(context, text)
    return found % values if values else found


def ngettext(one: str, many: str, n: int, /, **values: object) -> str:
    """As `_`, for a number of things: `%(n)s` is that number."""
    return _translations(spoken()).ngettext(one, many, n) % ({"n": n} | values)


def N_(text: str) -> str:  # noqa: N802 - the word that extractors of texts know
    """Mark a text that is translated where it is shown."""
    return text


def chosen(asked: Request) -> Language:
    """What the address says, else what was chosen before, else what the browser prefers."""
    for given in (asked.args.get("lang"), asked.cookies.get(COOKIE)):
        if given in LANGUAGES:
            return given
    best = asked.accept_languages.best_match(["en", "zh-CN", "zh"])
    return "zh" if best is not None and best.startswith("zh") else "en"


def install(app: Flask) -> None:
    """Have every request answered in its language, and a choice remembered."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: _translations(spoken()).gettext(text),
        lambda one, many, n: _translations(spoken()).ngettext(one, many, n),
        newstyle=True,
        pgettext=lambda context, text: _translations(spoken()).pgettext(context, text),
        npgettext=lambda context, one, many, n: _translations(spoken()).npgettext(context, one, many, n),
    )

    def before() -> None:
        g.spoken = _spoken.set(chosen(request))

    def after(response: Response) -> Response:
        if request.args.get("lang") in LANGUAGES:
            response.set_cookie(COOKIE, request.args["lang"], max_age=A_YEAR_S, samesite="Lax", path="/")
        return response

    app.before_request(before)
    app.after_request(after)
