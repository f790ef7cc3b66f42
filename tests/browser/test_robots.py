"""The robots in a real browser: what each does while it does it, and what people do with them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cli.client import Client
from cli.demo import ONCE
from cli.stage import Stage, all_there, save_flows
from tests.browser.robots_at_hand import Agents, agents_of, forget, held, state, submit, watching_one
from tests.browser.screen import Screen, accessibility, sideways
from tests.waiting import wait_for

Screens = Callable[..., Screen]
LOOKS = [
    (lang, theme, size)
    for lang, theme in (("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark"))
    for size in ("desktop", "handheld")
]
DIALOGS = LOOKS[0], LOOKS[3], LOOKS[5], LOOKS[6]
"""So that each language, theme and size is seen twice."""
LONG_MS = 30_000


@pytest.fixture(scope="module")
def box(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small box of its own, because these tests take its robots out of use."""
    stage = Stage(tmp_path_factory.mktemp("box"), ONCE / "fleet.toml")
    stage.settings = {"YARDMASTER_ANSWER_S": "2"}
    with stage, stage.client() as client:
        stage.wait_for(all_there(client, ONCE / "fleet.toml"), 60, "all robots are there")
        save_flows(client, ONCE / "flows")
        yield stage


@pytest.fixture
def client(box: Stage) -> Iterator[Client]:
    """The API of the box."""
    with box.client() as connected:
        yield connected


@pytest.fixture
def screen(browser: Browser, box: Stage) -> Iterator[Screens]:
    """Opens screens; at the end none of them may have complained by itself."""
    opened: list[Screen] = []

    def open_one(**how: str) -> Screen:
        opened.append(Screen(browser, box.url, **how))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    found = [complaint for one in opened for complaint in one.unexpected()]
    for one in opened:
        one.close()
    assert found == []


@pytest.fixture(scope="module")
def agents(box: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    """The robots `spare-1` and `spare-2`, each a process of its own, both heard."""
    with agents_of(box, tmp_path_factory.mktemp("spares"), "spare-1", "spare-2") as processes:
        yield processes


@pytest.fixture
def stranger(box: Stage, client: Client, agents: Agents) -> str:
    """A robot that speaks and is not known."""
    forget(box, client, "spare-2")
    return "spare-2"


@pytest.fixture
def on_hold(client: Client, agents: Agents) -> Iterator[str]:
    """A robot on hold."""
    with held(client, agents["spare-1"]) as robot:
        yield robot


@pytest.fixture
def watching(client: Client) -> Iterator[str]:
    """A robot that works."""
    with watching_one(client) as robot:
        yield robot


@pytest.fixture(scope="class")
def trouble(box: Stage, agents: Agents) -> Iterator[str]:
    """One works, one is out of use, one is on hold (its name), and one is not known."""
    with box.client() as client:
        forget(box, client, "spare-2")
        with watching_one(client), held(client, agents["spare-1"]) as robot:
            client.post("/robots/agv-3/disable", {"reason": "New tyres, back at 16:00"})
            yield robot
            client.post("/robots/agv-3/enable", {})


def _row(page: Page, robot: str) -> Locator:
    return page.locator(f"#robot-{robot} > tr").first


def _open(page: Page, robot: str) -> Locator:
    """What stands below a robot's row."""
    page.locator(f"#robot-{robot} [aria-expanded]").click()
    about = page.locator(f"#about-{robot}")
    expect(about.locator(".about-do")).to_be_visible()
    return about


@pytest.mark.parametrize(("lang", "theme", "size"), LOOKS)
class TestLooks:
    """Every language, theme and size, with the same trouble."""

    def test_it_fits_and_everybody_can_use_it(
        self, screen: Screens, trouble: str, shots: Path | None, lang: str, theme: str, size: str
    ) -> None:
        def look(name: str) -> None:
            if shots is not None:
                page.screenshot(path=shots / f"{name}-{size}-{theme}-{lang}.png")
            assert sideways(page) == 0
            if name != "robots":  # what is opened below a row does not hide the rest from it
                assert accessibility(page) == []

        page = screen(lang=lang, theme=theme, size=size).open("/robots")
        expect(_row(page, "agv-3")).to_contain_text("New tyres, back at 16:00")
        expect(_row(page, "guard-1")).to_contain_text("watch")
        expect(page.locator("#r-say")).to_contain_text(trouble)
        look("robots")
        about = _open(page, trouble)
        look("robots-open")
        if (lang, theme, size) not in DIALOGS:
            return
        about.locator("[hx-get$=release]").click()
        expect(page.locator("dialog .check li").first).to_be_visible()
        look("robots-release")
        page.locator("dialog [data-close]").click()
        page.locator("#r-strangers button").click()
        expect(page.locator("dialog input[name=queue]").first).to_be_attached()
        look("robots-new")


def test_filters_are_the_address(screen: Screens, client: Client) -> None:
    page = screen().open("/robots")
    rows = page.locator("#r-list tbody")
    page.locator("select[name=queue]").select_option("agv")
    page.wait_for_url("**/robots?queue=agv")
    expect(rows).to_have_count(3)
    page.locator("#r-tabs a", has_text="Free").click()
    page.wait_for_url("**/robots?state=free&queue=agv")
    expect(rows).to_have_count(3)
    expect(page.locator("#r-tabs [aria-current]")).to_have_text(re.compile(r"Free\s+3"))
    # A robot that does not fit any more stays where it is, dimmed; nothing moves under the hand.
    client.post("/robots/agv-2/disable", {"reason": "new battery"})
    try:
        expect(page.locator("#robot-agv-2")).to_have_class(re.compile("gone"), timeout=LONG_MS)
        expect(page.locator("#r-tabs [aria-current]")).to_have_text(re.compile(r"Free\s+2"))
        expect(rows).to_have_count(3)
    finally:
        client.post("/robots/agv-2/enable", {})
    page.get_by_role("searchbox", name="Name or id").fill("GUARD")
    page.keyboard.press("Enter")
    page.wait_for_url("**/robots?state=free&q=GUARD&queue=agv")
    expect(page.get_by_role("heading", name="No robot fits these filters.")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    page.wait_for_url("**/robots?state=free")
    page.go_back()
    expect(page.get_by_role("searchbox", name="Name or id")).to_have_value("GUARD")


WATCH = """() => {
  window.seen = {places: new Set(), holds: new Set()};
  const look = () => {
    const rows = [...document.querySelectorAll('#r-list tbody')], last = rows.findIndex(e => e.id === 'robot-lane-1');
    const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; };
    const places = [...rows.slice(0, last + 1).map(e => box(e.rows[0])), ...[...rows[last].rows[0].cells].map(box)];
    window.seen.places.add(JSON.stringify(places));
    window.seen.holds.add(rows[last].querySelector('.c-hold small')?.textContent.split(/\\d/)[0] ?? '');
  };
  look();
  document.addEventListener('live:swapped', () => requestAnimationFrame(look));
}"""


def test_what_a_robot_does_changes_in_place(screen: Screens, client: Client) -> None:
    page = screen().open("/robots")
    about, row = _open(page, "lane-1"), _row(page, "lane-1")
    about.locator("summary").click()
    page.evaluate(WATCH)
    job = submit(client, "two-steps", "lane-1")
    expect(row).to_contain_text("Working", timeout=LONG_MS)
    expect(row.locator(".c-hold")).to_contain_text("two-steps")
    expect(row.locator(".c-hold")).to_contain_text("first")
    expect(about).to_contain_text("first")
    expect(about.get_by_role("button", name="Cancel the job…")).to_be_visible()
    wait_for(lambda: state(client, job) == "succeeded", 60, "the job has succeeded")
    expect(row.locator(".c-st")).to_contain_text("Free", timeout=LONG_MS)
    expect(row.locator(".c-hold")).to_have_text("–")
    expect(about.locator(f'.line a[href="/jobs/{job}"]').first).to_be_visible()
    expect(about.locator("details")).to_have_attribute("open", "")
    expect(page.locator("#robot-lane-1 [aria-expanded]")).to_have_attribute("aria-expanded", "true")
    seen = page.evaluate("({places: window.seen.places.size, holds: [...window.seen.holds]})")
    assert seen["places"] == 1
    assert len(seen["holds"]) > 1


def test_taken_out_of_use_and_given_work_again(screen: Screens, client: Client) -> None:
    page = screen().open("/robots")
    about, row, dialog = _open(page, "agv-2"), _row(page, "agv-2"), page.locator("dialog")
    about.get_by_role("button", name="Disable…").click()
    expect(dialog.get_by_role("heading")).to_have_text("Take agv-2 out of use?")
    expect(dialog).to_contain_text("agv-2 holds nothing, so it gets nothing new from now on. It stays where it is.")
    expect(dialog).to_contain_text("Somebody has to enable it again")
    dialog.get_by_role("button", name="Disable agv-2").click()
    expect(dialog.locator("input[name=reason]:invalid")).to_be_visible()  # it wants a reason
    dialog.get_by_role("button", name="Go back").click()
    assert client.get("/robots/agv-2")["enabled"]
    about.get_by_role("button", name="Disable…").click()
    dialog.get_by_label("Note, shown wherever the robot is").fill("new <b>tyres</b>")
    dialog.get_by_role("button", name="Disable agv-2").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("#said")).to_have_text("agv-2 is out of use until somebody enables it.")
    expect(row).to_contain_text("Disabled", timeout=LONG_MS)
    expect(row).to_contain_text("new <b>tyres</b>")
    row.get_by_role("button", name="Enable agv-2…").click()
    expect(dialog).to_contain_text("agv-2 gets new work at once and may start to move.")
    dialog.get_by_role("button", name="Enable agv-2").click()
    expect(row.locator(".c-st")).to_have_text("Free", timeout=LONG_MS)


def test_one_that_works_finishes_first(screen: Screens, client: Client, watching: str) -> None:
    page = screen().open(f"/robots/{watching}")
    page.wait_for_url(f"**/robots#{watching}")
    row, dialog = _row(page, watching), page.locator("dialog")
    page.locator(f"#about-{watching}").get_by_role("button", name="Drain…").click()
    expect(dialog).to_contain_text("guard-1 finishes “watch” first, then gets nothing new.")
    expect(dialog).to_contain_text("No other robot serves guard: jobs for it wait until then.")
    dialog.get_by_role("button", name="Drain guard-1").click()
    expect(row).to_contain_text("Draining", timeout=LONG_MS)
    expect(row).to_contain_text("Finishes this, then gets nothing new.")
    row.get_by_role("button", name="Enable guard-1…").click()
    dialog.get_by_role("button", name="Enable guard-1").click()
    expect(row.locator(".c-st")).to_have_text("Working", timeout=LONG_MS)


def test_a_hold_is_released_by_who_has_seen_it(screen: Screens, client: Client, on_hold: str) -> None:
    page = screen().open("/robots")
    row, dialog = _row(page, on_hold), page.locator("dialog")
    expect(page.locator("#r-say")).to_contain_text(f"gets no work until somebody looks at it: {on_hold}")
    expect(row.locator(".c-st")).to_contain_text(
        re.compile(r"On hold\s+\d\d:\d\d:\d\d\s*It did not answer an assignment")
    )
    row.get_by_role("button", name=f"Release {on_hold}…").click()
    expect(dialog).to_contain_text(
        re.compile(r"may have heard the assignment of \d\d:\d\d:\d\d and could still start to")
    )
    expect(dialog.locator(".check li")).to_have_text(
        [re.compile("Go there"), re.compile("stands still"), re.compile("carries")]
    )
    dialog.get_by_label("Reason").fill("stands at X1, empty")
    dialog.get_by_role("button", name=f"Release {on_hold}").click()
    expect(dialog.locator("input[name=seen]:invalid")).to_be_attached()  # nobody has seen it yet
    assert client.get(f"/robots/{on_hold}")["holds"]
    dialog.get_by_label("I have seen it").check()
    dialog.get_by_role("button", name=f"Release {on_hold}").click()
    expect(dialog).to_have_count(0)
    expect(row.locator(".c-st")).not_to_contain_text("On hold", timeout=LONG_MS)
    newest = client.get(f"/robots/{on_hold}/events", limit=20)["items"]
    assert next(one["why"] for one in newest if one["event"] == "hold ended") == "stands at X1, empty"


def test_one_that_nobody_knows_is_added(screen: Screens, client: Client, stranger: str) -> None:
    one = screen()
    one.expected.append("422")
    page = one.open("/robots")
    line, dialog = page.locator("#r-strangers .note"), page.locator("dialog")
    expect(line).to_contain_text(f"{stranger} speaks but is not known here.")
    line.get_by_role("button").click()
    dialog.get_by_label("Name on screens").fill("Spare truck")
    dialog.get_by_label("I know which machine this is").check()
    dialog.get_by_role("button", name=f"Add {stranger}").click()
    expect(dialog.locator("#e-queue")).to_contain_text("Choose at least one")
    expect(dialog.get_by_label("Name on screens")).to_have_value("Spare truck")
    dialog.get_by_label("A new queue").fill("spare")
    dialog.get_by_role("button", name=f"Add {stranger}").click()
    expect(line).to_have_count(0, timeout=LONG_MS)
    page.get_by_role("link", name="Show them").click()  # rows do not come by themselves
    expect(_row(page, stranger)).to_contain_text("Spare truck")
    job = client.post("/jobs", {"flow": "tick", "target": {"robots": [stranger]}})["items"][0]["id"]
    wait_for(lambda: state(client, job) == "succeeded", 60, "it gets work")


def test_a_robot_that_is_not_there(screen: Screens) -> None:
    one = screen(lang="zh", theme="dark", size="handheld")
    one.expected.append("404")
    page = one.open("/robots/agv-99", live=False)
    expect(page.get_by_role("heading", name="没有这台机器人")).to_be_visible()
    assert (accessibility(page), sideways(page)) == ([], 0)
    page = one.open("/robots#agv-99")
    expect(page.locator("#r-none")).to_contain_text("agv-99")


def test_everything_by_keyboard(screen: Screens) -> None:
    page = screen().open("/robots")
    focused = "document.activeElement.closest('tbody')?.id"
    for key, robot in (("j", "agv-1"), ("j", "agv-2"), ("j", "agv-3"), ("k", "agv-2")):
        page.keyboard.press(key)
        assert page.evaluate(focused) == f"robot-{robot}"
    page.keyboard.press("o")
    about = page.locator("#about-agv-2")
    expect(about.get_by_role("button", name="Drain…")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(about.get_by_role("button", name="Drain…")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(about.get_by_role("button", name="Drain…")).to_be_focused()
    page.locator("#robot-agv-2 [aria-expanded]").focus()
    page.keyboard.press("Enter")
    expect(about).to_be_hidden()
