"""Every text of the console is there in Chinese, and no catalogue keeps one that nobody shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Message
from babel.messages.extract import extract_from_dir

from web.console.language import CATALOGUES, Clashing, _, _p, merged, ngettext, speaking

WEB = Path(__file__).parent.parent.parent / "web"
HOW = [("console/**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {
    "_": None, "gettext": None, "N_": None, "ngettext": (1, 2), "_p": ((1, "c"), 2), "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}  # fmt: skip
Key = tuple[object, object]
"""Context and text."""


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Whatever another test has shown last."""
    with speaking("en"):
        yield


def _shown() -> set[Key]:
    found = extract_from_dir(WEB, HOW, {"templates/**.html": {"silent": "false"}}, keywords=KEYWORDS)
    return {(context, message) for _file, _line, message, _comments, context in found}


def test_every_text_has_its_chinese() -> None:
    chinese: dict[Key, Message] = {(m.context, m.id): m for m in merged(CATALOGUES / "zh") if m.id}
    assert {text for text in _shown() if text not in chinese} == set()
    assert {text for text, message in chinese.items() if not all(_strings(message.string))} == set()


def test_catalogues_hold_nothing_that_is_not_shown() -> None:
    assert {(m.context, m.id) for m in merged(CATALOGUES / "zh") if m.id} - _shown() == set()


def _strings(value: object) -> list[str]:
    return [str(value)] if isinstance(value, str) else [str(one) for one in value]  # type: ignore[attr-defined]


def test_a_placeholder_that_is_lost_or_misspelt_would_break_the_page() -> None:
    for message in merged(CATALOGUES / "zh"):
        if message.id and message.python_format:
            problems = [str(error) for error in message.check(merged(CATALOGUES / "zh"))]
            assert problems == [], message.id


def test_the_language_of_the_page_decides() -> None:
    assert _("Queued") == "Queued"
    with speaking("zh"):
        assert _("Queued") == "等待"
        assert ngettext("needs a person", "need a person", 2) == "件待人处理"


def test_one_text_may_mean_two_things_in_two_places() -> None:
    assert _p("column of jobs", "Source") == "Source"
    with speaking("zh"):
        assert (_p("column of jobs", "Source"), _("Source")) == ("任务来源", "来源")


def test_a_context_keeps_two_translations_apart(tmp_path: Path) -> None:
    text = 'msgctxt "a"\nmsgid "Queued"\nmsgstr "甲"\n\nmsgctxt "b"\nmsgid "Queued"\nmsgstr "乙"\n'
    (tmp_path / "a.po").write_text(text, encoding="utf-8")
    assert {(m.context, m.string) for m in merged(tmp_path) if m.id} == {("a", "甲"), ("b", "乙")}


def test_two_translations_of_one_text_are_refused(tmp_path: Path) -> None:
    for name, word in (("a", "甲"), ("b", "乙")):
        (tmp_path / f"{name}.po").write_text(f'msgid "Queued"\nmsgstr "{word}"\n', encoding="utf-8")
    with pytest.raises(Clashing, match="Queued"):
        merged(tmp_path)
