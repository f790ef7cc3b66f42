"""What all commands that ask a box share: address, token, --json, and one way to show refusals."""

import functools
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, Refused, find_token, find_trust, find_url

Url = Annotated[str | None, typer.Option("--url", help="Address of the box (or YARDMASTER_URL).")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Find the box by its data directory (or YARDMASTER_DATA_DIR).")
]
Token = Annotated[str | None, typer.Option("--token", envvar="YARDMASTER_TOKEN", help="Token to show to the box.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON, for machines.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the change.")]
MustSay = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Job, by its id.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID…", help="Jobs, by their ids.")]
RobotId = Annotated[str, typer.Argument(metavar="ID", help="Robot, by its id.")]

SHARED = {"url": Url, "data_dir": DataDir, "token": Token, "as_json": Json}
EMPTY = {"url": None, "data_dir": None, "token": None, "as_json": False}


class Desk:
    """What a command works with: the client, and the choice between tables and JSON."""

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    def show(self, value: Any, table: Callable[[Any], None]) -> None:
        """Print an answer: JSON for machines, else what `table` makes of it."""
        if self.as_json:
            typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
        else:
            table(value)


def render(refused: Refused, *, as_json: bool) -> None:
    """The one way a refusal is shown."""
    if as_json:
        typer.echo(json.dumps(refused.as_json(), ensure_ascii=False), err=True)
        return
    typer.echo(f"error: {refused.message} [{refused.code}]", err=True)
    for detail in refused.details:
        where = "/".join(str(detail[part]).strip("/") for part in ("in", "path") if detail.get(part))
        typer.echo(f"  {where}: {detail.get('message', '')}", err=True)


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function `(desk, …)` as a command that also takes the shared options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        run = with_desk(function)
        app.command(name)(run)
        return function

    return register


def with_desk(function: Callable[..., None]) -> Callable[..., None]:
    """A function `(desk, …)` as a command that also takes the shared options."""

    @functools.wraps(function)
    def run(**given: Any) -> None:
        shared = {key: given.pop(key) for key in SHARED}
        try:
            token = find_token(shared["token"], shared["url"], shared["data_dir"])
            trusts = find_trust(shared["url"], shared["data_dir"])
            with Client(find_url(shared["url"], shared["data_dir"]), token, trusts=trusts) as client:
                function(Desk(client, as_json=shared["as_json"]), **given)
        except Refused as refused:
            render(refused, as_json=shared["as_json"])
            raise typer.Exit(refused.exit_code) from refused
        except BrokenPipeError:
            sys.stderr.close()  # `… | head` is not an error, and Python would complain about it at exit

    own = list(inspect.signature(function).parameters.values())[1:]
    only = inspect.Parameter.KEYWORD_ONLY
    extra = [inspect.Parameter(key, only, default=EMPTY[key], annotation=kind) for key, kind in SHARED.items()]
    parameters = [parameter.replace(kind=only) for parameter in own] + extra
    setattr(run, "__signature__", inspect.Signature(parameters))  # noqa: B010 - Typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
