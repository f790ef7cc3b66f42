"""What people see when something cannot be shown or done: a page, or a dialog where one was asked for."""

from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, redirect, render_template, request

from web import errors
from web.auth import known
from web.console.frame import CONTENT_POLICY, TABS, theme
from web.console.language import N_, TAG, _, spoken
from web.errors import ApiError

SENTENCES: dict[str, tuple[str, str]] = {
    "job.not_found": (
        N_("There is no such job"),
        N_("It was never here, or it has been cleared away by age. Check the address, or look for it in the list."),
    ),
    "robot.not_found": (N_("There is no such robot"), N_("It was removed, or its name is written differently.")),
    "schedule.not_found": (N_("There is no such schedule"), N_("It was removed, or the address is wrong.")),
    "firing.not_found": (N_("There is no such firing"), N_("It was never here, or the address is wrong.")),
    "route.not_found": (N_("There is no such page"), N_("The address is wrong, or the page has moved.")),
    "request.method": (N_("There is no such page"), N_("The address is wrong, or the page has moved.")),
    "request.invalid": (N_("This cannot be understood"), N_("Something in the address or the form makes no sense.")),
    "page.cursor": (
        N_("This place in the list is gone"),
        N_("The address belongs to other filters or to an older list. Begin at the newest."),
    ),
    "controller.down": (
        N_("The controller does not run"),
        N_("Nothing was done. Robots finish what they hold; it starts again by itself. Try again in a moment."),
    ),
    "controller.no_answer": (
        N_("The controller did not answer in time"),
        N_("It is not known whether this was done. Pressing again is safe: it is done once at most."),
    ),
    "store.unavailable": (
        N_("The records cannot be read"),
        N_("Jobs and robots go on; only the screen is affected. Try again in a moment."),
    ),
    "store.full": (
        N_("The disk of the box is full"),
        N_("Nothing was done. What runs goes on; make room on the disk, and this works again by itself."),
    ),
    "job.state": (N_("The job has changed meanwhile"), N_("In its state now this is not possible.")),
    "job.attempt_changed": (
        N_("The job has changed meanwhile"),
        N_("It is on a newer attempt than the one you saw. Look again before you decide."),
    ),
    "job.parked": (
        N_("The job waits for a decision"),
        N_("It may have run before the box was restored; release or cancel it first."),
    ),
    "robot.state": (N_("The robot is not in that state"), N_("It has changed meanwhile, or says that it moves.")),
    "auth.origin": (N_("This came from elsewhere"), N_("Only pages of this box may do that.")),
    "auth.missing": (
        N_("You are not signed in any more"),
        N_("Nothing was done. Sign in again; then do it once more."),
    ),
    "auth.csrf": (N_("This came from elsewhere"), N_("Only pages of this box may do that.")),
    "auth.role": (N_("You may not do that"), N_("Ask somebody with the right role.")),
    "user.exists": (N_("This name is taken"), N_("There is an account of this name already.")),
    "user.last_admin": (
        N_("The last administrator stays"),
        N_("Nobody could change anything any more. Make another administrator first."),
    ),
    "user.not_found": (N_("There is no such account"), N_("It was removed, or its name is written differently.")),
    "token.not_found": (N_("There is no such token"), N_("Look at the list again.")),
    "rate.limited": (N_("Too many tries"), N_("Wait a minute, then try again.")),
    "request.busy": (N_("Too many tries"), N_("Wait a minute, then try again.")),
    "internal": (
        N_("Something went wrong here"),
        N_("Jobs and robots are not affected. The log has more under the number below."),
    ),
}
_ELSE = "internal"
COME_IN = ("auth.missing", "auth.expired", "auth.invalid")
"""Who is not known, or not any more, signs in first."""
DIALOG = {"HX-Retarget": "#dialogs", "HX-Reswap": "innerHTML"}
"""Wherever a piece of a page was to go, that it may not be shown is said in a dialog."""
PROGRAMS = ("/api/", "/metrics", "/static/", "/live", "/v2/", "/task")
"""Here programs ask, and are answered as programs."""


def sentences(error: ApiError) -> tuple[str, str]:
    """Title and text of a failure in the language of the page."""
    title, text = SENTENCES.get(error.code, SENTENCES[_ELSE])
    return _(title), _(text)


def answer(error: ApiError) -> Response:
    """A page, a dialog, or JSON: as it was asked for."""
    if request.path.startswith(PROGRAMS):
        return errors.as_json(error)
    dialog = request.headers.get("HX-Request") == "true"
    if not dialog and (error.code in COME_IN or (error.code == "route.not_found" and not _is_known())):
        return _to_the_door(error)
    title, text = sentences(error)
    template = "console/refused.html" if dialog else "console/problem.html"
    html = render_template(
        template, title=title, text=text, error=error, number=g.get("request_id", ""), tabs=TABS, tab="",
        lang=spoken(), tag=TAG[spoken()], theme=theme(), wanted="", look=None, need_count=None, tab_counts={},
        me=g.get("known"), door=_door(_page_of_dialog()) if error.code in COME_IN else None,
    )  # fmt: skip
    headers = {"Content-Security-Policy": CONTENT_POLICY} | (DIALOG if dialog and error.status in (401, 403) else {})
    return Response(html, error.status, headers=error.headers | headers)


def _is_known() -> bool:
    try:
        return known() is not None
    except ApiError:
        return False


def _to_the_door(error: ApiError) -> Response:
    """A browser goes to the page for signing in, and comes back; whatever else asks is told so."""
    if request.method != "GET" or "text/html" not in request.headers.get("Accept", "text/html"):
        return errors.as_json(error)
    query = request.query_string.decode("latin-1")
    there = quote(request.path) + (f"?{query}" if query else "")
    return redirect(_door(there), 303)  # type: ignore[return-value]


def _door(there: str) -> str:
    return f"/sign-in?to={quote(there, safe='')}"


def _page_of_dialog() -> str:
    """Where the page is that asked, as htmx says."""
    at = urlsplit(request.headers.get("HX-Current-URL", "/"))
    return at.path + (f"?{at.query}" if at.query else "")


def install(app: Flask) -> None:
    """Show failures to people as people read them."""
    app.extensions[errors.SHAPE] = answer
