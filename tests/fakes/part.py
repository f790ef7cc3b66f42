"""Parts of the box as processes of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def part(environment: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python with these arguments, killed at the end of the block if it still runs.

    Its standard input is what a supervisor would hold; what it says on standard error is read by `communicate`.
    """
    running = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | environment,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield running
    finally:
        running.kill()
        running.communicate()
