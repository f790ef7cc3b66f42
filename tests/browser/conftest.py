"""A whole product with a simulated factory, and a browser in front of it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from cli.client import Client
from cli.demo import FACTORY
from cli.stage import Stage, all_there, save_deployments, save_flows
from tests.browser.screen import Screen, browsing, find_chromium

ROBOTS_S = 60.0
PATIENCE_MS = 20_000
"""How long a page may take to show what a test expects; a busy machine is no failure."""
expect.set_options(timeout=PATIENCE_MS)
SPEED = 20.0


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a real browser; tests that need one are skipped by name where there is none."""
    found = find_chromium()
    if found is None:
        pytest.skip("chromium is not installed (scripts/test installs it when it runs as root)")
    return found


@pytest.fixture(scope="package")  # its driver keeps a loop of asyncio running, which other rooms want for themselves
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for the tests of a worker."""
    with browsing(chromium) as running:
        yield running


@pytest.fixture(scope="package")  # twenty times faster than life costs a third of a core, which others want afterwards
def factory(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The example factory, twenty times faster than life, with its flows and deployments and no work yet."""
    with Stage(tmp_path_factory.mktemp("factory"), FACTORY / "fleet.toml", speed=SPEED) as stage:
        with stage.client() as client:
            stage.wait_for(all_there(client, FACTORY / "fleet.toml"), ROBOTS_S, "all robots are there")
            save_flows(client, FACTORY / "flows")
            save_deployments(client, FACTORY / "deployments.json")
        yield stage


@pytest.fixture
def client(factory: Stage) -> Iterator[Client]:
    """The API of the factory's box."""
    with factory.client() as connected:
        yield connected


@pytest.fixture
def screen(browser: Browser, factory: Stage) -> Iterator[Callable[..., Screen]]:
    """Opens screens (`lang`, `theme`, `size`); at the end none of them may have complained by itself."""
    opened: list[Screen] = []

    def open_one(**how: str) -> Screen:
        opened.append(Screen(browser, factory.url, **how))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    found = [complaint for one in opened for complaint in one.unexpected()]
    for one in opened:
        one.close()
    assert found == []


@pytest.fixture
def shots() -> Path | None:
    """Where pictures are kept for looking at: the folder in `YARDMASTER_SHOTS`, if that is set."""
    given = os.environ.get("YARDMASTER_SHOTS")
    return None if given is None else Path(given)
