"""`yardmaster user …`: accounts of people, made and changed on the box."""

import getpass
import sys
from typing import Annotated, Any

import typer

from cli import show
from cli.client import usage
from cli.main import plain_app
from cli.people import Data, ask, folder, plain, read
from config.credentials import hash_password, new_password
from controller.store.queries import accounts
from schemas.people import PASSWORD_MAX, PASSWORD_MIN

app = plain_app(no_args_is_help=True, help="Add, list, lock and remove accounts of people, on the box itself.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the person signs in with.")]
Role = Annotated[str, typer.Option("--role", help="viewer, operator or admin.")]
Random = Annotated[bool, typer.Option("--random", help="Make a password up and print it on the last line.")]


@app.command("add")
@plain
def add(
    name: Name, role: Role, shown: Annotated[str, typer.Option("--name", help="Full name, for screens.")] = "",
    *, random: Random = False, data_dir: Data = None,
) -> None:  # fmt: skip
    """Add an account. The password is asked for, or read from the first line of standard input."""
    where, password = folder(data_dir), _password(random=random)
    args = {"user": name, "name": shown, "role": role, "password": hash_password(password)}
    ask(where, "user.add", args)
    _tell(name, password, random=random)


@app.command("list")
@plain
def list_users(
    *, as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False, data_dir: Data = None
) -> None:
    """List accounts."""
    found = read(folder(data_dir), accounts.page_of_users)
    if as_json:
        show.as_json(found)
        return
    rows = [
        (u["id"], u["name"], u["role"], "" if u["enabled"] else "locked", show.moment(u["seen_at"]),
         show.moment(u["created_at"]), u["created_by"])
        for u in found
    ]  # fmt: skip
    show.table(("name", "full name", "role", "", "last signed in", "made", "by"), rows)


@app.command("password")
@plain
def password(name: Name, *, random: Random = False, data_dir: Data = None) -> None:
    """Give an account another password; it is signed out everywhere."""
    where, text = folder(data_dir), _password(random=random)
    ask(where, "user.change", {"user": name, "password": hash_password(text)})
    _tell(name, text, random=random)


@app.command("role")
@plain
def role(
    name: Name, role: Annotated[str, typer.Argument(help="viewer, operator or admin.")], data_dir: Data = None
) -> None:
    """Change what an account may do; it is signed out everywhere."""
    _change(data_dir, name, role=role)


@app.command("disable")
@plain
def disable(name: Name, data_dir: Data = None) -> None:
    """Lock an account; it is signed out everywhere."""
    _change(data_dir, name, enabled=False)


@app.command("enable")
@plain
def enable(name: Name, data_dir: Data = None) -> None:
    """Unlock an account."""
    _change(data_dir, name, enabled=True)


@app.command("delete")
@plain
def delete(name: Name, data_dir: Data = None) -> None:
    """Remove an account; its name stays in the audit."""
    ask(folder(data_dir), "user.delete", {"user": name})


def _change(data_dir: Data, name: str, **values: Any) -> None:
    ask(folder(data_dir), "user.change", {"user": name} | values)


def _password(*, random: bool) -> str:
    """As typed twice, as given on standard input, or a new one; raises `Refused`."""
    if random:
        return new_password()
    if sys.stdin.isatty():
        text = getpass.getpass("password: ")
        if getpass.getpass("once more: ") != text:
            raise usage("these are two different passwords")
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if not PASSWORD_MIN <= len(text) <= PASSWORD_MAX:
        raise usage(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters")
    return text


def _tell(name: str, password: str, *, random: bool) -> None:
    if random:
        typer.echo(f"{name} signs in with this password, which is not shown again:", err=True)
        typer.echo(password)
