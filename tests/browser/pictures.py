"""Takes the pictures of the documents: a factory at work, with a few things that need a person.

What stands on them happens while they are taken, but for the bars of the hours before: those are made up.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from cli.client import Client, Refused
from cli.demo import FACTORY
from cli.stage import Stage, all_there, save_deployments, save_floor, save_flows
from cli.workload import next_submissions
from controller.store.connection import Store, connect
from tests.browser.screen import Screen, browsing, find_chromium
from tests.waiting import wait_for

IMG = Path(__file__).parent.parent.parent / "docs" / "img"
SPEED, TICK_S, WARM_UP_TICKS = 6.0, 0.17, 500
"""About as much work as the robots can just do, so that they are busy."""
HOURS, AN_HOUR = 11, (95, 135)
"""Hours before this one, and how many jobs ended in each."""
SHARES = {"goods-in": 22, "supply-cell": 26, "goods-out": 12, "pick-order": 17, "labels": 18, "delivery": 5}
QUEUES = {
    "transport": ("Pallet trucks", 300),
    "picking": ("Pickers", 600),
    "office": ("Office", 120),
    "desk": ("Shift desk", None),
    "station": ("This box", None),
}
"""Names and limits of waiting times, in seconds."""
EXTRA = """
[[robot]]
id = "AGV-08"
name = "Pallet truck 8"
queues = ["transport"]
tags = ["pallet"]
start = "CELL-4"
"""
"""A truck of its own process, which is lost in the middle of a job."""


def main() -> int:
    """Everything: a box, work, trouble, pictures."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("chromium is not installed")
    IMG.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="yardmaster-pictures-") as folder:
        box = Path(folder) / "box"
        _make_up_hours(box)
        with Stage(box, FACTORY / "fleet.toml", speed=SPEED) as stage, stage.client() as client:
            _perform(chromium, stage, client, Path(folder))
    return 0


def _perform(chromium: str, stage: Stage, client: Client, folder: Path) -> None:
    save_floor(client, FACTORY / "fleet.toml")
    stage.wait_for(all_there(client, FACTORY / "fleet.toml"), 60, "all robots are there")
    save_flows(client, FACTORY / "flows")
    save_deployments(client, FACTORY / "deployments.json")
    for queue, (name, limit) in QUEUES.items():
        client.put(f"/queues/{queue}", {"name": name, "wait_limit_s": limit})
    job = _work(client, stage, folder)
    with browsing(chromium) as browser:
        for name, path, how in _pictures(job):
            _take(Screen(browser, stage.url, **how), name, path)


def _make_up_hours(box: Path) -> None:
    """Bars of the chart: nobody waits for hours while pictures are taken."""
    box.mkdir()
    store, dice, this_hour = Store(connect(box / "yardmaster.db")), random.Random(11), int(time.time()) // 3600
    with store.transaction():
        for hour in range(this_hour - HOURS, this_hour):
            ended = Counter(dice.choices(list(SHARES), list(SHARES.values()), k=dice.randint(*AN_HOUR)))
            bad = {
                outcome: dice.choices(list(SHARES), k=n)
                for outcome, n in (("failed", dice.randint(0, 3)), ("cancelled", dice.randint(0, 2)))
            }
            rows = [(hour, one, "succeeded", n) for one, n in ended.items()]
            rows += [(hour, one, outcome, n) for outcome, of in bad.items() for one, n in Counter(of).items()]
            store.db.executemany("insert into job_hours values (?, ?, ?, ?)", rows)
    store.close()


def _pictures(job: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        ("overview", "/", {}),
        ("jobs", "/jobs", {}),
        ("job", f"/jobs/{job}", {}),
        ("robots", "/robots", {}),
        ("handheld", "/", {"lang": "zh", "size": "handheld"}),
    ]


def _take(screen: Screen, name: str, path: str) -> None:
    page = screen.open(path)
    page.wait_for_timeout(1500)  # a picture of a page that is at work, not of its first moment
    page.screenshot(path=IMG / f"{name}.png")
    screen.close()
    sys.stdout.write(f"{IMG / name}.png {screen.unexpected()}\n")


def _work(client: Client, stage: Stage, folder: Path) -> str:
    """A quarter of a shift with its troubles, the last of them a minute old. Gives a job that is worth a picture."""
    dice, lost = random.Random(4), ""
    for cell in (1, 2, 3):  # one inspection in three fails at first
        asked = {"deployment": "quality-check", "parameters": {"cell": f"CELL-{cell}", "part": f"G-{cell}"}}
        client.post("/jobs", asked | {"priority": 4500, "max_retries": 2})
    for tick in range(WARM_UP_TICKS):
        if tick == WARM_UP_TICKS // 3:
            lost = _lose_a_truck(client, stage, folder)
        if tick == WARM_UP_TICKS // 2:
            _cancel_one(client)
        for body in next_submissions(dice, tick):
            client.post("/jobs", body)
        time.sleep(TICK_S)
    wait_for(lambda: client.get(f"/jobs/{lost}")["state"] == "uncertain", 60, "the lost job is uncertain")
    client.post("/robots/RPA-03/drain", {"reason": "New label roll"})
    _pause_one(client)
    ended = list(client.every("/jobs", limit=200, state="succeeded"))
    looked = [job for job in ended if job["deployment"] == "quality-check"]
    return str(([job for job in ended if job["attempt_count"] > 1] or looked)[-1]["id"])


def _cancel_one(client: Client) -> None:
    waiting = list(client.every("/jobs", limit=1, state="queued"))
    if waiting:
        client.post(f"/jobs/{waiting[0]['id']}/cancel", {"reason": "the order was withdrawn"})


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
               "--mqtt", stage.mqtt, "--data-dir", str(folder / "agv-8"), "--tag", "pallet"]  # fmt: skip
    agent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: "AGV-08" in {r["id"] for r in client.every("/robots")}, 30, "the truck is there")
    way = {"from": "CELL-4", "to": "CH-1", "pallet": "BAT-7"}
    target = {"robots": ["AGV-08"]}
    job = {
        "name": "Spare battery to its charger",
        "flow": "move-pallet",
        "target": target,
        "parameters": way,
        "priority": 4500,
    }
    client.put("/deployments/battery", job)
    made = client.post("/jobs", {"deployment": "battery"})["items"][0]["id"]
    wait_for(lambda: client.get(f"/jobs/{made}")["state"] == "running", 60, "it runs")
    wait_for(lambda: 18 < client.get("/robots/AGV-08")["position"]["x"] < 30, 60, "it is under way")
    agent.kill()
    agent.wait()
    client.put("/robots/AGV-08", {"name": "Pallet truck 8", "queues": ["transport"], "tags": ["pallet"]})
    return str(made)


if __name__ == "__main__":
    sys.exit(main())
