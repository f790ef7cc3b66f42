"""The overview in a real browser: it fits, it is true, and it stays true by itself."""

import json
import os
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cli.client import READY, Client
from cli.demo import FACTORY
from cli.stage import Stage, save_floor
from tests.browser.screen import Screen, accessibility, sideways
from tests.waiting import wait_for

Screens = Callable[..., Screen]
LOOKS = [
    (lang, theme, size)
    for lang, theme in (("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark"))
    for size in ("desktop", "handheld")
]
MOVE = {"deployment": "goods-in", "parameters": {"from": "GI-1", "to": "C-04", "pallet": "T-1"}}
LONG_MS = 30_000
WAYS = {"ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowLeft": (-1, 0), "ArrowDown": (0, 1)}
FOCUSED = """was => {
  const at = bot => bot.querySelector('.ring').getScreenCTM(), now = document.activeElement;
  const from = at(document.querySelector(`.bot[data-id="${was}"]`)), to = at(now);
  return [now.dataset.id, to.e - from.e, to.f - from.f];
}"""
"""The robot that has the focus, and by how many pixels it is right of and below another."""


@pytest.fixture(scope="module", autouse=True)
def floor(factory: Stage) -> None:
    """The factory's plan is saved."""
    with factory.client() as client:
        save_floor(client, FACTORY / "fleet.toml")


def _state(client: Client, job: str) -> str:
    return str(client.get(f"/jobs/{job}")["state"])


def _submit(client: Client) -> str:
    return str(client.post("/jobs", MOVE)["items"][0]["id"])


def _end(client: Client, job: str) -> None:
    if _state(client, job) not in ("succeeded", "failed", "cancelled"):
        client.post(f"/jobs/{job}/cancel", {})
    wait_for(lambda: _state(client, job) in ("succeeded", "failed", "cancelled"), 60, "the job has ended")


@pytest.fixture
def paused(client: Client) -> Iterator[dict[str, Any]]:
    """A job that a person has paused in the middle."""
    job = _submit(client)
    wait_for(lambda: _state(client, job) == "running", 60, "the job runs")
    client.post(f"/jobs/{job}/pause", {})
    wait_for(lambda: _state(client, job) == "paused", 60, "the job is paused")
    yield client.get(f"/jobs/{job}")
    _end(client, job)


def _matters(client: Client) -> int:
    """How many things need a person here, by the API."""
    jobs = len(client.get("/jobs", state="paused", limit=100)["items"])
    robots = client.get("/robots", limit=100)["items"]
    return jobs + sum(robot["state"] in ("on_hold", "offline") for robot in robots)


@pytest.mark.parametrize(("lang", "theme", "size"), LOOKS)
def test_it_fits_and_everybody_can_use_it(
    screen: Screens, paused: dict[str, Any], shots: Path | None, lang: str, theme: str, size: str
) -> None:
    page = screen(lang=lang, theme=theme, size=size).open("/")
    expect(page.locator(f"#need-job-{paused['id']}")).to_be_visible()
    expect(page.locator("#map .bot")).to_have_count(7)
    expect(page.locator("#chart canvas")).to_be_visible()
    assert (accessibility(page), sideways(page)) == ([], 0)
    if shots is not None:
        page.screenshot(path=shots / f"overview-{size}-{theme}-{lang}.png")
    overflow = page.evaluate("[...document.querySelectorAll('main')].map(m => m.scrollHeight - m.clientHeight)[0]")
    if size == "desktop":
        assert overflow == 0
    else:
        need, floor = (page.locator(name).bounding_box() for name in ("#need", "#o-floor"))
        assert need is not None
        assert floor is not None
        assert need["y"] < floor["y"]
        assert page.evaluate("(m => m.scrollWidth > m.clientWidth)(document.getElementById('map'))")


def test_it_fits_on_the_wall(screen: Screens, paused: dict[str, Any]) -> None:
    page = screen(size="wall").open("/")
    expect(page.locator(f"#need-job-{paused['id']}")).to_be_visible()
    assert page.evaluate("(m => m.scrollHeight - m.clientHeight)(document.querySelector('main'))") == 0
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.tally b')).fontSize)") > 35


def test_a_job_that_is_paused_appears_and_is_settled_from_the_list(screen: Screens, client: Client) -> None:
    page = screen().open("/")
    before = _matters(client)
    job = _submit(client)
    wait_for(lambda: _state(client, job) == "running", 60, "the job runs")
    client.post(f"/jobs/{job}/pause", {})
    row = page.locator(f"#need-job-{job}")
    expect(row).to_contain_text("is paused", timeout=LONG_MS)
    expect(page.locator("#top .pill b")).to_have_text(str(before + 1))
    expect(page.locator("#o-say mark")).to_have_text(str(before + 1))
    expect(page.locator("#need-count")).to_have_text(str(before + 1))
    robot = client.get(f"/jobs/{job}")["robot"]
    bot = page.locator(f'.bot[data-id="{robot}"]')
    expect(bot).to_have_attribute("aria-label", re.compile(f"{robot}: Paused"), timeout=LONG_MS)
    row.get_by_role("button", name="Resume…").click()
    page.locator("dialog .pri").click()
    expect(row).to_have_count(0, timeout=LONG_MS)
    expect(page.locator("dialog")).to_have_count(0)
    _end(client, job)
    if before == 0:
        expect(page.locator("#need-none")).to_be_visible(timeout=LONG_MS)


def test_robots_move_on_the_floor_while_they_work(screen: Screens, client: Client) -> None:
    page = screen().open("/")
    expect(page.locator("#map .bot")).to_have_count(7)
    jobs, places = [_submit(client)], defaultdict[str, set[str]](set)

    def moved() -> bool:
        if _state(client, jobs[-1]) in ("succeeded", "failed"):
            jobs.append(_submit(client))
        seen = page.evaluate("[...document.querySelectorAll('.bot')].map(e => [e.dataset.id, e.style.transform])")
        for robot, place in seen:
            places[robot].add(place)
        return max(len(of_one) for of_one in places.values()) > 2

    wait_for(moved, 60, "a robot is at a third place")
    _end(client, jobs[-1])


def _drawn(page: Page, robot: str) -> list[float]:
    """Where the robot is drawn, in metres of the plan."""
    found: list[float] = page.evaluate(
        """robot => {
          const bot = document.querySelector(`.bot[data-id="${robot}"]`), ground = document.querySelector('.ground g');
          const at = bot.querySelector('.ring').getScreenCTM(), plan = ground.getScreenCTM();
          const one = new DOMPoint(at.e, at.f).matrixTransform(plan.inverse());
          return [one.x, -one.y];
        }""",
        robot,
    )
    return found


def test_a_robot_is_drawn_where_it_says_and_keeps_its_size(screen: Screens, client: Client) -> None:
    page = screen().open("/")

    def fits() -> bool:
        said = {r["id"]: r["position"] for r in client.get("/robots", limit=100)["items"] if r["position"]}
        return len(said) == 7 and all(
            abs(a - b) < 0.3
            for robot, at in said.items()
            for a, b in zip(_drawn(page, robot), (at["x"], at["y"]), strict=True)
        )

    wait_for(fits, 60, "all robots are drawn where they say that they are")
    size = page.locator('.bot[data-id="AGV-01"] .body').bounding_box()
    page.set_viewport_size({"width": 1100, "height": 800})
    wait_for(fits, 60, "and still after the window has changed")
    after = page.locator('.bot[data-id="AGV-01"] .body').bounding_box()
    assert size is not None
    assert after is not None
    assert abs(size["width"] * size["height"] - after["width"] * after["height"]) < 60


def test_names_do_not_cover_each_other(screen: Screens) -> None:
    page = screen().open("/")
    expect(page.locator("#map .bot")).to_have_count(7)
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.bot text')].filter(e => e.textContent)
          .map(e => e.getBoundingClientRect()).map(r => [r.left, r.top + 3, r.right, r.bottom - 3])"""
    )
    covered = [
        (a, b)
        for n, a in enumerate(boxes)
        for b in boxes[n + 1 :]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]
    assert covered == []


def test_the_floor_by_keyboard(screen: Screens) -> None:
    page = screen().open("/")
    expect(page.locator("#map .bot")).to_have_count(7)
    expect(page.locator('#map .bot[tabindex="0"]')).to_have_count(1)
    first = page.locator('#map .bot[tabindex="0"]').get_attribute("data-id")
    reached, ways = {first}, [first]
    while ways:
        here = ways.pop()
        for key, (right, down) in WAYS.items():
            page.locator(f'#map .bot[data-id="{here}"]').focus()
            page.keyboard.press(key)
            there, x, y = page.evaluate(FOCUSED, here)
            assert there == here or x * right + y * down > -1
            if there not in reached:
                reached.add(there)
                ways.append(there)
    assert reached == {f"AGV-0{n}" for n in range(1, 8)}
    expect(page.locator('#map .bot[tabindex="0"]')).to_have_count(1)
    robot = page.evaluate("document.activeElement.dataset.id")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/robots#{robot}")


def test_robots_at_the_same_place_are_all_reached(screen: Screens) -> None:
    page = screen().open("/")
    expect(page.locator("#map .bot")).to_have_count(7)
    reached = page.evaluate(
        """() => {
          const fleet = JSON.parse(document.getElementById('fleet').textContent);
          for (const robot of Object.values(fleet.robots)) robot.position &&= {x: 20, y: 12};
          document.dispatchEvent(new CustomEvent('live:fleet', {detail: fleet}));
          document.querySelector('.bot[data-id="AGV-01"]').focus();
          return [...'1234567'].map(() => {
            const id = document.activeElement.dataset.id;
            document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
            return id;
          });
        }"""
    )
    assert reached == [f"AGV-0{n}" for n in range(1, 8)]


def test_the_numbers_become_those_of_the_api(screen: Screens, client: Client) -> None:
    page = screen().open("/")
    job = _submit(client)
    _end(client, job)

    def same() -> bool:
        shown = page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll('#o-tally a')].map(
              a => [a.href.split('state=')[1], +a.querySelector('b').textContent]))"""
        )
        states = [robot["state"] for robot in client.get("/robots", limit=100)["items"]]
        ended = page.evaluate(
            """() => [...document.querySelectorAll('#hours tbody td')].reduce((n, e) => n + +e.textContent, 0)"""
        )
        counts = client.get("/job-counts")["by_state"]
        return bool(shown == {state: states.count(state) for state in shown}) and ended == sum(
            counts.get(state, 0) for state in ("succeeded", "failed", "cancelled")
        )

    wait_for(same, 60, "robots by state and jobs that ended are those of the API")


def test_the_chart_tells_its_numbers(screen: Screens, client: Client) -> None:
    _end(client, _submit(client))
    page = screen(theme="dark").open("/")
    over = page.locator("#chart .u-over")
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 6, box["y"] + 20)
    tip = page.locator(".ov-tip")
    expect(tip).to_contain_text("Succeeded")
    last = page.locator("#hours tbody tr").last
    expect(tip).to_contain_text(str(last.locator("td").first.text_content()))
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("#chart canvas")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Jobs per hour"))).to_be_visible()


def test_what_is_shown_without_the_controller_is_of_that_moment(
    factory: Stage, screen: Screens, paused: dict[str, Any]
) -> None:
    page = screen().open("/")
    button = page.locator(f"#need-job-{paused['id']}").get_by_role("button", name="Resume…")
    expect(button).to_be_enabled()
    pid = int(json.loads((factory.data_dir / READY).read_text())["parts"]["controller"])
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(page.locator("#o-at")).to_have_text(re.compile(r"At \d\d:\d\d:\d\d:"), timeout=LONG_MS)
        expect(page.locator("#o-at")).to_be_visible()
        expect(page.locator("#map")).to_have_css("opacity", "0.5")
        expect(button).to_be_disabled()
        assert accessibility(page) == []
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(page.locator("#o-at")).to_be_hidden(timeout=LONG_MS)
    expect(button).to_be_enabled()
