"""A box with one flow and one robot that has been heard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.box import Box
from tests.fakes.people import People
from tests.fakes.yard import FakeRobot


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """The web over a real core, with the flow `hello` and the queue `main`."""
    made = Box(tmp_path)
    made.yard.must("queue.put", queue="main")
    made.yard.flow()
    yield made
    made.close()


@pytest.fixture
def robot(box: Box) -> FakeRobot:
    """A robot of the queue `main` that has been heard."""
    return box.yard.robot("r1")


@pytest.fixture
def people(box: Box, monkeypatch: pytest.MonkeyPatch) -> People:
    """Accounts and browsers at the box."""
    return People(box, monkeypatch)
