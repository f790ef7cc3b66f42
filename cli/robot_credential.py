"""A robot's new credential: on the terminal, or as files beside the settings that name them."""

import json
from pathlib import Path
from typing import Any

import typer

from cli.client import usage
from config.disk import write_private

SECRETS = ("password", "certificate", "key", "authority")
_FILES = {"password": "password", "certificate": "certificate.pem", "key": "key.pem", "authority": "box.pem"}
_OPTIONS = {"password": "password_file", "certificate": "certificate", "key": "key", "authority": "ca_file"}


def show_credential(found: dict[str, Any]) -> None:
    """The secret, and the lines of the agent's settings file that go with it."""
    for name in SECRETS:
        if found[name] is not None:
            typer.echo(f"{name}, to be kept in {_FILES[name]}; it is not shown again:" if name != "authority" else
                       f"how the agent recognises this box, to be kept in {_FILES[name]}:")  # fmt: skip
            typer.echo(f"\n{found[name].strip()}\n")
    typer.echo("settings of its agent (yardmaster agent --config FILE):\n")
    typer.echo(_settings(found))


def write_credential(found: dict[str, Any], folder: Path) -> Path:
    """Files that only their owner can read, in a folder that is made; the settings file. Raises `Refused`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in SECRETS:
            if found[name] is not None:
                write_private(folder / _FILES[name], found[name].strip() + "\n")
        settings = folder / "agent.toml"
        write_private(settings, _settings(found))
    except OSError as error:
        raise usage(f"{folder} cannot be written, so enrol it again: {error}") from error
    return settings


def _settings(found: dict[str, Any]) -> str:
    """Files by their names alone: the folder is for another machine, where it lies elsewhere."""
    lines = {"name": found["robot"], "mqtt": found["mqtt"]}
    lines |= {_OPTIONS[name]: _FILES[name] for name in SECRETS if found[name] is not None}
    tls = "tls = true\n" if found["tls"] else ""
    # A JSON string of printable characters is a TOML string.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()) + tls
