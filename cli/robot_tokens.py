"""Tokens for all robots of a simulated fleet, in one file that only its owner can read."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from cli.client import Client

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
    _write(file, json.dumps(known))
    return file


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(file)
