"""docs/security.md names tests: each of them exists."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"`(?:(test_\w+)::)?(test_\w+)`")


def test_every_test_that_is_named_exists() -> None:
    files: dict[str, str] = defaultdict(str)
    for file in (ROOT / "tests").rglob("test_*.py"):
        files[file.stem] += file.read_text(encoding="utf-8")
    text, missing, named = (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), [], 0
    for line in text.splitlines():
        room = ""
        for found in _NAMED.finditer(line):
            if found[1] is None and found[2] in files:
                continue  # a whole file
            room = found[1] or room
            named += 1
            if f"def {found[2]}(" not in files[room]:
                missing.append(f"{room}::{found[2]}")
    assert missing == []
    assert named > 40
