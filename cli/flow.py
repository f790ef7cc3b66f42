"""`yardmaster flow …`: check, save and list flows."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.client import REFUSED, usage
from cli.main import plain_app
from cli.options import Desk, command
from cli.parameters import read_json

app = plain_app(no_args_is_help=True, help="Check, save and list flows.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="Flow as JSON.", exists=True, dir_okay=False)]
Id = Annotated[str | None, typer.Option("--id", help="Id of the flow; else as in the file, else the file's name.")]


def read_flow(file: Path, flow: str | None = None) -> tuple[str, dict[str, Any]]:
    """Id and saved form of a flow file: {id?, name?, note?, definition}, or the definition alone."""
    content = read_json(file)
    if not isinstance(content, dict):
        raise usage(f"{file}: a JSON object is needed")
    body = dict(content) if "definition" in content else {"definition": content}
    found = body.pop("id", None)
    return flow or str(found or file.stem), body


@command(app, "check")
def check(desk: Desk, file: File) -> None:
    """Check a flow without saving it; every problem is named with its block."""
    _, body = read_flow(file)
    answer = desk.client.post("/flows/check", body)
    desk.show(answer, _problems)
    if answer["problems"]:
        raise typer.Exit(REFUSED)


def _problems(answer: dict[str, Any]) -> None:
    rows = [(one.get("path"), one.get("code"), one.get("message")) for one in answer["problems"]]
    show.table(("where", "code", "problem"), rows, "no problems")


@command(app, "save")
def save(desk: Desk, file: File, flow: Id = None) -> None:
    """Save a flow; a change makes its next version."""
    name, body = read_flow(file, flow)
    desk.show(desk.client.put(f"/flows/{name}", body), lambda answer: _table([answer]))


@command(app, "list")
def list_flows(desk: Desk) -> None:
    """List flows."""
    found = list(desk.client.every("/flows"))
    desk.show({"items": found}, lambda answer: _table(answer["items"]))


def _table(flows: list[dict[str, Any]]) -> None:
    show.table(("id", "version", "name"), [(f["id"], f.get("version"), f.get("name")) for f in flows], "no flows")
