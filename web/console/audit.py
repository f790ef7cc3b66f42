"""The audit: who changed what, from where, before and after; for administrators."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, request

from config.clock import instant
from controller.store.queries import accounts
from schemas.views import AuditPage
from web.console import audit_words
from web.console.frame import board, reader, show
from web.console.jobs_times import ALWAYS, SINCE, Unclear, Window, read_window, span

page = Blueprint("audit", __name__)
ROWS = 50
TIMES = ("since", "from", "to")
FIELDS = ("who", "action", "subject", *TIMES)
LONGEST = 255


@dataclass(frozen=True)
class Asked:
    """Filters as the address has them; `wrong` says what cannot be understood, by field."""

    given: dict[str, str]
    window: Window
    wrong: dict[str, str]

    @classmethod
    def read(cls) -> "Asked":
        """From the address."""
        given = {name: request.args.get(name, "").strip()[:LONGEST] for name in FIELDS}
        given = {name: value for name, value in given.items() if value}
        now = instant().utc_us
        try:
            times = {name: value for name, value in given.items() if name in TIMES}
            return cls(given, read_window(times, now, now), {})
        except Unclear as unclear:
            return cls(given, ALWAYS, dict.fromkeys(unclear.names, unclear.message))

    def link(self, **changes: str) -> str:
        """The address with other filters, from the newest row on."""
        query = urlencode({name: value for name, value in (self.given | changes).items() if value})
        return "/audit" + (f"?{query}" if query else "")


def _rows(asked: Asked, after: str | None) -> AuditPage:
    """None at all while a time cannot be understood: what is shown must be what was asked for."""
    if asked.wrong:
        return AuditPage(items=[], next=None)
    window, given = asked.window, asked.given
    with reader().reading() as db:
        return accounts.page_of_audit(
            db, given.get("who"), given.get("action"), given.get("subject"), window.start, window.end, ROWS, after
        )


@page.get("/audit")
def show_audit() -> str:
    """The page; `after` goes on where the page before ended."""
    asked, after = Asked.read(), request.args.get("after") or None
    return show(
        "console/audit.html", "audit", board().look(), asked=asked, rows=_rows(asked, after), first=after is None,
        words=audit_words, since=SINCE, span=span,
    )  # fmt: skip
