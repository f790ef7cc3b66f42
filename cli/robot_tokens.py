"""Tokens for all robots of a simulated fleet, in one file that only its owner can read."""

import json
from collections.abc import Iterable
from pathlib import Path

from cli.client import Client
from config.disk import write_private

MOST = 100
"""A larger fleet is there to be counted, not to be looked at: it uploads nothing."""


def write_tokens(client: Client, robots: Iterable[str], file: Path) -> Path | None:
    """Make a token for each robot that has none in the file yet; None for a fleet that is too large for that.

    Raises `Refused`, `OSError`.
    """
    names = list(robots)
    if len(names) > MOST:
        return None
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name in names:
        if name not in known:
            made = client.post("/tokens", {"name": f"uploads of {name}", "role": "robot", "robot": name})
            known[name] = str(made["secret"])
    write_private(file, json.dumps(known))
    return file
