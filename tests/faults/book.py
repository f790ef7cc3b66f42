"""The book of a long campaign: a line for each box, kept at once, so that what is cut off goes on where it stopped."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.benchmark.machine import commit
from tests.faults.row import Row, added, from_json


@dataclass(frozen=True)
class Book:
    """Lines of JSON: `row`, and when, with which dice, at which commit and beside how much other work it was tried."""

    file: Path

    def add(self, row: Row, seed: int) -> None:
        """One box more; several processes may write at once."""
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit(), "seed": seed,
            "load": round(os.getloadavg()[0], 1), "row": row.as_json(),
        }  # fmt: skip
        with self.file.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")

    def lines(self) -> list[dict[str, Any]]:
        """All that was written; raises `ValueError` for a line that is none."""
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]

    def rows(self) -> dict[str, Row]:
        """Suite to the sum of its boxes; those that say why they were `superseded` do not count."""
        total: dict[str, Row] = {}
        for line in self.lines():
            if "superseded" in line:
                continue
            row = from_json(line["row"])
            total[row.name] = added(total[row.name], row) if row.name in total else row
        return total

    def done(self, name: str) -> int:
        """How many cycles of a suite are in the book."""
        row = self.rows().get(name)
        return row.cycles if row else 0
