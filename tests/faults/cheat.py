"""A robot that cheats about jobs of its own: ends without leave and at once, twice, and with impossible numbers."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from config.clock import steady
from tests.faults.fault import Scene
from tests.faults.raw import Raw

CHEAT = "cheat"
WAIT_S = 30.0
IMPOSSIBLE = (-1, 0, 2**53)
"""Numbers of attempts that make a row unreadable."""
BEYOND = (10**30, -(10**30))
"""Those that make a whole message unreadable, so that its rows were never said."""
SHOWN = (
    "select j.state, a.robot, a.counted, (select count(*) from block_runs b where b.attempt = a.number and b.n > 0)"
    " as blocks, (select status from block_runs b where b.attempt = a.number and b.n = 0) as root"
    " from jobs j left join attempts a on a.number = j.attempt where j.uid = ?"
)


class Cheat:
    """One session of it, with one journal, for the life of a box; `wrong` is what was shown better than known."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.said: dict[str, str] = {}
        """Job to the first end that was said of it."""
        self.asked: set[str] = set()
        """Jobs for which it asked for leave, without which a failure uses up no retry."""
        self._open = ExitStack()
        self._raw: Raw | None = None
        self._highest = 0

    def close(self) -> None:
        """Leave."""
        self._open.close()

    def cheat(self, scene: Scene) -> None:
        """A job for each way of cheating, one after the other."""
        if self._raw is None:
            self._raw = self._open.enter_context(Raw(scene.bench.mqtt, CHEAT))
        for way in (self._at_once, self._unaccepted, self._twice, self._failed_first, self._impossible):
            about = self._given(scene, self._raw)
            if about is not None:
                way(scene, self._raw, about)
                self._await(functools.partial(self._ended, scene, about["job"]), "its end is recorded")
        self.rest()

    def rest(self) -> None:
        """It holds nothing and makes sense."""
        for _ in range(2 if self._raw else 0):
            assert self._raw is not None
            self._raw.send("heartbeat", self._raw.beat(highest=self._highest))
            time.sleep(0.1)

    # ------------------------------------------------------------ ways of cheating
    def _at_once(self, _scene: Scene, raw: Raw, about: dict[str, Any]) -> None:
        """It never asked for leave, and no block of it ran."""
        raw.send("block-status", raw.rows({"kind": "accepted", **about}, self._end(about, "succeeded")))

    def _unaccepted(self, _scene: Scene, raw: Raw, about: dict[str, Any]) -> None:
        raw.send("block-status", raw.rows(self._end(about, "succeeded")))

    def _twice(self, _scene: Scene, raw: Raw, about: dict[str, Any]) -> None:
        raw.send("block-status", raw.rows({"kind": "accepted", **about}))
        for kind in ("succeeded", "failed", "cancelled", "succeeded", "interrupted"):
            raw.send("block-status", raw.rows(self._end(about, kind)))

    def _failed_first(self, _scene: Scene, raw: Raw, about: dict[str, Any]) -> None:
        self._ask(raw, about)
        raw.send("block-status", raw.rows(*(self._end(about, kind) for kind in ("failed", "succeeded", "succeeded"))))

    def _impossible(self, scene: Scene, raw: Raw, about: dict[str, Any]) -> None:
        """Of all that is said between *accepted* and *failed* nothing is about this attempt, or can be."""
        job, number = about["job"], about["attempt"]
        self._ask(raw, about)
        lie = {"kind": "succeeded", "reason": "a lie", "job": job}
        for other in (*IMPOSSIBLE, -number, number + 10**6):
            raw.send("block-status", raw.rows(lie | {"attempt": other}))
        raw.send("block-status", raw.rows(lie | {"attempt": number, "job": "01a0"}))
        block = {"kind": "block", "path": "-1/1", "status": "monitor.success", **about}
        for wrong in ({"n": -1, "try": 0}, {"n": 2**53, "try": 0}, {"n": 1, "try": -1}):
            raw.send("block-status", raw.rows(block | wrong))
        raw.send("block-status", raw.rows(block | {"path": "-1", "n": 0, "try": 0}))
        for other in BEYOND:
            said = raw.seq
            raw.send("block-status", raw.rows(lie | {"attempt": other}))
            raw.seq = said
        raw.send("heartbeat", raw.beat(highest=number, holds=[{**about, "activity": "running"}]))
        self._await(lambda: self._recorded(raw), "what it said is acknowledged")
        self.wrong += shown_wrongly(job, self._shown(scene, job), "running")
        raw.send("block-status", raw.rows(self._end(about, "failed")))

    def _ask(self, raw: Raw, about: dict[str, Any]) -> None:
        self.asked.add(about["job"])
        raw.send("block-status", raw.rows({"kind": "accepted", "ask": 1, **about}))

    def _end(self, about: dict[str, Any], kind: str) -> dict[str, Any]:
        self.said.setdefault(about["job"], kind)
        return {"kind": kind, "reason": "a lie", **about}

    # ------------------------------------------------------------ its jobs
    def _given(self, scene: Scene, raw: Raw) -> dict[str, Any] | None:
        """A job that is for it alone, once it has been told to do it."""
        self.rest()
        self._await(lambda: scene.bench.rows("select 1 from robots where id = ?", CHEAT), "it is known")
        job = scene.load.submit_one(f"{CHEAT}-{len(self.said)}-{raw.boot}", {"robots": [CHEAT]})

        def told() -> dict[str, Any] | None:
            self.rest()
            found = [body for kind, body in list(raw.got) if kind == "assign" and body["job"] == job]
            return found[-1] if found else None

        assign = self._await(told, f"it is given its job {job}")
        if assign is None:
            return None
        self._highest = assign["attempt"]
        return {"job": job, "attempt": assign["attempt"]}

    def _await(self, condition: Callable[[], Any], what: str) -> Any:
        end = steady() + WAIT_S
        while not (found := condition()):
            if steady() > end:
                self.wrong.append(f"I10 {CHEAT}: not within {WAIT_S:g} s: {what}")
                return None
            time.sleep(0.05)
        return found

    def _ended(self, scene: Scene, job: str) -> bool:
        return bool(scene.bench.rows("select state from jobs where uid = ?", job)[0]["state"] == self.said[job])

    def _shown(self, scene: Scene, job: str) -> dict[str, Any]:
        shown = dict(scene.bench.rows(SHOWN, job)[0])
        return shown | {"counted": shown["counted"] and job not in self.asked}

    def _recorded(self, raw: Raw) -> bool:
        acks = [body for kind, body in list(raw.got) if kind == "ack" and body["journal"] == raw.journal]
        return any(body["upto"] >= raw.seq for body in acks)

    # ------------------------------------------------------------ what is shown of it
    def judge(self, scene: Scene) -> Iterator[str]:
        """The first end that was said stands there, and nothing that was not said."""
        yield from self.wrong
        for job, state in self.said.items():
            yield from shown_wrongly(job, self._shown(scene, job), state)
        if not self.said:
            yield f"{CHEAT} was never given a job: the fault did not happen"


def shown_wrongly(job: str, shown: dict[str, Any], state: str) -> Iterator[str]:
    """What a job's record says beyond what its robot has said and was given, one sentence each."""
    if (shown["state"], shown["robot"]) != (state, CHEAT):
        yield f"T job {job} is shown as {shown['state']} by {shown['robot']}, and {CHEAT} said {state}"
    if shown["blocks"]:
        yield f"T job {job} shows {shown['blocks']} blocks, and {CHEAT} reported none that can be"
    if shown["counted"]:
        yield f"T job {job} is shown as let go, and {CHEAT} never asked for leave"
    if state != "succeeded" and shown["root"] in ("monitor.success", "delete.success"):
        yield f"T the root block of job {job} is shown as {shown['root']}, and the job is {state}"
