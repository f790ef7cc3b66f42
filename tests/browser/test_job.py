"""The page of a job in a real browser: it fits, it stays true while the job lives, and every action asks first."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from cli.client import Client
from cli.demo import ONCE
from cli.stage import Stage, all_there, save_flows
from tests.browser.job_flows import CHATTER, ENDED, FLOWS, GIVEN, QUICK, end, submit, until
from tests.browser.screen import Screen, accessibility, sideways

Screens = Callable[..., Screen]
LOOKS = [("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark")]
LONG_MS = 30_000


@pytest.fixture(scope="module")
def factory(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small box of its own: its robots are stopped on purpose, and soon found silent."""
    folder = tmp_path_factory.mktemp("job")
    fleet = folder / "fleet.toml"
    fleet.write_text((ONCE / "fleet.toml").read_text(encoding="utf-8") + CHATTER, encoding="utf-8")
    stage = Stage(folder / "box", fleet)
    stage.settings = QUICK
    with stage, stage.client() as client:
        stage.wait_for(all_there(client, fleet), 60, "all robots are there")
        save_flows(client, ONCE / "flows")
        for name, body in FLOWS.items():
            client.put(f"/flows/{name}", body)
        yield stage


@pytest.fixture
def patrol(client: Client) -> Iterator[str]:
    """A job that runs until somebody ends it."""
    job = submit(client, "patrol", "guard")
    until(client, job, "running")
    yield job
    end(client, job)


@pytest.fixture(scope="module")
def survey(factory: Stage) -> str:
    """A job that failed in its first attempt and succeeded in its second."""
    with factory.client() as client:
        for _ in range(2):
            job = submit(client, "survey", "camera", max_retries=1, parameters=GIVEN)
            until(client, job, *ENDED)
            if client.get(f"/jobs/{job}")["attempt_count"] == 2:
                return job
    raise AssertionError("every second look fails, so the first attempt of one of two jobs does")


@contextmanager
def still(factory: Stage) -> Iterator[None]:
    """All robots stand still and say nothing, as when the power of their agents is gone."""
    fleet = factory.process("simulate")
    family = [fleet, *fleet.children(recursive=True)]
    for one in family:
        os.kill(one.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            if psutil.pid_exists(one.pid):
                os.kill(one.pid, signal.SIGCONT)


def _controls(page: Page) -> list[str]:
    return [str(one.get_attribute("id")).removeprefix("do-") for one in page.locator("#job-acts button").all()]


def _row(page: Page, path: str) -> Locator:
    return page.locator(f'[id="b/{path}"]')


def _ask(page: Page, action: str) -> Locator:
    page.locator(f"#do-{action}").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    return dialog


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_it_fits_and_everybody_can_use_it(
    screen: Screens, client: Client, survey: str, patrol: str, shots: Path | None, lang: str, theme: str
) -> None:
    waits = submit(client, "office", "guard")
    # Each of the two is seen in both languages, in both themes and in both sizes.
    other = ("waits", waits) if (lang, theme) in (("en", "light"), ("zh", "dark")) else ("running", patrol)
    for size in ("desktop", "handheld"):
        one = screen(lang=lang, theme=theme, size=size)
        for name, job in (("done", survey), other):
            page = one.open(f"/jobs/{job}")
            expect(page.locator("#job-title")).to_be_visible()
            assert (name, size, accessibility(page), sideways(page)) == (name, size, [], 0)
            if shots is not None:
                page.screenshot(path=shots / f"job-{name}-{size}-{theme}-{lang}.png")
            if lang == "zh":
                assert _english(page) == []
            assert _narrowest(page, "#job-record .vals dd") > 90
            page.close()
    end(client, waits)


def _english(page: Page) -> list[str]:
    """Words of ours that are left in English: headings, labels, buttons, states; names of people's things are not."""
    ours = page.locator("main h2, main h3, main dt:not(.m), #job-acts button, #job-title, .tr > .r, .st, .tabs a")
    texts = [text.strip() for text in ours.all_inner_texts()]
    return [text for text in texts if text and not re.search(r"[\u4e00-\u9fff]|^[\d.: ]*$", text)]


def _narrowest(page: Page, what: str) -> float:
    """Width of the narrowest of these in pixels: beside a long name a value keeps room to be read."""
    widths = page.locator(what).evaluate_all("all => all.map(e => e.getBoundingClientRect().width)")
    return float(min(widths))


RECORD = """() => {
  window.seen = [];
  const look = () => {
    const bar = document.querySelector('[id="b/-1"] .g rect');
    const now = {
      state: document.getElementById('job-head').dataset.state,
      title: document.getElementById('job-title').textContent,
      acts: [...document.querySelectorAll('#job-acts button')].map(b => b.id.slice(3)).join(' '),
      blocks: ['-1/1', '-1/2', '-1/3'].map(p => document.getElementById('b/' + p).dataset.s).join(' '),
      width: bar ? parseFloat(bar.getAttribute('width')) : 0,
    };
    if (JSON.stringify(now) !== JSON.stringify(window.seen.at(-1))) window.seen.push(now);
  };
  new MutationObserver(look).observe(
    document.querySelector('main'), {subtree: true, childList: true, attributes: true, characterData: true});
  look();
}"""


def test_a_job_is_followed_from_the_queue_to_its_end(screen: Screens, client: Client) -> None:
    client.post("/robots/lane-1/drain", {"reason": "the test begins"})
    job = submit(client, "two-waits", "lane")
    page = screen().open(f"/jobs/{job}")
    expect(page.locator("#job-title")).to_have_text("Queued for attempt 1 of 4.")
    expect(page.locator("#w-lane-1")).to_contain_text("the test begins")
    page.evaluate(RECORD)
    client.post("/robots/lane-1/enable", {})
    expect(page.locator("#job-title")).to_have_text("Succeeded on lane-1 in attempt 1 of 4.", timeout=LONG_MS)
    expect(_row(page, "-1/3")).to_have_attribute("data-s", "succeeded")
    expect(page.locator("#log-new")).to_contain_text("all is done")
    expect(page.locator("#job-side")).to_be_hidden()
    seen: list[dict[str, Any]] = page.evaluate("window.seen")  # gone, had the page been loaded anew
    states = list(dict.fromkeys(one["state"] for one in seen))
    assert [state for state in states if state != "assigned"] == ["queued", "running", "succeeded"]
    controls = {one["state"]: one["acts"] for one in seen}
    assert (controls["queued"], controls["running"]) == (
        "priority set_error cancel", "pause set_error cancel",
    )  # fmt: skip
    assert controls["succeeded"] == "rerun"
    blocks = list(dict.fromkeys(one["blocks"] for one in seen))
    assert blocks[0] == "none none none"
    assert {"running none none", "succeeded running none", "succeeded succeeded succeeded"} <= set(blocks)
    widths = {one["width"] for one in seen if one["state"] == "running"}
    assert len(widths) > 3


def test_a_job_is_cancelled_and_the_page_says_what_happens_meanwhile(
    factory: Stage, screen: Screens, client: Client
) -> None:
    job = submit(client, "watch", "guard")
    until(client, job, "running")
    page = screen().open(f"/jobs/{job}")
    expect(page.locator("#job-title")).to_have_text("Running on guard-1, attempt 1 of 4.")
    dialog = _ask(page, "cancel")
    expect(dialog).to_contain_text("guard-1 is told to stop where it is.")
    expect(dialog).to_contain_text("If it finishes first, the job ends as succeeded.")
    expect(dialog).to_contain_text("Until it answers, the job is shown as cancelling.")
    assert accessibility(page) == []
    dialog.locator("[name=reason]").fill("<i>wrong pallet</i>")
    with still(factory):
        dialog.get_by_role("button", name="Cancel the job").click()
        expect(page.locator("#said")).to_have_text("guard-1 is told to stop.")
        expect(page.locator("#job-title")).to_have_text("Being cancelled on guard-1.")
        expect(page.locator("#job-acts button")).to_have_count(0)
        assert accessibility(page) == []
    expect(page.locator("#job-title")).to_have_text("Cancelled by demo while it ran.", timeout=LONG_MS)
    expect(page.locator("#job-head")).to_contain_text("<i>wrong pallet</i>")
    expect(_row(page, "-1/1")).to_contain_text("Cancelled")
    assert _controls(page) == ["rerun"]


def test_one_switches_between_the_attempts_of_a_job(screen: Screens, survey: str) -> None:
    page = screen().open(f"/jobs/{survey}")
    heads = page.locator("#job-tree .th a")
    expect(heads).to_have_count(2)
    expect(heads.nth(0)).to_have_attribute("aria-label", "Attempt 1 on camera-1: Failed")
    expect(heads.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#job-tree .th .r")).to_have_text("Attempt 2")
    assert _row(page, "-1/5").locator(".g rect.b-bad").count() == 1
    expect(_row(page, "-1/8")).to_have_count(0)
    expect(_row(page, "-1/6/8")).not_to_contain_text("Not executed")
    newest = page.locator("#log-new li").first.get_attribute("id")
    page.evaluate("window.mine = 'yes'")
    heads.nth(0).click()
    expect(page.locator("#job-tree .th .r")).to_have_text("Attempt 1")
    expect(_row(page, "-1/5").locator(".r")).to_contain_text("Failed")
    expect(_row(page, "-1/6/8")).to_contain_text("Not executed")
    expect(page.locator("#log-attempt option:checked")).to_have_text("Attempt 1 · camera-1")
    expect(page.locator(f"#{newest}")).to_have_count(0)
    assert page.url.endswith("?attempt=1")
    page.locator("#log-attempt").select_option(label="All attempts")
    expect(page.locator(f"#{newest}")).to_be_visible()
    assert page.evaluate("window.mine") == "yes"


def test_a_robot_that_falls_silent_and_is_heard_again(
    factory: Stage, screen: Screens, client: Client, patrol: str
) -> None:
    waits = submit(client, "patrol", "guard")
    page, queued = screen().open(f"/jobs/{patrol}"), screen().open(f"/jobs/{waits}")
    expect(page.locator("#h-side")).to_have_text("guard-1 now")
    expect(queued.locator("#w-guard-1")).to_contain_text("Busy with patrol.")
    with still(factory):
        expect(page.locator("#job-title")).to_have_text(
            "Nobody knows what guard-1 does with this job.", timeout=LONG_MS
        )
        expect(page.locator("#job-head")).to_contain_text(re.compile(r"guard-1 was last heard at \d\d:\d\d:\d\d\."))
        expect(page.locator("#job-head")).to_contain_text("until it is heard again or a person decides")
        expect(page.locator("#job-side")).to_contain_text("Offline")
        expect(_row(page, "-1/1").locator(".r")).to_have_text("Not known")
        expect(_row(page, "-1").locator(".g rect.b-unk")).to_have_count(1)
        assert _controls(page) == ["decide", "cancel"]
        dialog = _ask(page, "decide")
        expect(dialog).to_contain_text("I have seen guard-1: it stands.")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        assert accessibility(page) == []
        expect(queued.locator("#w-guard-1")).to_contain_text("Offline")
        expect(queued.locator("#w-guard-1")).to_contain_text(re.compile(r"It was last heard at \d\d:\d\d:\d\d\."))
    expect(page.locator("#job-title")).to_have_text("Running on guard-1, attempt 1 of 4.", timeout=LONG_MS)
    expect(page.locator("#job-side")).to_contain_text("Working", timeout=LONG_MS)
    assert _controls(page) == ["pause", "set_error", "cancel"]
    end(client, waits)


def test_why_a_job_waits_that_no_robot_can_do(screen: Screens, client: Client) -> None:
    job = submit(client, "office", "agv")
    page = screen().open(f"/jobs/{job}")
    expect(page.locator("#job-head")).to_contain_text(
        "No robot of the queue “agv” can do what its flow needs, so it waits in vain."
    )
    rows = page.locator("#job-side li[id^=w-]")
    expect(rows).to_have_count(3)
    for row in rows.all():
        expect(row).to_contain_text("It cannot do what this flow needs: Run a program.")
    expect(page.locator("#w-others")).to_contain_text("5 other robots are not in this queue")
    client.post("/robots/agv-2/disable", {"reason": "new tyres"})
    expect(page.locator("#w-agv-2")).to_contain_text("new tyres", timeout=LONG_MS)
    client.post("/robots/agv-2/enable", {})
    expect(page.locator("#w-agv-2")).not_to_contain_text("new tyres", timeout=LONG_MS)
    end(client, job)


def test_logs_by_level_and_text(screen: Screens, client: Client) -> None:
    job = submit(client, "office", "office")
    page = screen().open(f"/jobs/{job}")
    expect(page.locator("#job-title")).to_contain_text("Succeeded", timeout=LONG_MS)
    lines, levels = page.locator("#log-new li"), page.locator("#job-logs .tabs a")
    expect(lines).to_have_count(4)
    expect(levels).to_have_text(["All 4", "Info+ 4", "Warning+ 1", "Error 0"])
    levels.nth(2).click()
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("the outputs are dropped")
    levels.nth(3).click()
    expect(page.locator("#job-logs")).to_contain_text("No line of this level.")
    page.get_by_role("link", name="Show all levels").click()
    page.get_by_role("searchbox", name="Text in logs").fill("BOOKED")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("beta is booked")
    assert "q=BOOKED" in page.url
    page.get_by_role("searchbox", name="Text in logs").fill("no such thing")
    expect(page.locator("#job-logs")).to_contain_text("No line fits.")
    page.get_by_role("searchbox", name="Text in logs").fill("booked")
    lines.get_by_role("link", name="beta").click()
    expect(_row(page, "-1/3")).to_be_focused()


def test_it_is_paused_and_goes_on_and_jumps_the_queue(screen: Screens, client: Client, patrol: str) -> None:
    waits = submit(client, "tick", "guard", priority=10)
    other = screen()
    other.expected.append("422")  # a form that is wrong is sent on purpose
    page, queued = screen().open(f"/jobs/{patrol}"), other.open(f"/jobs/{waits}")
    _ask(page, "pause").get_by_role("button", name="Pause the job").click()
    expect(page.locator("#job-title")).to_have_text("Paused on guard-1, attempt 1 of 4.", timeout=LONG_MS)
    assert _controls(page) == ["resume", "set_error", "cancel"]
    dialog = _ask(queued, "priority")
    field = dialog.get_by_label("Priority, 0 to 5000")
    expect(field).to_have_value("10")
    field.fill("6000")
    dialog.locator("[data-do]").click()
    expect(dialog.locator(".wrong")).to_contain_text("A whole number from 0 to 5000.")
    assert accessibility(queued) == []
    dialog.get_by_label("Priority, 0 to 5000").fill("4200")
    dialog.locator("[data-do]").click()
    expect(queued.locator("#do-priority")).to_have_text("Priority 4200…")
    expect(queued.locator("#job-record")).to_contain_text("4200")
    expect(queued.locator("dialog")).to_have_count(0)
    _ask(page, "resume").locator(".pri").click()
    expect(page.locator("#job-title")).to_have_text("Running on guard-1, attempt 1 of 4.", timeout=LONG_MS)
    assert _controls(page) == ["pause", "set_error", "cancel"]
    end(client, waits)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_job_that_is_not_there_has_a_page(screen: Screens, lang: str) -> None:
    one = screen(lang=lang, size="handheld")
    one.expected.append("404")
    page = one.open("/jobs/019a0000-0000-7000-8000-000000000000", live=False)
    assert page.request.get(page.url).status == 404
    expect(page.locator("main h1")).to_have_text({"en": "There is no such job", "zh": "没有这个任务"}[lang])
    expect(page.locator("main").get_by_role("link")).not_to_have_count(0)
    assert (accessibility(page), sideways(page)) == ([], 0)


def test_tree_and_dialog_by_keyboard(screen: Screens, survey: str) -> None:
    page = screen().open(f"/jobs/{survey}")
    tree = page.locator("#job-tree .tg [role=row][tabindex]")
    expect(page.locator('#job-tree .tg [role=row][tabindex="0"]')).to_have_count(1)
    _row(page, "-1").focus()
    page.keyboard.press("ArrowDown")
    expect(_row(page, "-1/1")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(_row(page, "-1/1")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowDown")
    expect(_row(page, "-1/5")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(_row(page, "-1/1")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("End")
    expect(tree.last).to_be_focused()
    page.keyboard.press("Home")
    expect(_row(page, "-1")).to_be_focused()
    page.locator("#do-rerun").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    for _ in range(8):  # nothing behind the dialog is reached
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('dialog') || document.activeElement === document.body")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#do-rerun")).to_be_focused()


def test_passes_are_folded_and_open(screen: Screens, survey: str) -> None:
    page = screen().open(f"/jobs/{survey}")
    more = _row(page, "-1/1").get_by_role("button")
    expect(more).to_have_text(re.compile("3 more passes"))
    passes = page.locator("#job-tree [data-pass]")
    expect(passes).to_have_count(0)
    more.click()
    expect(passes).to_have_count(4)
    expect(passes.nth(3)).to_contain_text("pass 4")
    passes.nth(1).locator(".nm").click()
    expect(passes.nth(1)).to_have_attribute("aria-expanded", "true")
    inside = page.locator('#job-tree [id^="b/-1/1#2/"], #job-tree [id^="b/-1/1#1/"]')
    expect(inside.first).to_be_visible()
    page.locator("#job-logs .tabs a").nth(0).click()  # neither forgets what was chosen beside it
    page.locator("#job-tree .th a").nth(0).click()
    expect(page.locator("#job-tree .th .r")).to_have_text("Attempt 1")
    page.reload()  # the address remembers what is open
    expect(page.locator("#job-tree .th .r")).to_have_text("Attempt 1")
    expect(page.locator("#job-logs .tabs a").nth(0)).to_have_attribute("aria-current", "true")
    expect(page.locator("#job-tree [data-pass]")).to_have_count(4)
    expect(inside.first).to_be_visible()
    _row(page, "-1/1").get_by_role("button").click()
    expect(passes).to_have_count(0)


def test_a_running_loop_stays_as_the_reader_left_it(screen: Screens, patrol: str) -> None:
    page = screen().open(f"/jobs/{patrol}")
    rounds = _row(page, "-1/1")
    rounds.locator(".nm b").click()
    expect(rounds).to_have_attribute("aria-expanded", "false")
    before = rounds.locator(".r").inner_text()
    expect(rounds.locator(".r")).not_to_have_text(before, timeout=LONG_MS)
    expect(rounds.locator(".r")).to_have_text(re.compile(r"Running \d+ of 900"))
    expect(rounds).to_have_attribute("aria-expanded", "false")
