"""A job in debug mode in a real browser: its block fails, is run again, or everything is undone; in both languages."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from cli.client import Client
from cli.demo import ONCE
from cli.stage import Stage, all_there
from tests.browser.job_flows import end, submit, until
from tests.browser.screen import Screen, accessibility, sideways
from tests.rows import block, definition

Screens = Callable[..., Screen]
FAULT = '\n[[fault]]\nrobot = "lane-1"\nat = "weigh"\nwhat = "fail"\nevery = 2\n'
"""Of three times the second fails: a job that weighs twice fails at the second, and the third time is well."""
LONG_MS = 30_000


def _weigh(number: int, name: str) -> dict[str, Any]:
    return block(number, name, "CAgvOperationBp", scriptName="weigh")


def _lower(number: int, name: str) -> dict[str, Any]:
    return block(number, name, "CAgvOperationBp", scriptName="tick")


FLOW = definition(
    _weigh(1, "first weighing") | {"rollback": [_lower(11, "lower it")]},
    _weigh(2, "second weighing"),
    block(3, "tell", "PrintBp", message="both are weighed"),
)


@pytest.fixture
def factory(mosquitto: str, tmp_path: Path) -> Iterator[Stage]:
    """A small box of its own for each test, since its faults count."""
    fleet = tmp_path / "fleet.toml"
    fleet.write_text((ONCE / "fleet.toml").read_text(encoding="utf-8") + FAULT, encoding="utf-8")
    with Stage(tmp_path / "box", fleet) as stage, stage.client() as client:
        stage.wait_for(all_there(client, fleet), 60, "all robots are there")
        client.put("/flows/weigh", {"name": "Weigh twice", "definition": FLOW})
        yield stage


@pytest.fixture
def stuck(client: Client) -> Iterator[str]:
    """A job in debug mode whose second weighing has failed."""
    job = submit(client, "weigh", "lane", debug=True)
    until(client, job, "paused")
    yield job
    end(client, job)


def _row(page: Page, path: str) -> Locator:
    return page.locator(f'[id="b/{path}"]')


def _ask(page: Page, action: str) -> Locator:
    page.locator(f"#do-{action}").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    return dialog


def test_the_failed_block_is_run_again_and_the_job_goes_on(screen: Screens, stuck: str) -> None:
    page = screen().open(f"/jobs/{stuck}")
    expect(page.locator("h1 .mode")).to_have_text("debug")
    expect(page.locator("#job-title")).to_have_text("Paused on lane-1, attempt 1 of 4.")
    expect(page.locator("#job-head")).to_contain_text("“second weighing” failed:")
    expect(page.locator("#job-head")).to_contain_text("It runs in debug mode, so a person decides")
    expect(_row(page, "-1/2").locator(".r")).to_contain_text("Failed")
    expect(page.locator("#do-resume")).to_have_count(0)
    assert (accessibility(page), sideways(page)) == ([], 0)
    page.evaluate("window.mine = 'yes'")
    dialog = _ask(page, "again")
    expect(dialog).to_contain_text("lane-1 runs “second weighing” again as soon as it hears this, once.")
    expect(dialog).to_contain_text("See that nobody stands in its way.")
    expect(dialog).to_contain_text("If it fails again, the job waits again.")
    assert accessibility(page) == []
    dialog.locator("[name=reason]").fill("I put it straight")
    dialog.get_by_role("button", name="Run the block again").click()
    expect(page.locator("#said")).to_have_text("lane-1 is told to run the block again.")
    expect(page.locator("#job-title")).to_have_text("Succeeded on lane-1 in attempt 1 of 4.", timeout=LONG_MS)
    expect(_row(page, "-1/2").locator(".r")).to_contain_text("Succeeded")
    expect(page.locator("#log-new")).to_contain_text("both are weighed")
    expect(page.locator("#job-record")).to_contain_text("asked lane-1 to run the block again.")
    expect(page.locator("#job-record")).to_contain_text("I put it straight")
    assert page.evaluate("window.mine") == "yes"


def test_debug_mode_is_left_and_what_has_finished_is_undone(screen: Screens, client: Client, stuck: str) -> None:
    page = screen(lang="zh").open(f"/jobs/{stuck}")
    expect(page.locator("h1 .mode")).to_have_text("调试")
    expect(page.locator("#do-again")).to_have_text("重新执行此块…")
    expect(page.locator("#job-head")).to_contain_text("任务正在调试，由人工决定")
    dialog = _ask(page, "undo")
    expect(dialog).to_contain_text("lane-1 收到后立即回滚已完成的任务块，最后完成的最先回滚：“first weighing”。")
    expect(dialog).to_contain_text("之后任务以失败结束，不再重试。")
    assert accessibility(page) == []
    dialog.get_by_role("button", name="回滚并以失败结束").click()
    expect(page.locator("#said")).to_have_text("已通知 lane-1 回滚已完成的任务块。")
    expect(page.locator("#job-head")).to_have_attribute("data-state", "failed", timeout=LONG_MS)
    expect(_row(page, "-1/1/11").locator(".r")).to_contain_text("成功")
    ended = client.get(f"/jobs/{stuck}")
    assert (ended["state"], ended["attempt_count"], ended["max_retries"]) == ("failed", 1, 3)
    runs = {run["path"]: (run["phase"], run["state"]) for run in client.every(f"/jobs/{stuck}/blocks", limit=100)}
    assert runs["-1/1"] == ("rollback.success", "succeeded")
    assert runs["-1"] == ("rollback.success", "failed")
    assert runs["-1/1/11"] == ("monitor.success", "succeeded")


@pytest.mark.parametrize(("lang", "word"), [("en", "dry run"), ("zh", "试运行")])
def test_a_dry_run_says_so_and_moves_nothing(screen: Screens, client: Client, lang: str, word: str) -> None:
    job = submit(client, "weigh", "lane", mock=True)
    until(client, job, "succeeded")
    one = screen(lang=lang)
    page = one.open(f"/jobs/{job}")
    expect(page.locator("h1 .mode")).to_have_text(re.compile(word))
    rows = one.open("/jobs")
    expect(rows.locator(f"[id='r-{job}'] .mode")).to_have_text(re.compile(word))
    assert (accessibility(page), accessibility(rows), sideways(rows)) == ([], [], 0)
    phases = {run["path"]: run["phase"] for run in client.every(f"/jobs/{job}/blocks", limit=100)}
    assert (phases["-1/1"], phases["-1/2"]) == ("mock.success", "mock.success")
    small = screen(lang=lang, size="handheld")
    for address in (f"/jobs/{job}", "/jobs"):
        assert sideways(small.open(address)) == 0
