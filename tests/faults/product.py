"""The product's command line with two seams for the bench: parts come back at once, and may be wrapped.

A supervisor waits ever longer for a part that keeps ending, up to 30 s; here it is always half a second, or a thousand
kills would take a day. The file named by `WRAP` says what to put around which part, as JSON: {"controller": {"before":
["strace", …], "mutant": "…", "environment": {…}}}; it is read at each start of a part.
"""

import json
import os
from pathlib import Path
from typing import Any

import cli.parts
from cli.parts import Part

WRAP = "YARDMASTER_BENCH_WRAP"
MUTANTS = "tests.faults.mutants"


def wrapped(command: list[str], how: dict[str, Any]) -> list[str]:
    """A command with what is to stand around it; `command` is PYTHON -m MODULE ARGUMENTS…"""
    if "mutant" in how and "-m" in command:
        at = command.index("-m") + 1
        command = [*command[:at], MUTANTS, how["mutant"], *command[at:]]
    return [*how.get("before", ()), *command]


def _start(self: Part) -> None:
    file = Path(os.environ[WRAP])
    how = json.loads(file.read_text())[self.name] if file.exists() and self.name in file.read_text() else {}
    command, environment = self.command, self.environment
    self.command = wrapped(command, how)
    self.environment = dict(environment) | how.get("environment", {})
    try:
        _real_start(self)
    finally:
        self.command, self.environment = command, environment


_real_start = Part.start


def main() -> None:
    """Run `yardmaster` as told by the arguments."""
    cli.parts.FIRST_WAIT_S = cli.parts.LONGEST_WAIT_S = 0.5
    Part.start = _start  # type: ignore[method-assign]
    from cli.main import run

    run()


if __name__ == "__main__":
    main()
