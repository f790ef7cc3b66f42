"""Screenshots and video of a real robot program, from its failure to the screen of whoever looks for the reason."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.client import Client
from cli.stage import Stage
from edge_agent.simulator.picture import picture
from tests.browser.job_flows import end, submit, until
from tests.browser.screen import Screen, accessibility, sideways
from tests.rows import block, definition
from tests.waiting import wait_for

ROBOT = "office-7"
LONG_MS = 60_000
PROGRAM = """
import os, pathlib, sys
folder = pathlib.Path(os.environ["YARDMASTER_ARTIFACTS"])
(folder / "receipt.png").write_bytes(pathlib.Path(sys.argv[1]).read_bytes())
print("the form is filled in")
sys.exit("the booking was refused" if sys.argv[2] == "bad" else 0)
"""
RECORDER = """
import pathlib, sys
sys.stdin.readline()
pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())
"""
CAMERA = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())"
VIDEO = """async () => {
  const canvas = document.createElement('canvas');
  canvas.width = 320; canvas.height = 200;
  const paint = canvas.getContext('2d');
  const recorder = new MediaRecorder(canvas.captureStream(20), {mimeType: 'video/webm'});
  const parts = [];
  recorder.ondataavailable = e => parts.push(e.data);
  const over = new Promise(done => { recorder.onstop = done; });
  recorder.start(100);
  for (let n = 0; n < 20; n++) {
    paint.fillStyle = `hsl(${n * 18} 80% 50%)`;
    paint.fillRect(0, 0, 320, 200);
    await new Promise(done => setTimeout(done, 50));
  }
  recorder.stop();
  await over;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(bytes, one => String.fromCharCode(one)).join(''));
}"""
Screens = Callable[..., Screen]


def a_video(browser: Browser) -> bytes:
    """A second of WebM, recorded by the browser itself."""
    page = browser.new_page()
    try:
        return base64.b64decode(page.evaluate(VIDEO))
    finally:
        page.close()


@pytest.fixture(scope="module")
def office(browser: Browser, factory: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An agent with the RPA driver as a process of its own, with recorder, camera and token; its folder."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "screen.webm").write_bytes(a_video(browser))
    (folder / "picture.png").write_bytes(picture([(0.0, 0.0), (9.0, 5.0)], (3.0, 2.0)))
    with factory.client() as client:
        token = client.post("/tokens", {"name": ROBOT, "role": "robot", "robot": ROBOT})["secret"]
        for how in ("good", "bad"):
            flow = definition(block(1, "Fill in the form", "RpaRunBp", command="book", arguments=[how]))
            client.put(f"/flows/booking-{how}", {"name": "Booking", "definition": flow})
    (folder / "token").write_text(token)
    (folder / "agent.toml").write_text(_settings(folder, factory))
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "cli.main", "agent", "--config", str(folder / "agent.toml")]
        agent = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ))
    try:
        with factory.client() as client:
            wait_for(lambda: _is_free(client), 60, f"{ROBOT} is there ({folder}/log)")
        yield folder
    finally:
        agent.terminate()
        agent.wait(30)


def _settings(folder: Path, factory: Stage) -> str:
    """TOML, as a robot's machine has it."""
    python, video, photo = [sys.executable, "-c"], str(folder / "screen.webm"), str(folder / "picture.png")
    given: dict[str, Any] = {
        "name": ROBOT, "kind": "rpa", "mqtt": factory.mqtt, "data_dir": str(folder / "data"), "queues": ["seven"],
        "http": factory.url, "token_file": str(folder / "token"),
        "recorder": [*python, RECORDER, video, "{output}"], "screenshot": [*python, CAMERA, photo, "{output}"],
    }  # fmt: skip
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    return "\n".join([*lines, "[commands.book]", f"argv = {json.dumps([*python, PROGRAM, photo])}"])


def _is_free(client: Client) -> bool:
    return any(robot["id"] == ROBOT and robot["state"] == "free" for robot in client.every("/robots"))


def book(client: Client, how: str, recording: str) -> str:
    return submit(client, f"booking-{how}", "seven", recording=recording, max_retries=0)


def listed(client: Client, job: str) -> list[dict[str, Any]]:
    return list(client.every(f"/jobs/{job}/artifacts", order="oldest"))


def is_loaded(page: Page, place: str) -> bool:
    return bool(
        page.evaluate("s => { const i = document.querySelector(s); return i.complete && i.naturalWidth > 0 }", place)
    )


@pytest.fixture(scope="module")
def failed(factory: Stage, office: Path) -> str:
    """A booking that has failed, and all of whose recordings have arrived; one only, as three would hold the robot."""
    with factory.client() as client:
        job = book(client, "bad", "on_failure")
        until(client, job, "failed")
        wait_for(lambda: [one["state"] for one in listed(client, job)] == ["complete"] * 3, 60, "three artifacts")
    return job


def test_what_failed_is_seen_where_it_is_logged(screen: Screens, client: Client, failed: str) -> None:
    found = listed(client, failed)
    assert [(one["kind"], one["name"], one["type"]) for one in found] == [
        ("video", "screen.webm", "video/webm"), ("screenshot", "failure.png", "image/png"),
        ("screenshot", "receipt.png", "image/png"),
    ]  # fmt: skip
    page = screen().open(f"/jobs/{failed}")
    expect(page.locator("#job-logs")).to_contain_text("screenshot failure.png")
    expect(page.locator("#log-new .shot img")).to_have_count(2)
    page.locator("#log-new .shot").first.scroll_into_view_if_needed()
    wait_for(lambda: is_loaded(page, "#log-new .shot img"), 20, "the picture is there")
    button = page.get_by_role("button", name="Show failure.png large")
    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("failure.png")
    wait_for(lambda: is_loaded(page, "dialog img"), 20, "the large picture is there")
    assert accessibility(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    assert sideways(page) == 0


def test_the_video_plays_in_its_place(screen: Screens, failed: str) -> None:
    page = screen().open(f"/jobs/{failed}")
    video = page.locator("#log-new video")
    expect(video).to_have_count(1)
    assert video.get_attribute("controls") is not None
    assert video.evaluate("async v => { v.muted = true; await v.play(); return v.videoWidth }") == 320
    wait_for(lambda: video.evaluate("v => v.currentTime") > 0.2, 20, "it goes on")


def test_a_line_by_its_type_and_in_chinese(screen: Screens, failed: str) -> None:
    page = screen(lang="zh").open(f"/jobs/{failed}")
    types = page.get_by_role("combobox", name="日志类型")
    expect(types.locator("option")).to_have_text(["全部类型", "系统", "块", "打印", "驱动", "附件"])
    expect(page.get_by_role("combobox", name="日志切换")).to_be_visible()
    types.select_option(label="驱动")
    expect(page.locator("#log-new")).to_contain_text("the form is filled in")
    expect(page.locator("#log-new .shot")).to_have_count(0)
    types.select_option(label="附件")
    expect(page.locator("#log-new li")).to_have_count(3)
    expect(page.locator("#log-new")).to_contain_text("截图 failure.png")
    expect(page.locator("#log-new")).to_contain_text("视频记录 screen.webm")
    assert "type=artifact" in page.url
    assert accessibility(page) == []


def test_on_a_handheld_pictures_fit(screen: Screens, failed: str) -> None:
    page = screen(size="handheld", theme="dark").open(f"/jobs/{failed}")
    expect(page.locator("#log-new .shot img")).to_have_count(2)
    assert sideways(page) == 0
    assert accessibility(page) == []


def test_on_failure_drops_on_the_robot_what_did_not_fail(client: Client, office: Path) -> None:
    """Recording on failure: record always, upload only what failed, drop the rest on the robot."""
    job = book(client, "good", "on_failure")
    until(client, job, "succeeded")
    wait_for(lambda: not list((office / "data" / "recordings").iterdir()), 60, "nothing is left on the robot")
    assert listed(client, job) == []


def test_recording_is_off_unless_it_is_asked_for(client: Client, office: Path) -> None:
    """Recording is off by default, and the API's *never* is off."""
    body = {"flow": "booking-bad", "target": {"queue": "seven"}, "max_retries": 0}
    job = client.post("/jobs", body)
    (one,) = job["items"]
    assert one["recording"] == "never"
    until(client, one["id"], "failed")
    assert listed(client, one["id"]) == []
    assert not [row for row in client.every(f"/jobs/{one['id']}/logs") if row["type"] == "artifact"]


def test_what_is_recorded_always_comes_while_the_job_runs(screen: Screens, client: Client) -> None:
    """A screen that is open shows the line, and the picture as soon as it has come, by itself."""
    look = block(1, "look", "CAgvOperationBp", scriptName="look")
    flow = definition(look, block(2, "stand", "DelayBp", timeMillis=20_000))
    client.put("/flows/one-look", {"name": "Look", "definition": flow})
    job = submit(client, "one-look", "transport", recording="always")
    page = screen().open(f"/jobs/{job}")
    expect(page.locator("#log-new .shot img")).to_have_count(1, timeout=LONG_MS)
    wait_for(lambda: is_loaded(page, "#log-new .shot img"), 20, "the picture is there")
    end(client, job)
