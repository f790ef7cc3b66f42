"""Values for a flow's input parameters as they are typed: --param K=V and --params FILE."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import usage

Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="K=V", help='Value of a parameter; {…}, […] and "…" are JSON. May be repeated.'),
]
Params = Annotated[
    Path | None,
    typer.Option("--params", exists=True, dir_okay=False, help="JSON object of parameters, before --param."),
]


def parameters(pairs: list[str] | None, file: Path | None) -> dict[str, Any] | None:
    """Parameters from a file, then from pairs; None when neither was given."""
    if not pairs and file is None:
        return None
    values = _from_file(file) if file else {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise usage(f"--param {pair}: write NAME=VALUE")
        values[name] = _value(pair, value)
    return values


def _from_file(file: Path) -> dict[str, Any]:
    values = read_json(file)
    if not isinstance(values, dict):
        raise usage(f"{file}: a JSON object of parameters is needed")
    return values


def _value(pair: str, value: str) -> Any:
    # Everything else travels as text: the box converts it by the type that the flow declares.
    if not value.startswith(("{", "[", '"')):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise usage(f"--param {pair}: not JSON: {error}") from error


def read_json(file: Path) -> Any:
    """Content of a JSON file; raises `Refused` with exit code 2."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise usage(f"{file}: {error}") from error
