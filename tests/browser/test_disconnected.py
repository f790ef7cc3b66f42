"""What people see when something between them and the robots is gone, and that it comes back by itself."""

import http.client
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from cli.client import READY
from cli.demo import ONCE
from cli.stage import Stage, all_there
from tests.browser.screen import Screen, accessibility, session, sideways
from tests.waiting import wait_for

ROOM = 8
"""Streams that this box serves at once."""
LONG = 30_000
"""More than it takes to notice anything; in milliseconds."""
FROZEN = 60_000
Screens = Callable[..., Screen]


@pytest.fixture(scope="module")
def box(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small box of its own, because these tests kill its parts."""
    stage = Stage(tmp_path_factory.mktemp("box"), ONCE / "fleet.toml")
    stage.settings = {"YARDMASTER_WEB_THREADS": str(64 + ROOM)}
    with stage, stage.client() as client:
        stage.wait_for(all_there(client, ONCE / "fleet.toml"), 60, "all robots are there")
        yield stage


@pytest.fixture
def screen(browser: Browser, box: Stage) -> Iterator[Screens]:
    """Opens screens; here they complain, because the box is broken on purpose."""
    session(browser, box.url)  # while the box is well: a test may break it before it opens a screen
    opened: list[Screen] = []

    def open_one(**how: str) -> Screen:
        opened.append(Screen(browser, box.url, **how))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def _pid(box: Stage, part: str) -> int:
    return int(json.loads((box.data_dir / READY).read_text())["parts"][part])


def _streams(box: Stage) -> int:
    found = re.search(
        r"^yardmaster_web_streams (\d+)", httpx.get(box.url + "/metrics", headers=box.headers()).text, re.MULTILINE
    )
    assert found is not None
    return int(found[1])


@pytest.fixture
def nobody_watches(box: Stage) -> None:
    """Streams of earlier tests are gone: a server learns that at its next word to them."""
    wait_for(lambda: _streams(box) == 0, 30, "all streams are closed")


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes stand still for the length of the block, as on a machine that is out of breath."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def _open_robot(page: Page, robot: str) -> None:
    page.locator(f"#robot-{robot} [aria-expanded]").click()
    expect(page.locator(f"#about-{robot} .about-do")).to_be_visible()


def _is_live(page: Page) -> None:
    expect(page.locator("body")).to_have_attribute("data-state", "ok", timeout=LONG)
    expect(page.locator("#lost")).to_be_hidden()


def test_a_controller_that_stands_still(box: Stage, screen: Screens) -> None:
    page = screen().open("/robots")
    _open_robot(page, "agv-1")
    drain = page.locator("#about-agv-1").get_by_role("button", name="Drain…")
    expect(drain).to_be_enabled()
    with stopped(_pid(box, "controller")):
        expect(page.locator("#lost-what")).to_have_text(
            re.compile(r"The controller does not answer since \d\d:\d\d:\d\d\."), timeout=LONG
        )
        expect(page.locator("#lost")).to_contain_text("You see what was recorded until then.")
        expect(page.locator("#lost")).to_be_in_viewport()
        expect(page.get_by_text("Not live", exact=True)).to_be_visible()
        expect(drain).to_be_disabled()
        expect(page.locator("#robot-agv-1")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))  # not "just now"
        assert accessibility(page) == []
    _is_live(page)
    expect(drain).to_be_enabled()
    expect(page.locator("#about-agv-1 .about-do")).to_be_visible()  # what was open still is
    expect(page.locator("#say")).to_have_text("Live again.")


def test_a_controller_that_is_killed_is_back_by_itself(box: Stage, screen: Screens) -> None:
    page = screen(lang="zh").open("/robots")
    # Its supervisor stands still, so that it is not started again before people have seen the bar.
    with stopped(box.process("serve").pid):
        os.kill(_pid(box, "controller"), signal.SIGKILL)
        expect(page.locator("#lost-what")).to_have_text(re.compile(r"主控自 \d\d:\d\d:\d\d 起无应答。"), timeout=LONG)
    _is_live(page)
    expect(page.locator("#robot-agv-1")).to_contain_text("刚刚", timeout=LONG)


def test_a_page_that_is_opened_while_the_controller_is_down(box: Stage, screen: Screens) -> None:
    with stopped(box.process("serve").pid):
        os.kill(_pid(box, "controller"), signal.SIGKILL)
        one = screen(size="handheld", theme="dark")
        page = one.open("/robots")
        expect(page.locator("#lost")).to_be_visible()
        expect(page.locator("#r-say")).to_contain_text("the controller does not answer")
        expect(page.locator("#robot-agv-1")).to_be_visible()
        page.locator("#robot-agv-1 [data-robot][aria-expanded]").click()
        expect(page.locator("#about-agv-1").get_by_role("button", name="Drain…")).to_be_disabled()
        assert (accessibility(page), sideways(page)) == ([], 0)
    _is_live(page)


def test_the_box_is_gone_and_comes_back(box: Stage, screen: Screens) -> None:
    page = screen().open("/robots")
    with stopped(box.process("serve").pid):
        os.kill(_pid(box, "web"), signal.SIGKILL)
        expect(page.locator("#lost-what")).to_have_text(
            re.compile(r"This page has lost the box since \d\d:\d\d:\d\d\."), timeout=LONG
        )
        expect(page.locator("#lost")).to_contain_text("The page connects again by itself.")
        for button in page.locator("[data-act]").all():
            expect(button).to_be_disabled()
    _is_live(page)


def test_a_line_that_says_nothing_is_noticed(box: Stage, screen: Screens) -> None:
    page = screen().open("/robots")
    web = _pid(box, "web")
    workers = [one.pid for one in box.process("serve").children(recursive=True) if one.ppid() == web]
    with stopped(web, *workers):
        expect(page.locator("#lost-what")).to_contain_text("This page has lost the box", timeout=FROZEN)
    page.get_by_role("button", name="Try now").click()
    _is_live(page)


def _seat(box: Stage, inside: ExitStack) -> http.client.HTTPConnection:
    where = urlsplit(box.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    inside.callback(connection.close)
    connection.request("GET", "/live?topics=system", headers=box.headers())
    assert connection.getresponse().status == 200
    return connection


@pytest.mark.usefixtures("nobody_watches")
def test_one_screen_too_many_waits_for_room(box: Stage, screen: Screens) -> None:
    with ExitStack() as inside:
        seats = [_seat(box, inside) for _ in range(ROOM)]
        page = screen().open("/robots", live=False)
        expect(page.locator("#lost")).to_contain_text("Too many screens are open.", timeout=LONG)
        expect(page.locator("#robot-agv-1")).to_be_visible()
        expect(page.locator("body")).to_have_attribute("data-live", "no")
        seats[0].sock.close()
        seats[0].close()
        _is_live(page)


@pytest.mark.usefixtures("nobody_watches")
def test_seven_tabs_share_one_stream(box: Stage, screen: Screens) -> None:
    one = screen()
    pages = [one.open("/robots") for _ in range(7)]
    wait_for(lambda: _streams(box) == 1, 30, "one stream serves all tabs")
    with box.client() as client:
        client.post("/robots/agv-2/disable", {"reason": "new tyres"})
        for page in pages:
            expect(page.locator("#robot-agv-2")).to_contain_text("new tyres", timeout=LONG)
        client.post("/robots/agv-2/enable", {})
    for page in pages:
        expect(page.locator("#robot-agv-2")).not_to_contain_text("new tyres", timeout=LONG)


HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest.mark.usefixtures("nobody_watches")
def test_a_hidden_tab_costs_nothing_and_catches_up(box: Stage, screen: Screens) -> None:
    page = screen().open("/robots")
    page.evaluate("addEventListener('live:state', () => { document.title = 'read anew'; }, true)")
    wait_for(lambda: _streams(box) == 1, 30, "the stream is open")
    page.evaluate(HIDE, True)
    wait_for(lambda: _streams(box) == 0, 30, "the stream is closed")
    with box.client() as client:
        client.post("/robots/agv-2/disable", {"reason": "new battery"})
        page.evaluate(HIDE, False)
        expect(page.locator("#robot-agv-2")).to_contain_text("new battery", timeout=LONG)
        client.post("/robots/agv-2/enable", {})
    expect(page).to_have_title("read anew")  # what lives on moves is told that it may have missed some


@pytest.mark.usefixtures("nobody_watches")
def test_a_page_that_comes_back_from_the_past_is_true_again(box: Stage, screen: Screens) -> None:
    page = screen().open("/robots")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    wait_for(lambda: _streams(box) == 0, 30, "the stream is closed")
    with box.client() as client:
        client.post("/robots/agv-2/disable", {"reason": "yesterday"})
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        expect(page.locator("#robot-agv-2")).to_contain_text("yesterday", timeout=LONG)
        client.post("/robots/agv-2/enable", {})


def test_a_place_in_the_stream_that_is_too_old_loads_the_page_anew(box: Stage, screen: Screens) -> None:
    one = screen()
    one.context.add_init_script("delete window.SharedWorker")  # so that its request can be changed; also without one
    page = one.open("/robots")
    page.evaluate("document.body.dataset.before = 'yes'")
    page.route("**/live?*", lambda route: route.continue_(url=route.request.url + "&after=999999999"), times=1)
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    expect(page.locator("body:not([data-before])")).to_be_attached(timeout=LONG)
    _is_live(page)
