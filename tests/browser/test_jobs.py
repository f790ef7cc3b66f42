"""The list of jobs in a real browser: filters, pages, attempts, several at once; it stays true and nothing jumps."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from cli.client import Client
from cli.demo import ONCE, QUICK
from cli.stage import Stage, all_there
from tests.browser.screen import Screen, accessibility, sideways
from tests.waiting import wait_for

Screens = Callable[..., Screen]
LOOKS = [
    (lang, theme, size)
    for lang, theme in (("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark"))
    for size in ("desktop", "handheld")
]
TWO_LOOKS = [("en", "light", "handheld"), ("zh", "dark", "desktop")]
PRESS, SCRAP = "2 号压机换模", "废料箱送外场"
LONG = "Finished goods of the assembly line number four to the dispatch warehouse in the north yard, gate 17"
NAMES = {"press": PRESS, "scrap": SCRAP, "long": LONG}
WORK: dict[str, tuple[str, dict[str, Any]]] = {
    "waits": ("DelayBp", {"timeMillis": 3_600_000}),
    "fails": ("ThrowExceptionBp", {"message": "工位 T-01 被占用：托盘未取走"}),
}
LONG_MS = 30_000


@pytest.fixture(scope="module")
def factory(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small box of its own: no job yet, a failed attempt is soon tried again, nobody serves the queue `far`."""
    stage = Stage(tmp_path_factory.mktemp("jobs"), ONCE / "fleet.toml")
    stage.settings = QUICK
    with stage, stage.client() as client:
        stage.wait_for(all_there(client, ONCE / "fleet.toml"), 60, "all robots are there")
        client.put("/queues/far", {})
        for flow, (kind, inputs) in WORK.items():
            client.put(f"/flows/{flow}", {"name": flow, "definition": _one_block(kind, inputs)})
        for slug, name in NAMES.items():
            client.put(f"/deployments/{slug}", {"name": name, "flow": "waits", "target": {"queue": "far"}})
        yield stage


def _one_block(kind: str, inputs: dict[str, Any]) -> dict[str, Any]:
    given = {name: {"type": "Simple", "value": value} for name, value in inputs.items()}
    block = {"id": 1, "name": "b1", "blockType": kind, "inputParams": given, "children": {}}
    root = {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {}, "children": {"default": [block]}}
    return {"inputParams": [], "outputParams": [], "rootBlock": root}


@pytest.fixture(scope="module")
def varied(factory: Stage) -> None:
    """Jobs of many states and names, more than a page of them."""
    with factory.client() as client:
        for slug, n in (("press", 8), ("scrap", 14), ("long", 4)):
            _make(client, n, deployment=slug)
        for job in _make(client, 2, deployment="press"):
            client.post(f"/jobs/{job}/cancel", {"reason": "订单取消"})
        (failed,) = _make(client, flow="fails", target={"queue": "lane"}, max_retries=4)
        wait_for(lambda: _state(client, failed) == "failed", 60, "the job has failed after five attempts")
        client.post(f"/jobs/{_running(client, 'camera')}/pause", {"reason": "the customer is on the phone"})
        _running(client, "guard")


def _make(client: Client, n: int = 1, **body: Any) -> list[str]:
    """So many jobs at once, first to last."""
    answers = client.post("/jobs/bulk", {"jobs": [body] * n})["items"]
    return [str(answer["jobs"][0]["id"]) for answer in answers]


def _waiting(client: Client, n: int, name: str) -> list[str]:
    """Jobs that wait for good, of a deployment that only they have."""
    client.put(f"/deployments/{name}", {"name": name, "flow": "waits", "target": {"queue": "far"}})
    return _make(client, n, deployment=name)


def _running(client: Client, queue: str, **more: Any) -> str:
    (job,) = _make(client, flow="waits", target={"queue": queue}, **more)
    wait_for(lambda: _state(client, job) == "running", 60, "the job runs")
    return job


def _state(client: Client, job: str) -> str:
    return str(client.get(f"/jobs/{job}")["state"])


def _shown(page: Page) -> list[str]:
    """Ids of the rows from top to bottom."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('.j')].map(row => row.dataset.id)")
    return found


def _row(page: Page, job: str) -> Locator:
    return page.locator(f'.j[data-id="{job}"]')


def _follow(page: Page, link: Locator) -> None:
    left = page.url
    link.click()
    page.wait_for_url(re.compile(f"^(?!{re.escape(left)}$)"))


def _ticked(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll('.j .ck :checked')].map(box => box.value)")
    return found


# ---------------------------------------------------------------- looks
@pytest.mark.parametrize(("lang", "theme", "size"), TWO_LOOKS)
def test_an_empty_list_says_how_to_begin(screen: Screens, shots: Path | None, lang: str, theme: str, size: str) -> None:
    page = screen(lang=lang, theme=theme, size=size).open("/jobs")
    expect(page.locator(".empty h2")).to_have_text("还没有任务" if lang == "zh" else "There are no jobs yet")
    expect(page.locator(".empty pre").first).to_have_text("yardmaster deployment run long")
    assert (accessibility(page), sideways(page)) == ([], 0)
    if shots is not None:
        page.screenshot(path=shots / f"jobs-empty-{size}-{theme}-{lang}.png")


@pytest.mark.usefixtures("varied")
@pytest.mark.parametrize(("lang", "theme", "size"), LOOKS)
def test_it_fits_and_everybody_can_use_it(
    screen: Screens, shots: Path | None, lang: str, theme: str, size: str
) -> None:
    page = screen(lang=lang, theme=theme, size=size).open("/jobs")
    expect(page.locator(".j")).to_have_count(31)
    page.locator(".j [data-attempts]").nth(2).click()
    expect(page.locator("[data-attempt]")).to_have_count(3)
    page.locator(".j").nth(4).locator("input").check()
    expect(page.locator("#jobs-batch")).to_be_visible()
    assert (accessibility(page), sideways(page)) == ([], 0)
    cut = "r => [...r.querySelectorAll('.m:not(.hd)')].some(e => e.scrollWidth > e.clientWidth + 1)"
    assert not any(page.locator(".j > tr").nth(n).evaluate(cut) for n in range(6))
    if shots is not None:
        page.screenshot(path=shots / f"jobs-{size}-{theme}-{lang}.png")


@pytest.mark.usefixtures("varied")
@pytest.mark.parametrize(("lang", "theme", "size"), TWO_LOOKS)
def test_filters_that_make_no_sense_are_named_and_do_no_harm(
    screen: Screens, shots: Path | None, lang: str, theme: str, size: str
) -> None:
    page = screen(lang=lang, theme=theme, size=size).open(
        "/jobs?q=废料箱&queue=fra&state=flying&since=5+days&from=2031-99-01&order=random&limit=-1&%3Cb%3E=1"
    )
    expect(page.locator(".empty h2")).to_have_text("没有符合条件的任务" if lang == "zh" else "No job matches")
    expect(page.locator(".slip")).to_have_count(7)
    expect(page.locator(".slip", has_text="flying")).to_contain_text("状态" if lang == "zh" else "no such state")
    assert (accessibility(page), sideways(page)) == ([], 0)
    if shots is not None:
        page.screenshot(path=shots / f"jobs-nothing-{size}-{theme}-{lang}.png")
    page.locator(".chip", has_text="fra").locator("a").click()  # what cannot hold goes with it, the search stays
    expect(page.locator(".slip")).to_have_count(0)
    expect(page.locator(".j")).to_have_count(14)
    assert set(page.locator(".j .c-job a").all_text_contents()) == {SCRAP}


# ---------------------------------------------------------------- filters and pages
@pytest.mark.usefixtures("varied")
def test_filters_are_in_the_address_and_come_back_from_it(screen: Screens) -> None:
    page = screen().open("/jobs")
    search = page.locator(".quick input")
    search.fill("压机")
    search.press("Enter")
    page.wait_for_url("**/jobs?q=%E5%8E%8B%E6%9C%BA")
    expect(page.locator("#jobs-address")).to_have_text("/jobs?q=压机")
    expect(page.locator(".j")).to_have_count(10)
    page.locator("#jobs-tabs a", has_text="Queued").click()
    page.wait_for_url("**/jobs?state=queued&q=*")
    expect(page.locator(".j")).to_have_count(8)
    page.get_by_role("button", name="Filter", exact=True).click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Deployment name contains")).to_have_value("压机")
    assert accessibility(page) == []
    form.get_by_label("State").select_option(label="Cancelled")
    form.get_by_label("Within").select_option("24h")
    form.get_by_role("button", name="Show these jobs").click()
    page.wait_for_url("**since=24h*")
    assert set(re.findall(r"[?&](\w+)=", page.url)) == {"q", "state", "since"}
    expect(page.locator(".j")).to_have_count(2)
    page.reload()
    expect(page.locator(".j")).to_have_count(2)
    expect(page.locator(".chip b, .chip", has_text="the last 24 h")).to_be_visible()
    page.go_back()
    expect(page.locator(".j")).to_have_count(8)
    expect(page.locator("#jobs-tabs [aria-current]")).to_contain_text("Queued 8")
    page.go_back()
    expect(page.locator(".j")).to_have_count(10)
    search.fill("")
    search.press("Enter")
    page.wait_for_url(re.compile(r"/jobs\??$"))
    expect(page.locator(".j")).to_have_count(31)


def test_pages_follow_each_other_while_new_jobs_come(screen: Screens, client: Client) -> None:
    made = _waiting(client, 120, "pages")[::-1]
    page = screen().open("/jobs?deployment=pages&state=queued")
    older, newer = page.locator("a[rel=next]"), page.locator("a[rel=prev]")
    seen = [_shown(page)]
    for _ in range(2):
        _make(client, 3, deployment="pages")
        _follow(page, older)
        seen.append(_shown(page))
    assert (seen[0] + seen[1] + seen[2], older.count()) == (made, 0)
    for expected in (seen[1], seen[0]):
        _follow(page, newer)
        assert _shown(page) == expected
    client.post(f"/jobs/{made[50]}/cancel", {})
    for job in made[51:]:
        client.post(f"/jobs/{job}/cancel", {})
    older.click()
    expect(page.locator(".empty h2")).to_have_text("The list ends here")
    assert accessibility(page) == []
    page.get_by_role("link", name="Begin at the top").click()
    expect(page.locator(".j")).to_have_count(50)


# ---------------------------------------------------------------- rows
@pytest.mark.usefixtures("varied")
def test_a_row_opens_to_its_attempts_three_at_first_then_all(screen: Screens, client: Client) -> None:
    job = client.get("/jobs", state="failed", queue="lane")["items"][0]["id"]  # a third would put the robot on hold
    page = screen().open("/jobs?state=failed")
    row, lines = _row(page, job), _row(page, job).locator("[data-attempt]")
    button = row.get_by_role("button", name=re.compile("^Attempts of "))
    button.click()
    expect(lines).to_have_count(3)
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(lines.first).to_contain_text("Attempt 5")
    expect(lines.first).to_contain_text("工位 T-01 被占用")
    row.get_by_role("button", name="Show 2 more attempts").click()
    expect(lines).to_have_count(5)
    expect(lines.last).to_contain_text("Attempt 1")
    row.locator(".c-job a").first.focus()
    page.keyboard.press("o")
    expect(lines).to_have_count(0)
    expect(button).to_have_attribute("aria-expanded", "false")


def test_attempts_stay_open_while_the_job_goes_on(screen: Screens, client: Client) -> None:
    (job,) = _make(client, flow="fails", target={"queue": "lane"}, max_retries=10)
    wait_for(lambda: client.get(f"/jobs/{job}")["attempt_count"] >= 2, 60, "it has failed twice")
    client.post("/robots/lane-1/drain", {"reason": "a pause between attempts"})
    wait_for(lambda: _state(client, job) == "queued", 60, "it waits")
    page = screen().open("/jobs?state=queued&state=assigned&state=running")
    row = _row(page, job)
    lines = row.locator("[data-attempt]")
    row.locator("[data-attempts]").click()
    expect(lines.first).to_contain_text("Attempt")
    before = lines.all_text_contents()
    lines.first.evaluate("line => { line.mine = true }")
    client.post("/robots/lane-1/enable", {"reason": "go on"})
    expect(row.get_by_role("button", name=re.compile("newer attempts?, show"))).to_be_visible(timeout=LONG_MS)
    client.post(f"/jobs/{job}/cancel", {})
    expect(row.locator(".c-st").first).to_contain_text("Cancelled", timeout=LONG_MS)
    expect(row.locator("[data-attempts]")).to_have_attribute("aria-expanded", "true")
    assert (lines.all_text_contents(), lines.first.evaluate("line => line.mine")) == (before, True)
    row.get_by_role("button", name=re.compile("newer attempts?, show")).click()
    expect(lines.first).not_to_have_text(before[0])


PLACES = """() => {
  const box = e => Object.values(e.getBoundingClientRect().toJSON()).map(Math.round).join();
  const all = document.querySelectorAll('#jobs td, #jobs th, #jobs > *, #jobs-tabs > a, .bar > :not(#jobs-new)');
  return [String(scrollY), ...[...all].map(box)];
}"""
"""Where everything stands, but for the button that says how many jobs are new: it may come and go in its own place."""


@pytest.mark.parametrize("size", ["desktop", "handheld"])
def test_rows_change_in_place_and_new_jobs_are_announced(screen: Screens, client: Client, size: str) -> None:
    name = f"still-{size}"
    below = _waiting(client, 20, name)
    job = below[10]
    page = screen(size=size).open(f"/jobs?q={name}&queue=far")
    row = _row(page, job)
    row.scroll_into_view_if_needed()
    expect(row.locator("time[data-since]")).not_to_be_empty()
    rows, places = _shown(page), page.evaluate(PLACES)
    _make(client, 4, deployment=name)
    expect(page.locator("#jobs-new")).to_have_text("4 new jobs, show", timeout=LONG_MS)
    client.post(f"/jobs/{job}/cancel", {})
    expect(row.locator(".c-st")).to_contain_text("Cancelled", timeout=LONG_MS)
    assert _shown(page) == rows
    assert [(a, b) for a, b in zip(places, page.evaluate(PLACES), strict=True) if a != b] == []
    expect(page.locator("#jobs-tabs a", has_text="Cancelled")).to_contain_text("1")
    expect(page.locator("#jobs-count")).to_have_text("24 in all")
    page.locator("#jobs-new").click()
    expect(page.locator(".j")).to_have_count(24)
    expect(page.locator("#jobs-new")).not_to_be_visible()


# ---------------------------------------------------------------- several at once
def test_several_are_ticked_by_keys_and_stay_ticked(screen: Screens, client: Client) -> None:
    made = _waiting(client, 6, "keys")[::-1]
    page = screen().open("/jobs?deployment=keys")
    for key in ("j", "x", "j", "j", "x"):
        page.keyboard.press(key)
    assert _ticked(page) == [made[0], made[2]]
    client.patch(f"/jobs/{made[2]}", {"priority": 4321})
    expect(_row(page, made[2])).to_contain_text("4321", timeout=LONG_MS)
    assert _ticked(page) == [made[0], made[2]]
    expect(_row(page, made[2]).locator(".c-job a")).to_be_focused()
    expect(page.locator("#jobs-ticked")).to_have_text("2")
    expect(page.locator("#jobs-all")).to_be_checked(indeterminate=True)
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    assert _ticked(page) == []
    expect(page.locator("#jobs-batch")).to_be_hidden()
    _row(page, made[1]).locator(".ck").click()
    _row(page, made[4]).locator(".ck").click(modifiers=["Shift"])
    assert _ticked(page) == made[1:5]
    page.locator("#jobs-all").check()
    assert _ticked(page) == made
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/jobs/({'|'.join(made)})$"))


def test_several_are_cancelled_as_the_preview_said(screen: Screens, client: Client) -> None:
    queued = _waiting(client, 4, "batch")
    client.post(f"/jobs/{queued[3]}/cancel", {})
    client.put("/deployments/batch", {"name": "batch", "flow": "waits", "target": {"queue": "agv"}})
    (going,) = _make(client, deployment="batch")
    wait_for(lambda: _state(client, going) == "running", 60, "the job runs")
    page = screen().open("/jobs?deployment=batch")
    page.locator("#jobs-all").check()
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Cancel 4 of the 5 selected jobs?")
    groups = [" ".join(text.split()) for text in dialog.locator("tbody tr").all_text_contents()]
    assert [bool(re.match(says, text)) for says, text in zip(
        (r"3 ?ended at once ?Held by no robot", r"1 ?robot stops, then", r"1 ?unchanged ?Ended already"),
        groups, strict=True,
    )] == [True, True, True], groups  # fmt: skip
    assert accessibility(page) == []
    client.post(f"/jobs/{queued[0]}/cancel", {})
    dialog.get_by_label("Reason").fill("3 号线停线")
    dialog.get_by_role("button", name="Cancel 4 jobs").click()
    expect(dialog.get_by_role("heading")).to_have_text("3 done, 1 not")
    expect(dialog.locator("tbody tr")).to_have_count(5)
    expect(dialog.locator("tbody tr").first).to_contain_text("It has changed since it was shown")
    assert accessibility(page) == []
    page.keyboard.press("Escape")
    assert _ticked(page) == [queued[3], queued[0]]
    for job in (going, *queued):
        expect(_row(page, job).locator(".c-st")).to_have_text("Cancelled", timeout=LONG_MS)
    assert client.get(f"/jobs/{queued[1]}/events")["items"][0]["why"] == "3 号线停线"


def test_several_get_another_priority(screen: Screens, client: Client) -> None:
    first, second, ended = _waiting(client, 3, "priority")
    client.post(f"/jobs/{ended}/cancel", {})
    page = screen(theme="dark").open("/jobs?deployment=priority")
    page.locator("#jobs-all").check()
    page.get_by_role("button", name="Priority…").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_label("Priority, 0 to 5000")
    listens = "e => (e['htmx-internal-data']?.listenerInfos ?? []).length > 0"
    page.wait_for_function(listens, arg=field.element_handle())
    field.fill("5001")
    expect(dialog).to_contain_text("A whole number from 0 to 5000.")
    field.fill("4500")
    expect(dialog.locator("tr", has_text="2000 → 4500")).to_have_count(2)
    expect(dialog).to_contain_text("Ended already.")
    assert accessibility(page) == []
    dialog.get_by_role("button", name="Change 2 jobs").click()
    expect(dialog.get_by_role("heading")).to_have_text("All 2 jobs are done")
    dialog.get_by_role("button", name="Close").click()
    for job in (first, second):
        expect(_row(page, job)).to_contain_text("4500", timeout=LONG_MS)
    assert _ticked(page) == [ended]
