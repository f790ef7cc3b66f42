"""What every page has around it: where one is, what needs a person, whether the screen is live."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, render_template, request

from schemas.commands import Caller
from web.auth import need
from web.backend import EXTENSION, Backend
from web.console import needs
from web.console.board import Board
from web.console.language import N_, TAG, spoken
from web.console.look import Look
from web.live import FLEET
from web.roles import Role

THEME = "theme"
STATIC = "/static/"
BOARD = "console"
OPEN = "sign_in"
"""The pages (by their blueprint) that nobody has to be known for."""
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Tab:
    """A page of the navigation."""

    id: str
    path: str
    label: str


TABS = (Tab("overview", "/", N_("Overview")), Tab("jobs", "/jobs", N_("Jobs")), Tab("robots", "/robots", N_("Robots")))


def board() -> Board:
    """That of the present application."""
    found: Board = current_app.extensions[BOARD]
    return found


def reader() -> Any:
    """The database's read side of the present application."""
    backend: Backend = current_app.extensions[EXTENSION]
    return backend.reader


def need_role(role: Role) -> Caller:
    """The caller, who may use a page of this role; raises `ApiError`."""
    return need(role)


def static(name: str) -> str:
    """The address of a file of the console; browsers ask each time whether it changed."""
    return STATIC + name


def frame_facts(look: Look, _query: object = None) -> dict[str, Any]:
    """For the frame's own part: how many things need a person, how many jobs and robots there are, who answers."""
    counts = {"jobs": look.open_jobs, "robots": len(look.robots)}
    return {"need_count": needs.count(look), "tab_counts": counts, "tabs": TABS}


def show(template: str, tab: str, look: Look, parts: tuple[str, ...] = (), **values: Any) -> str:
    """A whole page: `parts` are kept live beside the frame's own (see `parts`), as `name`, `name?query` or `fleet`."""
    language = spoken()
    wanted = [_in_language(part, language) for part in ("frame", *parts)]
    return render_template(
        template, tab=tab, look=look, lang=language, tag=TAG[language], theme=theme(), wanted=" ".join(wanted),
        **frame_facts(look), **values,
    )  # fmt: skip


def _in_language(part: str, language: str) -> str:
    if part == FLEET:  # numbers, the same in every language
        return part
    name, mark, query = part.partition("?")
    return f"{name}.{language}{mark}{query}"


def theme() -> str | None:
    """Light or dark as the reader chose; None: as the system has it."""
    given = request.cookies.get(THEME)
    return given if given in ("light", "dark") else None


def install(app: Flask, pages: frozenset[str]) -> None:
    """Ask for a role before any page (by its blueprint) looks at anything; let browsers run our own scripts only."""

    @app.before_request
    def roles() -> None:
        if request.blueprint in pages and request.blueprint != OPEN:
            need_role("viewer" if request.method in ("GET", "HEAD") else "operator")

    @app.after_request
    def policy(response: Any) -> Any:
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = CONTENT_POLICY
        return response
