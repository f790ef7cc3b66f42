"""Accounts and tokens from the box itself: through the controller while it runs, directly while it does not."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import KEY_FILE, NOT_FOUND, NOT_REACHABLE, REFUSED, Refused, usage
from cli.options import render
from config.credentials import digest, hash_password, new_password, new_token
from config.disk import write_private
from controller.client import Client, ControllerDown, NoAnswer
from controller.direct import DATABASE, carry_out, has_people
from controller.errors import Refused as RefusedHere
from controller.lock import DataInUse
from controller.owner import become_owner
from controller.store.failures import is_of_store
from controller.store.pages import Damaged
from controller.store.queries import Reader, Unreadable
from schemas.commands import Caller, Refusal
from schemas.ids import uuid7

OWN_TOKEN, FIRST_ADMIN, DEMO = "cli", "admin", "demo"
DAY_US = 86_400_000_000
PAGE = 200

Data = Annotated[Path | None, typer.Option("--data-dir", help="The box's data directory (or YARDMASTER_DATA_DIR).")]


def plain(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose refusals are shown as those of all others."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        try:
            command(**given)
        except Refused as refused:
            render(refused, as_json=False)
            raise typer.Exit(refused.exit_code) from refused
        except BrokenPipeError:  # whoever read what is printed has gone
            raise
        except OSError as error:
            render(_of_files(error), as_json=False)
            raise typer.Exit(REFUSED) from error

    return run


def _of_files(error: OSError) -> Refused:
    return Refused(REFUSED, "box.files", str(error))


def caller() -> Caller:
    """Whoever works on the box, by the name of the system."""
    return Caller(name=f"box:{_system_user()}", role="admin")


def _system_user() -> str:
    import getpass

    try:
        return getpass.getuser()[:200]
    except (KeyError, OSError):  # a user number without a name
        return str(os.getuid())


def ask(data_dir: Path, command: str, args: dict[str, Any]) -> dict[str, Any]:
    """Have a command about people carried out; raises `cli.client.Refused`."""
    try:
        answer = Client(data_dir).call(command, args, caller())
    except ControllerDown:
        return _directly(data_dir, command, args)
    except NoAnswer as error:
        raise Refused(NOT_REACHABLE, "controller.no_answer", "the controller did not answer; try again") from error
    if answer.error is not None:
        raise _refused(answer.error)
    return answer.ok or {}


def _refused(refusal: Refusal) -> Refused:
    exit_code = NOT_FOUND if refusal.code.endswith(".not_found") else REFUSED
    details = [detail.model_dump(by_alias=True) for detail in refusal.details]
    return Refused(exit_code, refusal.code, refusal.message, details)


def _directly(data_dir: Path, command: str, args: dict[str, Any]) -> dict[str, Any]:
    try:
        return carry_out(data_dir, command, args, caller())
    except DataInUse as error:
        raise Refused(NOT_REACHABLE, "box.busy", f"{error}; try again in a moment") from error
    except RefusedHere as refused:
        raise _refused(refused.refusal) from refused
    except Exception as error:
        if not isinstance(error, Damaged) and not is_of_store(error):
            raise
        raise Refused(NOT_REACHABLE, "store.unavailable", f"the database cannot be opened: {error}") from error


def read(data_dir: Path, page_of: Callable[..., Any]) -> list[dict[str, Any]]:
    """All items of a list that the database has, page by page; raises `Refused`."""
    items: list[dict[str, Any]] = []
    after: str | None = None
    try:
        with Reader(data_dir / DATABASE).reading() as db:
            while True:
                page = page_of(db, PAGE, after)
                items += [item.model_dump(mode="json") for item in page.items]
                if (after := page.next) is None:
                    return items
    except Unreadable as error:
        raise Refused(NOT_REACHABLE, "store.unavailable", f"{error}; has a box run on {data_dir}?") from error


def make_token(data_dir: Path, given: dict[str, Any]) -> str:
    """A new token's text; `given` as `schemas.people.TokenAddArgs` without hash."""
    text = new_token()
    ask(data_dir, "token.create", {"token": uuid7()} | given | {"hash": digest(text)})
    return text


def folder(data_dir: Path | None) -> Path:
    """The data directory that is meant: as given, by the environment, or `var`; from here on we are its owner.

    Raises `Refused` when it is none, `OSError` (`NotTheOwner` among them).
    """
    found = data_dir or Path(os.environ.get("YARDMASTER_DATA_DIR", "var"))
    if not found.is_dir():
        raise usage(f"there is no data directory {found}; name it with --data-dir")
    become_owner(found)
    return found


# ---------------------------------------------------------------- at the start of a box
def first_admin(data_dir: Path) -> str | None:
    """The password of the administrator that a new box gets; None when there are accounts already."""
    if has_people(data_dir):
        return None
    password = new_password()
    values = {"user": FIRST_ADMIN, "name": "Administrator", "role": "admin", "password": hash_password(password)}
    carry_out(data_dir, "user.add", values, caller())
    return password


def demo_account(data_dir: Path) -> None:
    """The account that a demonstration offers with one click; its password is known to nobody."""
    values = {"user": DEMO, "name": "Demonstration", "role": "admin", "password": hash_password(new_password())}
    try:
        carry_out(data_dir, "user.add", values, caller())
    except RefusedHere as refused:
        if refused.refusal.code != "user.exists":
            raise


def own_token(data_dir: Path) -> None:
    """A fresh token for the command line on this box; the one before opens nothing any more."""
    text = new_token()
    values = {"token": OWN_TOKEN, "name": "command line of the box", "role": "admin", "hash": digest(text)}
    carry_out(data_dir, "token.create", values, caller())
    write_private(data_dir / KEY_FILE, text + "\n")


def show_first_password(password: str) -> None:
    """On the terminal, once, and nowhere else: not in a log that is kept."""
    sys.stderr.write(
        f"\nThis box is new. Sign in as {FIRST_ADMIN!r} with this password, which is not shown again:\n\n"
        f"    {password}\n\n"
    )
    sys.stderr.flush()
