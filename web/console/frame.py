"""What every page has around it: where one is, what needs a person, whether the screen is live."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, render_template, request

from schemas.commands import Caller
from web.auth import known, need
from web.backend import EXTENSION, Backend
from web.console import needs, troubles
from web.console.board import Board
from web.console.language import N_, TAG, spoken
from web.console.look import Look
from web.live import FLEET
from web.roles import Role

THEME = "theme"
STATIC = "/static/"
BOARD = "console"
ROLES = "roles"
"""Where the application keeps what each page needs."""
OPEN = frozenset({"sign_in.show_sign_in", "sign_in.sign_in", "sign_in.sign_out"})
"""The pages that nobody has to be known for; whoever signs out shows the session that ends."""
OWN = frozenset({"me.ask_password", "me.change_password"})
"""What everybody may do, because it is about themselves."""
ADMIN = frozenset({"people", "people_actions", "token_actions", "audit", "robot_accept"})
"""Pages (by their blueprint) for administrators only."""
ADMIN_FORMS = frozenset({"assets"})
"""Pages that everybody reads and only administrators change."""
READS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Tab:
    """A page of the navigation."""

    id: str
    path: str
    label: str
    role: Role = "viewer"
    """Others do not see it."""


TABS = (
    Tab("overview", "/", N_("Overview")),
    Tab("jobs", "/jobs", N_("Jobs")),
    Tab("robots", "/robots", N_("Robots")),
    Tab("schedule", "/schedules", N_("Schedules")),
    Tab("asset", "/assets", N_("Assets")),
    Tab("people", "/people", N_("People"), "admin"),
    Tab("audit", "/audit", N_("Audit"), "admin"),
)


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
    wrong = troubles.banner(look.health)
    return {"need_count": needs.count(look), "tab_counts": counts, "tabs": TABS, "troubles": wrong}


def show(template: str, tab: str, look: Look, parts: tuple[str, ...] = (), **values: Any) -> str:
    """A whole page: `parts` are kept live beside the frame's own (see `parts`), as `name`, `name?query` or `fleet`."""
    language = spoken()
    wanted = [_in_language(part, language) for part in ("frame", *parts)]
    return render_template(
        template, tab=tab, look=look, lang=language, tag=TAG[language], theme=theme(), wanted=" ".join(wanted),
        me=known(), **frame_facts(look), **values,
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


def roles_of(app: Flask, pages: frozenset[str]) -> dict[str, Role]:
    """What each page (by its endpoint) needs: dialogs and their forms an operator, all else that is read a viewer."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.partition(".")[0] in pages]
    forms = {rule.rule for rule in rules if (rule.methods or set()) - READS}
    return {rule.endpoint: _role_of(rule.endpoint, is_form=rule.rule in forms) for rule in rules}


def _role_of(endpoint: str, *, is_form: bool) -> Role:
    if endpoint in OPEN:
        return "open"
    if endpoint.partition(".")[0] in ADMIN:
        return "admin"
    if not is_form or endpoint in OWN:
        return "viewer"
    return "admin" if endpoint.partition(".")[0] in ADMIN_FORMS else "operator"


def install(app: Flask, pages: frozenset[str]) -> None:
    """Ask for a role before any page (by its blueprint) looks at anything; let browsers run our own scripts only."""

    @app.before_request
    def roles() -> None:
        if request.blueprint in pages:
            need_role(app.extensions[ROLES][request.endpoint])

    @app.after_request
    def policy(response: Any) -> Any:
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = CONTENT_POLICY
            # Forms that are sent by the browser itself name where they come from only to a box that is told so.
            response.headers["Referrer-Policy"] = "same-origin"
        return response
