"""`yardmaster token …`: tokens for systems and robots, made on the box."""

from pathlib import Path
from typing import Annotated

import typer

from cli.client import Refused, usage
from cli.main import plain_app
from cli.options import render
from cli.people import DAY_US, ask, folder, make_token
from config.clock import instant

app = plain_app(no_args_is_help=True, help="Create and revoke tokens, on the box itself.")

Data = Annotated[Path | None, typer.Option("--data-dir", help="The box's data directory (or YARDMASTER_DATA_DIR).")]


@app.command("create")
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
    try:
        if role not in ("viewer", "operator", "admin", "robot"):
            raise usage("--role is viewer, operator, admin or robot")
        text = make_token(folder(data_dir), given)
    except Refused as refused:
        render(refused, as_json=False)
        raise typer.Exit(refused.exit_code) from refused
    typer.echo(text)


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as the list of tokens shows it.")],
    data_dir: Data = None,
) -> None:
    """Have a token open nothing from now on."""
    try:
        ask(folder(data_dir), "token.revoke", {"token": token})
    except Refused as refused:
        render(refused, as_json=False)
        raise typer.Exit(refused.exit_code) from refused
