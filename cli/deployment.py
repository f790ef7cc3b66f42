"""`yardmaster deployment …`: save, run and list deployments."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.client import usage
from cli.job import finish
from cli.main import plain_app
from cli.options import Desk, command
from cli.parameters import Param, Params, parameters, read_json

app = plain_app(no_args_is_help=True, help="Save, run and list deployments.")
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Deployment as JSON, or a list of them.", exists=True, dir_okay=False)
]


def read_named(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """Ids and saved forms of a file of definitions: one object with an `id`, or a list of such."""
    content = read_json(file)
    found: list[tuple[str, dict[str, Any]]] = []
    for one in content if isinstance(content, list) else [content]:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            raise usage(f'{file}: a JSON object with an "id" is needed, or a list of such')
        found.append((one["id"], {name: value for name, value in one.items() if name != "id"}))
    return found


@command(app, "save")
def save(desk: Desk, file: File) -> None:
    """Save deployments, new or changed."""
    saved = [desk.client.put(f"/deployments/{name}", body) for name, body in read_named(file)]
    desk.show({"items": saved}, lambda answer: _table(answer["items"]))


@command(app, "run")
def run(
    desk: Desk,
    deployment: Annotated[str, typer.Argument(metavar="ID", help="Deployment, by its id.")],
    priority: Annotated[int | None, typer.Option("--priority", min=0, max=5000, help="For this run only.")] = None,
    param: Param = None,
    params: Params = None,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key: asked twice, made once.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit 5 unless all succeeded.")] = False,
) -> None:
    """Run a deployment now; what is given here counts for this run only."""
    body = {"priority": priority, "parameters": parameters(param, params)}
    given = {name: value for name, value in body.items() if value is not None}
    finish(desk, desk.client.post(f"/deployments/{deployment}/run", given, key=key), wait=wait)


@command(app, "list")
def list_deployments(desk: Desk) -> None:
    """List deployments."""
    found = list(desk.client.every("/deployments"))
    desk.show({"items": found}, lambda answer: _table(answer["items"]))


def _table(deployments: list[dict[str, Any]]) -> None:
    heads = ("id", "name", "flow", "version", "target", "priority", "retries", "enabled")
    show.table(heads, [_row(deployment) for deployment in deployments], "no deployments")


def _row(deployment: dict[str, Any]) -> tuple[Any, ...]:
    target = deployment.get("target") or {}
    where = f"queue {target['queue']}" if target.get("queue") else ", ".join(target.get("robots") or ())
    numbers = (deployment.get("priority"), deployment.get("max_retries"), deployment.get("enabled"))
    version = deployment.get("flow_version") or "latest"
    return (deployment["id"], deployment.get("name"), deployment.get("flow"), version, where, *numbers)
