"""`yardmaster token …`: tokens for systems and robots, made on the box."""

from typing import Annotated, Any

import typer

from cli import show
from cli.main import plain_app
from cli.people import DAY_US, Data, ask, folder, make_token, plain, read
from config.clock import instant
from controller.store.queries import accounts

app = plain_app(no_args_is_help=True, help="Create, list and revoke tokens, on the box itself.")


@app.command("create")
@plain
def create(
    name: Annotated[str, typer.Argument(help="What it is for; shown in lists and in the audit.")],
    role: Annotated[str, typer.Option("--role", help="viewer, operator, admin, or robot.")] = "viewer",
    area: Annotated[list[str] | None, typer.Option("--area", help="Limit it to this area; may be repeated.")] = None,
    robot: Annotated[str | None, typer.Option("--robot", help="With --role robot: whose attempts it reaches.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, max=3650, help="How long it is valid.")] = None,
    data_dir: Data = None,
) -> None:
    """Make a token and print it on the last line; it is not shown again. Works whether the box runs or not."""
    end = None if days is None else instant().utc_us + days * DAY_US
    given = {"name": name, "role": role, "areas": area or [], "robot": robot, "expires_at": end}
    typer.echo(make_token(folder(data_dir), given))


@app.command("list")
@plain
def list_tokens(
    *, as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False, data_dir: Data = None
) -> None:
    """List tokens, those that were revoked too; what they open with is not kept."""
    found = read(folder(data_dir), accounts.page_of_tokens)
    if as_json:
        show.as_json(found)
        return
    rows = [
        (t["id"], t["name"], t["role"], ", ".join(t["areas"]) or t["robot"] or "all", _end(t),
         show.moment(t["used_at"]), show.moment(t["created_at"]), t["created_by"])
        for t in found
    ]  # fmt: skip
    show.table(("id", "name", "role", "reaches", "ends", "last used", "made", "by"), rows)


def _end(token: dict[str, Any]) -> str:
    if token["revoked_at"] is not None:
        return f"revoked by {token['revoked_by']}"
    return show.moment(token["expires_at"]) or "never"


@app.command("revoke")
@plain
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as the list of tokens shows it.")],
    data_dir: Data = None,
) -> None:
    """Have a token open nothing from now on."""
    ask(folder(data_dir), "token.revoke", {"token": token})
