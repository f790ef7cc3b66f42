"""The bench itself: a suite passes with the product and fails with a mutant; scripts/faults runs all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.isolation import INSIDE

ROOT = Path(__file__).parents[2]
CAUGHT = (("kill-controller", "ack_before_commit", 4), ("permuted-traces", "any_order", 100))


def faults(tmp_path: Path, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, rows and what was said."""
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "tests.faults", *arguments, "--json", str(file), "--keep", str(tmp_path / "work")]
    environment = {name: value for name, value in os.environ.items() if name != INSIDE}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    rows = json.loads(file.read_text()) if file.exists() else []
    return done.returncode, rows, done.stdout + done.stderr


@pytest.mark.timeout(280)
def test_no_promise_is_broken(tmp_path: Path, mosquitto: str) -> None:
    code, rows, said = faults(tmp_path, "--only", "kill-controller", "--cycles", "3")
    assert (code, len(rows)) == (0, 1), said
    assert rows[0]["jobs"], said


@pytest.mark.timeout(280)
@pytest.mark.parametrize(("name", "mutant", "cycles"), CAUGHT, ids=[mutant for _, mutant, _ in CAUGHT])
def test_a_mutant_is_caught(tmp_path: Path, mosquitto: str, name: str, mutant: str, cycles: int) -> None:
    code, rows, said = faults(tmp_path, "--only", name, "--cycles", str(cycles), "--mutant", mutant)
    assert (code, len(rows)) == (1, 1), said
    assert not rows[0]["ok"], said
