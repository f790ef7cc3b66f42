"""Taking changed pages for what they are, when a person says so and everything that can be checked is sound.

Another program that may write folds the log of a stopped box into the database and removes it: nothing is lost, and no
page that changed by it has the sum that the box knows. A bit that the disk turned over inside a row looks the same, so
it is a person who decides, and the audit says who did.
"""

from pathlib import Path

from config.clock import instant
from controller.direct import DATABASE
from controller.store import accounts, events, findings, sums_file
from controller.store.connection import Store
from controller.store.pages import REMEDY, bad_pages
from controller.store.queries import Reader, Unreadable
from controller.store.queries.verify import verify
from schemas.commands import Caller

ACTION = "store.accept_pages"
NAMED = 50
"""Of the pages, so many are named in the audit; all are counted."""


class NotAccepted(Exception):
    """Nothing was changed; the message is a sentence for people."""


def changed_pages(data_dir: Path) -> list[int]:
    """Pages that may be accepted, having checked all else; call it where the box is locked (`restoring.locked`).

    Raises `NotAccepted`, `OSError`.
    """
    database = data_dir / DATABASE
    log = database.with_name(f"{DATABASE}-wal")
    if log.exists() and log.stat().st_size > 0:
        raise NotAccepted(f"work waits in {log}, so no other program has folded it: this is something else. {REMEDY}")
    try:
        pages = list(bad_pages(database))
    except sums_file.Unusable as error:
        raise NotAccepted(f"{error}: a start makes the sums anew") from error
    if not pages:
        raise NotAccepted("every page is what the box has written: there is nothing to accept")
    for check in verify(database):
        if check.name != "pages" and not check.ok:
            raise NotAccepted(f"more than pages is wrong ({check.name}: {check.wrong[0]}). {REMEDY}")
    if _damage_stands(database):
        raise NotAccepted(f"damage was found while the box ran, and no other program explains that. {REMEDY}")
    return pages


def _damage_stands(database: Path) -> bool:
    reader = Reader(database)
    try:
        with reader.reading() as db:
            return any(one.code == findings.BAD_PAGE for one in findings.findings(db))
    except Unreadable as error:
        raise NotAccepted(str(error)) from error
    finally:
        reader.close()


def accept(data_dir: Path, pages: list[int], caller: Caller) -> None:
    """Take the pages as they are: their sums are made anew, and it stands in audit and moves who wanted that.

    Raises `Damaged`, `sqlite3.Error`, `OSError`.
    """
    database = data_dir / DATABASE
    for path in (sums_file.log_of(database), sums_file.sums_of(database)):  # the table last: with it they are known
        path.unlink(missing_ok=True)
    store = Store.open(database)
    try:
        us = instant().utc_us
        after = {"count": len(pages), "pages": pages[:NAMED]}
        row = {"action": ACTION, "subject": "", "before": None, "after": after, "why": None}
        with store.transaction():
            accounts.audit(store.db, us, caller.model_dump(), row)
            why = f"{len(pages)} pages that the box had not written were taken as they are"
            events.add(store.pending, us, "system", "pages accepted", caller.name, why=why)
    finally:
        store.close()
