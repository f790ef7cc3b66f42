"""What the processes of a box and its agents have printed about defects."""

import re
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path

UNCAUGHT = re.compile(r"Traceback \(most recent|a defect in the controller|Exception in thread|Exception ignored in")


def uncaught(folder: Path) -> Iterator[str]:
    """I21: the first defect in each log below the folder of a box (`logs/log`, `agents/*/log`), one sentence each."""
    for file in (folder / "logs" / "log", *sorted(folder.glob("agents/*/log"))):
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        yield from (f"I21 uncaught, in {file.relative_to(folder)}, {found}" for found in islice(_all(lines), 1))


def _all(lines: list[str]) -> Iterator[str]:
    """Each place, with what it says and the end of what follows: a traceback names its exception last."""
    for number, line in enumerate(lines):
        if UNCAUGHT.search(line):
            body = takewhile(lambda text: text[:1].isspace(), lines[number + 1 :])
            end = number + 1 + len(list(body))
            yield f"line {number + 1}: {line[:100]} … {' '.join(lines[end : end + 1])[:200]}"
