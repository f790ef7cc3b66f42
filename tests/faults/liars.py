"""A robot with good credentials that lies, repeats, floods and sends rubbish: nobody else's rows change."""

import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schemas.topics import TO_CONTROLLER
from tests.faults.corpus import VALUES, WORTHLESS, bent
from tests.faults.fault import Fault, Scene, Size
from tests.faults.fleet import OUTSIDER as LIAR
from tests.faults.raw import Raw

ENDS = ("succeeded", "failed", "cancelled", "interrupted", "rejected")
LIVE = "select a.number, j.uid, a.robot, a.journal from attempts a join jobs j on j.id = a.job where a.open = 1"
UNCAUGHT = re.compile(r"Traceback|a defect in the controller|Exception in thread")


def uncaught(scene: Scene) -> Iterator[str]:
    """I21: what the box's processes have printed about defects."""
    if line := first_uncaught(scene.folder / "logs" / "log"):
        yield f"I21 uncaught, in the log's {line}"


def first_uncaught(log: Path) -> str:
    """The first such line of a log, by its number; empty if there is none."""
    for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
        if UNCAUGHT.search(line):
            return f"line {number}: {line[:200]}"
    return ""


class Liar(Fault):
    """It reports the attempts of others in every way, and impossible things about itself."""

    name = "lying-robot"
    quick, full = Size(3, 3), Size(200, 50)
    mutants = ("anybody_speaks",)

    def inject(self, scene: Scene) -> None:
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
        yield from uncaught(scene)
        if not scene.bench.rows("select 1 from quarantine where robot = ?", LIAR):
            yield "I21 nothing that the liar said was kept with a reason"

    def note(self, scene: Scene) -> str:
        kept = scene.bench.rows("select count(*), count(distinct reason) from quarantine where robot = ?", LIAR)[0]
        return f"{kept[0]} lies kept with {kept[1]} reasons in the last box"


class Retained(Fault):
    """Stale and forged retained messages, wills and presence, replayed at will."""

    name = "retained-and-stale"
    mutants = ("anybody_speaks",)
    quick, full = Size(3, 3), Size(100, 50)

    def inject(self, scene: Scene) -> None:
        with Raw(scene.bench.mqtt, LIAR) as raw:
            for row in scene.bench.rows(LIVE):
                ended = {"kind": "failed", "reason": "stale", "job": row["uid"], "attempt": row["number"]}
                old = raw.rows(ended)
                for robot in (LIAR, row["robot"]):
                    raw.send("block-status", old, robot=robot, retain=True)
                    raw.send("presence", {"v": 1, "online": False, "boot": "x"}, robot=robot, retain=True)
                    raw.send("heartbeat", raw.beat(), robot=robot, retain=True)

    def heal(self, scene: Scene) -> None:
        with Raw(scene.bench.mqtt, LIAR) as raw:
            for kind in TO_CONTROLLER:
                raw.send(kind, b"", retain=True)
            raw.send("heartbeat", raw.beat())

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from uncaught(scene)


class Rubbish(Fault):
    """Malformed, deep and huge payloads on every topic and in the bodies of requests."""

    name = "malformed-payloads"
    mutants = ("rubbish_raises",)
    quick, full = Size(1, 1), Size(100, 25)
    bent_each = 150
    paths = ("/api/v1/jobs", "/api/v1/jobs/bulk", "/api/v1/flows/short", "/api/v1/login", "/api/v1/robots/s-1/enable")

    def inject(self, scene: Scene) -> None:
        self._answers: list[tuple[str, int]] = getattr(self, "_answers", [])
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
        yield from uncaught(scene)
        bad = {answer for answer in self._answers if answer[1] >= 500 or answer[1] == 0}
        yield from (f"I21 rubbish at {path} was answered {status}" for path, status in sorted(bad))

    def note(self, scene: Scene) -> str:
        sent = (len(WORTHLESS) + self.bent_each) * len(TO_CONTROLLER) * scene.size.cycles
        return f"{sent} messages and {len(self._answers)} bodies in the last box"


def _good_rows() -> list[dict[str, Any]]:
    about = {"job": "a", "attempt": 1}
    run = {"kind": "block", "path": "-1/1", "n": 1, "try": 0, "status": "start.begin", "inputs": {"a": [1, {"b": 2}]}}
    return [{"kind": "accepted", **about}, run | about, {"kind": "log", "level": 1, "text": "x", **about}]


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


LIES: tuple[Fault, ...] = (Liar(), Retained(), Rubbish())
