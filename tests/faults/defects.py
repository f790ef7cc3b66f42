"""What the processes of a box and its agents have printed about defects."""

import re
from collections.abc import Iterator
from pathlib import Path

UNCAUGHT = re.compile(r"Traceback \(most recent|a defect in the controller|Exception in thread|Exception ignored in")
HEAD = "Traceback (most recent"
CHAINED = ("During handling of", "The above exception")
ASKED_TO_END = re.compile(r"^(.*: )?(KeyboardInterrupt|SystemExit)\b")
"""The last line of a traceback that is no defect: somebody ended the process."""


def uncaught(folder: Path) -> Iterator[str]:
    """I21: the first defect in each log below the folder of a box (`logs/log`, `agents/*/log`), one sentence each."""
    for file in (folder / "logs" / "log", *sorted(folder.glob("agents/*/log"))):
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        yield from (f"I21 uncaught, in {file.relative_to(folder)}, {found}" for found in _first(lines))


def _first(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if UNCAUGHT.search(line):
            last = _end_of(lines, number)
            if not ASKED_TO_END.match(last):
                yield f"line {number + 1}: {line[:100]} … {last[:200]}"
                return


def _end_of(lines: list[str], start: int) -> str:
    """The line that names the exception (the last one of a chain): the first that is not indented below its head."""
    last, inside = lines[start], HEAD in lines[start]
    for line in lines[start + 1 :]:
        if inside and line and not line[0].isspace():
            last, inside = line, False
        elif not inside and HEAD in line:
            inside = True
        elif not inside and line and not line.startswith(CHAINED):
            break
    return last
