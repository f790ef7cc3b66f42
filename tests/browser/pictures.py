"""Takes the pictures of the documents: a factory at work, with a few things that need a person."""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

from cli.client import Client, Refused
from cli.demo import FACTORY
from cli.stage import Stage, all_there, save_deployments, save_floor, save_flows
from cli.workload import next_submissions
from tests.browser.screen import Screen, browsing, find_chromium
from tests.waiting import wait_for

IMG = Path(__file__).parent.parent.parent / "docs" / "img"
SPEED, WARM_UP_TICKS = 6.0, 420
EXTRA = """
[[robot]]
id = "AGV-08"
name = "Pallet truck 8"
queues = ["far"]
tags = ["pallet"]
start = "B-04"
"""
"""A truck of its own process, which is lost in the middle of a job."""


def main() -> int:
    """Everything: a box, work, trouble, pictures."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("chromium is not installed")
    IMG.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="yardmaster-pictures-") as folder,
        Stage(Path(folder) / "box", FACTORY / "fleet.toml", speed=SPEED) as stage,
        Client(stage.url) as client,
    ):
        save_floor(client, FACTORY / "fleet.toml")
        stage.wait_for(all_there(client, FACTORY / "fleet.toml"), 60, "all robots are there")
        save_flows(client, FACTORY / "flows")
        save_deployments(client, FACTORY / "deployments.json")
        lost = _lose_a_truck(client, stage, Path(folder))
        job = _work(client)
        wait_for(lambda: client.get(f"/jobs/{lost}")["state"] == "uncertain", 60, "the lost job is uncertain")
        with browsing(chromium) as browser:
            for name, path, how in _pictures(job):
                _take(Screen(browser, stage.url, **how), name, path)
    return 0


def _pictures(job: str) -> list[tuple[str, str, dict[str, Any]]]:
    light: dict[str, Literal["light", "dark"]] = {"theme": "light"}
    return [
        ("overview", "/", light),
        ("overview-dark-zh", "/", {"theme": "dark", "lang": "zh"}),
        ("jobs", "/jobs", light),
        ("job", f"/jobs/{job}", light),
        ("job-dark-zh", f"/jobs/{job}", {"theme": "dark", "lang": "zh"}),
        ("robots", "/robots", light),
        ("handheld", "/", {"lang": "zh", "size": "handheld"}),
        ("job-handheld", f"/jobs/{job}", {"size": "handheld"}),
    ]


def _take(screen: Screen, name: str, path: str) -> None:
    page = screen.open(path)
    page.wait_for_timeout(1500)  # a picture of a page that is at work, not of its first moment
    page.screenshot(path=IMG / f"{name}.png")
    screen.close()
    sys.stdout.write(f"{IMG / name}.png {screen.unexpected()}\n")


def _work(client: Client) -> str:
    """A quarter of a shift; then a paused job and a drained robot. Gives a job that is worth a picture."""
    dice = random.Random(4)
    for tick in range(WARM_UP_TICKS):
        for body in next_submissions(dice, tick):
            client.post("/jobs", body)
        time.sleep(1 / SPEED)
    client.post("/robots/AGV-05/drain", {"reason": "New wheels, back at 16:00"})
    _pause_one(client)
    retried = [job for job in client.every("/jobs", limit=200) if job["attempt_count"] > 1]
    shown = retried or list(client.every("/jobs", limit=1, deployment="pick-order"))
    return str(shown[0]["id"])


def _pause_one(client: Client) -> None:
    for job in client.every("/jobs", limit=20, state="running"):
        try:
            client.post(f"/jobs/{job['id']}/pause", {"reason": "the customer is on the phone"})
        except Refused:
            continue
        return


def _lose_a_truck(client: Client, stage: Stage, folder: Path) -> str:
    fleet = folder / "fleet.toml"
    text = (FACTORY / "fleet.toml").read_text(encoding="utf-8")
    fleet.write_text(text.replace("[[robot]]", EXTRA + "\n[[robot]]", 1), encoding="utf-8")
    command = [sys.executable, "-m", "cli.main", "agent", "AGV-08", "--driver", "simulated", "--fleet", str(fleet),
               "--mqtt", stage.mqtt, "--data-dir", str(folder / "agv-8"), "--queue", "far"]  # fmt: skip
    agent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: "AGV-08" in {r["id"] for r in client.every("/robots")}, 30, "the truck is there")
    move = {"from": "B-04", "to": "CELL-4", "pallet": "M-77"}
    body = {"flow": "move-pallet", "target": {"queue": "far"}, "parameters": move}
    made = client.post("/jobs", body)["items"][0]["id"]
    wait_for(lambda: client.get(f"/jobs/{made}")["state"] == "running", 30, "it runs")
    time.sleep(2)
    agent.kill()
    agent.wait()
    return str(made)


if __name__ == "__main__":
    sys.exit(main())
