"""`yardmaster asset …`: stored values that parameters import; secrets are typed or piped, and never shown."""

import json
import sys
from typing import Annotated, Any

import typer

from cli import show
from cli.client import usage
from cli.main import plain_app
from cli.options import Desk, command

app = plain_app(no_args_is_help=True, help="Save, list, show and remove assets; secrets are written and never read.")
AssetId = Annotated[str, typer.Argument(metavar="ID", help="Asset, by its id.")]
HIDDEN = "(secret)"


@command(app, "set")
def set_asset(
    desk: Desk,
    asset: AssetId,
    secret: Annotated[bool, typer.Option("--secret", help="Nobody may read it; asked for, or from --stdin.")] = False,
    value: Annotated[str | None, typer.Option("--value", help="Plain value: JSON, or else a text.")] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the value from standard input, without its last line end.")
    ] = False,
    name: Annotated[str, typer.Option("--name", help="Name for people.")] = "",
    note: Annotated[str | None, typer.Option("--note", help="What it is for.")] = None,
) -> None:
    """Save an asset, new or changed."""
    body: dict[str, Any] = {"name": name, "note": note}
    if secret:
        body["secret"] = _secret(value, stdin=stdin)
    else:
        body["value"] = _plain(value, stdin=stdin)
    given = {key: part for key, part in body.items() if part is not None}
    desk.show(desk.client.put(f"/assets/{asset}", given), lambda answer: _table([answer]))


def _secret(value: str | None, *, stdin: bool) -> str:
    if value is not None:
        raise usage("everybody on this machine sees command lines: give a secret by --stdin, or type it when asked")
    text = _piped() if stdin else str(typer.prompt("Secret", hide_input=True, confirmation_prompt=True, err=True))
    if not text:
        raise usage("the secret is empty")
    return text


def _plain(value: str | None, *, stdin: bool) -> Any:
    if (value is None) != stdin:
        raise usage("give either --value or --stdin")
    text = _piped() if value is None else value
    try:
        return json.loads(text)
    except ValueError:
        return text


def _piped() -> str:
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


@command(app, "list")
def list_assets(desk: Desk) -> None:
    """List assets; of secrets everything but the value."""
    found = list(desk.client.every("/assets"))
    desk.show({"items": found}, lambda answer: _table(answer["items"]))


@command(app, "show")
def show_asset(desk: Desk, asset: AssetId) -> None:
    """Show one asset."""
    desk.show(desk.client.get(f"/assets/{asset}"), lambda answer: _table([answer]))


@command(app, "delete")
def delete(desk: Desk, asset: AssetId) -> None:
    """Remove an asset that nothing refers to."""
    desk.client.delete(f"/assets/{asset}")


def _table(assets: list[dict[str, Any]]) -> None:
    heads = ("id", "name", "value", "used by", "version", "changed", "by", "note")
    show.table(heads, [_row(asset) for asset in assets], "no assets")


def _row(asset: dict[str, Any]) -> tuple[Any, ...]:
    value = HIDDEN if asset["secret"] else json.dumps(asset["value"], ensure_ascii=False)
    who = (asset["version"], show.moment(asset["updated_at"]), asset["updated_by"], asset["note"])
    return (asset["id"], asset["name"], value, ", ".join(asset["used_by"]), *who)
