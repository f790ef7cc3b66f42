"""Many jobs at once in a real browser: all that fit a filter, executed again, and the words of the documents."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cli.client import Client
from cli.demo import ONCE, QUICK
from cli.stage import Stage, all_there
from tests.browser.screen import Screen, accessibility, sideways
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("batches")
Screens = Callable[..., Screen]
LOOKS = [("en", "light", "handheld"), ("zh", "dark", "desktop"), ("zh", "light", "handheld")]
PRESS = "2 号压机换模"
LONG_MS = 30_000


@pytest.fixture(scope="module")
def factory(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small box of its own; nobody serves the queue `far`."""
    stage = Stage(tmp_path_factory.mktemp("batch"), ONCE / "fleet.toml")
    stage.settings = QUICK
    with stage, stage.client() as client:
        stage.wait_for(all_there(client, ONCE / "fleet.toml"), 60, "all robots are there")
        client.put("/queues/far", {})
        block = {"id": 1, "name": "b1", "blockType": "PrintBp", "children": {},
                 "inputParams": {"message": {"type": "Simple", "value": "hi"}}}  # fmt: skip
        root = {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {}, "children": {"default": [block]}}
        definition = {"inputParams": [], "outputParams": [], "rootBlock": root}
        client.put("/flows/short", {"name": "short", "definition": definition})
        client.put("/deployments/press", {"name": PRESS, "flow": "short", "target": {"queue": "far"}})
        yield stage


def _make(client: Client, n: int, name: str) -> list[str]:
    """So many jobs that wait for good, of a deployment that only they have."""
    client.put(f"/deployments/{name}", {"name": name, "flow": "short", "target": {"queue": "far"}})
    answers = client.post("/jobs/bulk", {"jobs": [{"deployment": name}] * n})["items"]
    return [str(answer["jobs"][0]["id"]) for answer in answers]


def _words(page: Page) -> str:
    return " ".join(page.locator("main").inner_text().split())


def test_all_that_fit_the_filter_are_cancelled_not_only_the_page(screen: Screens, client: Client) -> None:
    made, other = _make(client, 130, "many"), _make(client, 1, "other")
    page = screen().open("/jobs?deployment=many")
    every = page.locator("#jobs-every")
    expect(every).to_be_hidden()
    page.locator("#jobs-all").check()
    expect(page.locator("#jobs-ticked")).to_have_text("50")
    every.click()
    expect(page.locator("#jobs-ticked")).to_have_text("130")
    expect(every).to_be_hidden()
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Cancel all 130 selected jobs?")
    assert (accessibility(page), sideways(page)) == ([], 0)
    dialog.get_by_label("Reason").fill("line 3 stands")
    dialog.get_by_role("button", name="Cancel 130 jobs").click()
    expect(dialog.get_by_role("heading")).to_have_text("All 130 jobs are done", timeout=LONG_MS)
    assert accessibility(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#jobs-batch")).to_be_hidden()
    assert {client.get(f"/jobs/{job}")["state"] for job in (made[0], made[77], made[129])} == {"cancelled"}
    assert client.get(f"/jobs/{other[0]}")["state"] == "queued"


def test_unticking_one_means_the_page_again(screen: Screens, client: Client) -> None:
    _make(client, 60, "scope")
    page = screen().open("/jobs?deployment=scope")
    page.locator("#jobs-all").check()
    page.locator("#jobs-every").click()
    expect(page.locator("#jobs-ticked")).to_have_text("60")
    page.locator(".j").nth(3).locator("input").uncheck()
    expect(page.locator("#jobs-ticked")).to_have_text("49")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("Cancel all 49 selected jobs?")


@pytest.mark.parametrize(("lang", "theme", "size"), LOOKS)
def test_ended_jobs_are_executed_again(
    screen: Screens, client: Client, shots: Path | None, lang: str, theme: str, size: str
) -> None:
    name = f"again-{lang}-{size}"
    made = _make(client, 3, name)
    for job in made[:2]:
        client.post(f"/jobs/{job}/cancel", {})
    page = screen(lang=lang, theme=theme, size=size).open(f"/jobs?deployment={name}")
    if size == "handheld":
        for n in range(3):
            page.locator(".j").nth(n).locator("input").check()
    else:
        page.locator("#jobs-all").check()
    page.get_by_role("button", name="批量执行" if lang == "zh" else "Execute again…").click()
    dialog = page.get_by_role("dialog")
    asked = "再次执行所选 3 个任务中的 2 个？" if lang == "zh" else "Execute 2 of the 3 selected jobs again?"
    expect(dialog.get_by_role("heading")).to_have_text(asked)
    assert (accessibility(page), sideways(page)) == ([], 0)
    if shots is not None:
        page.screenshot(path=shots / f"batch-execute-{size}-{theme}-{lang}.png")
    dialog.get_by_role("checkbox").check()
    dialog.locator("[data-do]").click()
    done = "2 个任务全部完成" if lang == "zh" else "All 2 jobs are done"
    expect(dialog.get_by_role("heading")).to_have_text(done, timeout=LONG_MS)
    assert (accessibility(page), sideways(page)) == ([], 0)
    if shots is not None:
        page.screenshot(path=shots / f"batch-result-{size}-{theme}-{lang}.png")
    found = client.get("/jobs", deployment=name, state="queued")["items"]
    assert {job["rerun_of"] for job in found} - {None} == set(made[:2])


def test_the_list_of_jobs_speaks_the_words_of_the_documents(screen: Screens, client: Client) -> None:
    """The rows of the job list: its heads, its buttons, what opens below a row."""
    (job,) = _make(client, 1, "words")
    page = screen(lang="zh", size="wall").open("/jobs?deployment=words")
    heads = [" ".join(text.split()) for text in page.locator("thead th").all_inner_texts()]
    for word in ("任务来源", "创建时间", "开始时间", "结束时间", "状态", "任务优先级", "执行机器人"):
        assert word in heads, (word, heads)
    expect(page.locator("h1")).to_have_text("任务记录")
    expect(page.locator("#jobs-tabs")).to_contain_text("等待")
    expect(page.get_by_placeholder("流程部署名称包含")).to_be_visible()
    row = page.locator(f'.j[data-id="{job}"]')
    expect(row.locator("[data-attempts]")).to_have_attribute("title", "展开")
    row.locator("[data-attempts]").click()
    for word in ("查看", "日志", "调整优先级", "取消"):
        expect(row.locator(".more").get_by_text(word, exact=True)).to_be_visible()
    page.locator("#jobs-all").check()
    expect(page.locator("#jobs-batch")).to_contain_text("批量操作")
    for word in ("批量调整优先级", "批量执行", "批量取消执行"):
        expect(page.get_by_role("button", name=word)).to_be_visible()
    page.get_by_role("button", name="筛选").first.click()
    for word in ("时间", "状态"):
        expect(page.get_by_role("dialog")).to_contain_text(word)


def test_a_row_leads_to_its_priority_and_its_cancel(screen: Screens, client: Client) -> None:
    (job,) = _make(client, 1, "row")
    page = screen().open("/jobs?deployment=row")
    row = page.locator(f'.j[data-id="{job}"]')
    row.locator("[data-attempts]").click()
    row.get_by_role("button", name="Change priority").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("spinbutton").fill("4999")
    dialog.locator("[data-do]").click()
    expect(row).to_contain_text("4999", timeout=LONG_MS)
    row.locator(".more").get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").locator("[data-do]").click()
    expect(row.locator(".c-st").first).to_contain_text("Cancelled", timeout=LONG_MS)
    expect(row.locator(".more").get_by_role("button", name="Cancel", exact=True)).to_have_count(0)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_name_with_a_slip_in_it_still_finds(screen: Screens, client: Client, lang: str) -> None:
    (job,) = [one["id"] for one in client.post("/deployments/press/run", {})["items"]]
    page = screen(lang=lang).open("/jobs?q=压鸡换模")
    expect(page.locator(f'.j[data-id="{job}"]')).to_be_visible()
    expect(page.locator(".matched")).to_contain_text(PRESS)
    said = "没有叫这个名称的流程部署" if lang == "zh" else "No deployment is called so."
    expect(page.locator(".matched")).to_contain_text(said)
    assert (accessibility(page), sideways(page)) == ([], 0)
    page.goto(page.url.partition("?")[0] + "?q=完全没有")
    expect(page.locator(".empty h2")).to_have_text("没有符合条件的任务" if lang == "zh" else "No job matches")


def test_the_list_is_saved_as_a_file(screen: Screens, client: Client) -> None:
    made = _make(client, 70, "file")
    page = screen().open("/jobs?deployment=file")
    with page.expect_download() as coming:
        page.locator("#jobs-export").click()
    text = Path(coming.value.path()).read_bytes().decode("utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text[1:], newline="")))
    assert text[0] == "\ufeff"
    assert [row["id"] for row in rows] == made[::-1]
    assert re.fullmatch(r"jobs-\d{8}-\d{6}\.csv", coming.value.suggested_filename)
    expect(page.locator("#jobs-loading")).to_be_hidden()


def test_a_batch_goes_on_when_its_dialog_is_closed(screen: Screens, client: Client) -> None:
    made = _make(client, 200, "closing")
    page = screen().open("/jobs?deployment=closing&limit=200")
    page.locator("#jobs-all").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel 200 jobs").click()
    page.keyboard.press("Escape")
    wait_for(lambda: client.get(f"/jobs/{made[199]}")["state"] == "cancelled", 30, "the last one is cancelled")
