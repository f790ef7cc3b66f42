"""A robot with good credentials that lies, repeats, floods and sends rubbish: nobody else's rows change."""

import http.client
import json
import math
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schemas.topics import TO_CONTROLLER
from tests.faults.bench import Plan
from tests.faults.cheat import CHEAT, Cheat
from tests.faults.corpus import VALUES, WORTHLESS, bent
from tests.faults.fault import Fault, Scene, Size
from tests.faults.fleet import OUTSIDER as LIAR
from tests.faults.raw import Raw

ENDS = ("succeeded", "failed", "cancelled", "interrupted", "rejected")
LIVE = "select a.number, j.uid, a.robot, a.journal from attempts a join jobs j on j.id = a.job where a.open = 1"
BELIEVED = (
    "select number, robot from attempts a where robot not in (?, ?) and (reason = 'a lie' or exists (select 1 from"
    " block_runs b where b.attempt = a.number and (b.outputs like '%\"lie\"%' or b.reason = 'a lie')))"
)


class Liar(Fault):
    """It reports the attempts of others in every way, and impossible things about itself; another cheats."""

    name = "lying-robot"
    quick, full = Size(3, 3), Size(200, 50)
    mutants = ("anybody_speaks",)

    def plan(self, folder: Path) -> Plan:
        self._cheat = Cheat()
        return super().plan(folder)

    def close(self) -> None:
        self._cheat.close()

    def inject(self, scene: Scene) -> None:
        self._cheat.cheat(scene)
        with Raw(scene.bench.mqtt, LIAR) as raw:
            raw.send("heartbeat", raw.beat())
            for row in scene.bench.rows(LIVE):
                self._lie(raw, dict(row), scene)
            self._about_itself(raw)

    def heal(self, scene: Scene) -> None:
        with Raw(scene.bench.mqtt, LIAR) as raw:  # a robot that makes sense again is trusted again
            for _ in range(2):
                raw.send("heartbeat", raw.beat())
                time.sleep(0.1)
        self._cheat.rest()

    def _lie(self, raw: Raw, live: dict[str, Any], scene: Scene) -> None:
        about = {"job": live["uid"], "attempt": live["number"]}
        raw.send("block-status", raw.rows({"kind": "accepted", "ask": 1, **about}))
        run = {"kind": "block", "path": "-1/1", "n": 1, "try": 0, "status": "monitor.success", "outputs": {"lie": 1}}
        raw.send("block-status", raw.rows(run | about))
        raw.send("block-status", raw.rows({"kind": scene.dice.choice(ENDS), "reason": "a lie", **about}))
        held = [{**about, "activity": "running", "ask": 1}]
        raw.send("heartbeat", raw.beat(holds=held, highest=live["number"]))
        # The broker denies these: they are other robots' topics, and journals.
        forged = raw.rows({"kind": "failed", "reason": "forged", **about}) | {"journal": live["journal"] or "x"}
        raw.send("block-status", forged, robot=live["robot"])
        raw.send("block-status", forged)

    def _about_itself(self, raw: Raw) -> None:
        for value in VALUES:
            for name in ("highest", "head", "first", "beat", "holds", "capabilities", "capacity", "battery"):
                raw.send("heartbeat", _json(raw.beat(**{name: value})), qos=0)
        for number in (-1, 0, 2**53, 2**63, 10**30):
            ended = {"kind": "succeeded", "job": "01a0", "attempt": number}
            raw.send("block-status", _json(raw.rows(ended)))

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from self._cheat.judge(scene)
        for row in scene.bench.rows(BELIEVED, LIAR, CHEAT):
            yield f"I6 attempt {row['number']} of {row['robot']} shows what another robot said of it"
        if not scene.bench.rows("select 1 from quarantine where robot = ?", LIAR):
            yield "I21 nothing that the liar said was kept with a reason"

    def note(self, scene: Scene) -> str:
        kept = scene.bench.rows("select count(*), count(distinct reason) from quarantine where robot = ?", LIAR)[0]
        return f"{kept[0]} lies kept with {kept[1]} reasons in the last box"


class Rubbish(Fault):
    """Malformed, deep and huge payloads on every topic and in the bodies of requests."""

    name = "malformed-payloads"
    mutants = ("rubbish_raises",)
    quick, full = Size(1, 1), Size(100, 25)
    bent_each = 150
    paths = ("/api/v1/jobs", "/api/v1/jobs/bulk", "/api/v1/flows/short", "/api/v1/login", "/api/v1/robots/s-1/enable")

    def plan(self, folder: Path) -> Plan:
        self._answers: list[tuple[str, int]] = []
        self._memory: dict[str, tuple[int, int]] = {}
        self._cycle = 0
        return super().plan(folder)

    def inject(self, scene: Scene) -> None:
        self._cycle += 1
        if self._cycle == (WARM if self.is_full else 1):
            self._memory = {part: measured(scene.bench.pid(part)) for part in ("controller", "web")}
        with Raw(scene.bench.mqtt, LIAR) as raw:
            raw.send("heartbeat", raw.beat())
            good = (raw.beat(holds=[{"job": "a", "attempt": 1, "activity": "running"}]), raw.rows(*_good_rows()))
            for kind in TO_CONTROLLER:
                for payload in (
                    *WORTHLESS,
                    *(bent(scene.dice.choice(good), scene.dice) for _ in range(self.bent_each)),
                ):
                    raw.send(kind, payload, qos=scene.dice.choice((0, 1)))
        for path in self.paths:
            for body in (*WORTHLESS, *(bent({"flow": "short", "jobs": [{"a": [{}]}]}, scene.dice) for _ in range(40))):
                self._answers.append((path, _post(scene, path, body)))

    def heal(self, scene: Scene) -> None:
        with Raw(scene.bench.mqtt, LIAR) as raw:
            raw.send("heartbeat", raw.beat())

    def judge(self, scene: Scene) -> Iterator[str]:
        bad = {answer for answer in self._answers if answer[1] >= 500 or answer[1] == 0}
        yield from (f"I21 rubbish at {path} was answered {status}" for path, status in sorted(bad))
        self._grown = {part: grown(scene.bench.pid(part), self._memory[part]) for part in self._memory}
        if self.is_full:  # a short run has what a process fills once, and little else
            yield from grew(self._grown)

    def note(self, scene: Scene) -> str:
        sent = (len(WORTHLESS) + self.bent_each) * len(TO_CONTROLLER) * scene.size.cycles
        by = ", ".join(f"{part} {mb:+.0f} MB" for part, mb in self._grown.items())
        return f"{sent} messages and {len(self._answers)} bodies in the last box; memory: {by}"


def _good_rows() -> list[dict[str, Any]]:
    about = {"job": "a", "attempt": 1}
    run = {"kind": "block", "path": "-1/1", "n": 1, "try": 0, "status": "start.begin", "inputs": {"a": [1, {"b": 2}]}}
    return [{"kind": "accepted", **about}, run | about, {"kind": "log", "level": 1, "text": "x", **about}]


WARM = 6
"""The cycle before whose rubbish memory is measured at full size: a controller under load fills what it fills once.

Cycle by cycle it had 62, 72, 77, 85, 87, 86, 87, 88, 88, 87, 92, 88 MB; its page cache alone is 16.
"""
GROWS_MB = 20.0
"""What a part may have more in memory after rubbish than before (I21)."""


def measured(pid: int) -> tuple[int, int]:
    """A process and its resident memory in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pid, pages * resource.getpagesize()


def grown(pid: int, before: tuple[int, int]) -> float:
    """By how many MB it has grown; not a number if it is not the same process any more."""
    return (measured(pid)[1] - before[1]) / 1e6 if pid == before[0] else math.nan


def grew(by_mb: dict[str, float]) -> Iterator[str]:
    """Which parts have grown by too much, or are not those that were measured before."""
    for part, mb in by_mb.items():
        if not mb <= GROWS_MB:
            yield f"I21 {part} has {mb:+.0f} MB in memory after the rubbish, and may have {GROWS_MB:+.0f}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _post(scene: Scene, path: str, body: bytes) -> int:
    parts = urlsplit(scene.bench.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)
    headers = {"Content-Type": "application/json"} | scene.bench.headers()
    try:
        connection.request("POST" if path != "/api/v1/flows/short" else "PUT", path, body, headers)
        return connection.getresponse().status
    except (http.client.HTTPException, BrokenPipeError, ConnectionResetError):
        return 413  # it hung up on a body that is too large
    except OSError:
        return 0
    finally:
        connection.close()


LIES: tuple[Fault, ...] = (Liar(), Rubbish())
