"""Very many sessions at once, and one robot that says very much: what the others feel of it."""

import asyncio
import json
import resource
import statistics
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from config.clock import steady
from tests.faults.bench import Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.fleet import OUTSIDER
from tests.faults.load import Demand
from tests.faults.raw import TOPICS, Raw
from tests.faults.reader import Reader, Reads

ONLINE_S = 60.0
SESSIONS = {False: 1000, True: 10_000}
"""Quick and full."""
LITTLE = 6
"""Backlog of an idle hall: a job waits for nobody."""
A_SECOND = 5000
READ_MS = 300.0
"""What a page may take in a storm (95 of 100)."""
SLOWER = 1.2
"""A flood makes jobs too slow when they take more than so many times as long."""


class Storm(Fault):
    """Sessions that all connect at once, each with a will, a subscription and presence; they stay for a while."""

    name = "connect-storm"
    quick, full = Size(1, 1, (5, 5)), Size(3, 1, (30, 30))

    def plan(self, folder: Path) -> Plan:
        self._results: list[str] = []
        self._wrong: list[str] = []
        return Plan()

    def missing(self) -> str:
        need, have = SESSIONS[self.is_full] + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return "" if have >= need else f"needs {need} open files, has {have}"

    def inject(self, scene: Scene) -> None:
        count = SESSIONS[self.is_full]
        with Reader(scene.bench, scene.folder / "reads") as reader:
            began = steady()
            took, online = asyncio.run(_storm(scene.bench.mqtt, count, scene.lasts()))
            reads = reader.within(began, steady())
        self._results.append(f"{online} of {count} online after {took:.1f} s, reads {reads}")
        if online < count or took > ONLINE_S:
            self._wrong.append(f"{online} of {count} sessions online after {took:.1f} s")
        self._wrong.extend(stormed(reads, self.is_full))

    def heal(self, scene: Scene) -> None:
        """They have gone, without a goodbye."""

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from self._wrong

    def note(self, scene: Scene) -> str:
        return "; ".join(self._results)


def stormed(reads: Reads, is_full: bool) -> Iterator[str]:
    """What is wrong with what was read during a storm; how long it took counts at full size alone."""
    if reads.wrong:
        yield f"during the storm {reads.wrong}"
    elif is_full and reads.p95_ms >= READ_MS:
        yield f"reads during the storm: {reads}, and {READ_MS:.0f} ms is the limit"


async def _storm(broker: str, count: int, stay_s: float) -> tuple[float, int]:
    """(seconds until all had their subscription, how many had)."""
    began = steady()
    gate = asyncio.Semaphore(500)
    tasks = [asyncio.create_task(_session(broker, f"storm-{n}", gate)) for n in range(count)]
    done, late = await asyncio.wait(tasks, timeout=ONLINE_S + 10)
    took = steady() - began
    for task in late:
        task.cancel()
    writers = [task.result() for task in done if task.exception() is None]
    await asyncio.sleep(stay_s)
    for writer in writers:
        writer.transport.abort()
    return took, len(writers)


async def _session(broker: str, name: str, gate: asyncio.Semaphore) -> asyncio.StreamWriter:
    """Connect, subscribe, say that it is there; raises when the broker says no."""
    host, _, port = broker.rpartition(":")
    async with gate:
        reader, writer = await asyncio.open_connection(host, int(port))
        will = json.dumps({"v": 1, "online": False, "boot": name}).encode()
        flags = 0x02 | 0x04 | 0x20 | 0x80  # clean, will kept, with a user name
        head = _text("MQTT") + bytes((4, flags)) + struct.pack("!H", 60)
        writer.write(_packet(0x10, head + _text(name) + _text(TOPICS.of(name, "presence")) + _data(will) + _text(name)))
        connack = await asyncio.wait_for(reader.readexactly(4), ONLINE_S)
        if connack[3] != 0:
            raise ConnectionError(f"refused: {connack[3]}")
        topics = b"".join(_text(topic) + b"\x01" for topic in TOPICS.for_agent(name))
        writer.write(_packet(0x82, struct.pack("!H", 1) + topics))
        await asyncio.wait_for(reader.readexactly(4 + len(TOPICS.for_agent(name))), ONLINE_S)
        online = json.dumps({"v": 1, "online": True, "boot": name}).encode()
        writer.write(_packet(0x31, _text(TOPICS.of(name, "presence")) + online))
        await writer.drain()
    return writer


def _data(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def _text(value: str) -> bytes:
    return _data(value.encode())


def _packet(kind: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        size.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((kind,)) + bytes(size) + body


class Flood(Fault):
    """One robot says 5,000 things a second; the others' jobs are measured before and meanwhile."""

    name = "flooding-robot"
    quick, full = Size(1, 1, (6, 6)), Size(5, 1, (60, 60))
    demand = Demand(backlog=LITTLE)

    def plan(self, folder: Path) -> Plan:
        self._results: list[str] = []
        self._wrong: list[str] = []
        return Plan()

    def inject(self, scene: Scene) -> None:
        lasts = scene.lasts()
        before = _now_us()
        time.sleep(lasts)
        calm = _latencies(scene, before)
        before = _now_us()
        rate = self._flood(scene, lasts)
        flooded = _latencies(scene, before)
        self._wrong.extend(flooded_too_much(calm, flooded, self.is_full))
        if calm and flooded:
            one, other = statistics.median(calm), statistics.median(flooded)
            more = f"{other - one:+.3f} s, {100 * (other / one - 1):+.0f} %"
            self._results.append(f"{rate:.0f} messages/s; a job takes {one:.2f} s, then {other:.2f} s ({more})")

    def _flood(self, scene: Scene, lasts: float) -> float:
        with Raw(scene.bench.mqtt, OUTSIDER) as raw:
            began, sent = steady(), 0
            while (passed := steady() - began) < lasts:
                for _ in range(25):
                    raw.send("heartbeat", raw.beat(), qos=0)
                    raw.send("log", raw.rows({"kind": "log", "level": 1, "text": "so much to say"}), qos=0)
                sent += 50
                time.sleep(max(0.0, sent / A_SECOND - passed))
            return sent / (steady() - began)

    def heal(self, scene: Scene) -> None:
        """It is quiet again."""

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from self._wrong

    def note(self, scene: Scene) -> str:
        return "; ".join(self._results)


def flooded_too_much(calm: list[float], flooded: list[float], is_full: bool) -> Iterator[str]:
    """What is wrong with how long jobs took (seconds) before a flood and in it; that counts at full size alone."""
    if not calm or not flooded:
        yield f"{len(calm)} jobs were done before the flood and {len(flooded)} in it: nothing was measured"
        return
    one, other = statistics.median(calm), statistics.median(flooded)
    if is_full and other > one * SLOWER:
        yield f"a job took {one:.2f} s, and {other:.2f} s in the flood"


def _now_us() -> int:
    return time.time_ns() // 1000


def _latencies(scene: Scene, since_us: int) -> list[float]:
    """Seconds from submission to success of short jobs that were made since then."""
    sql = "select ended_at - created_at as us from jobs where flow = 'short' and state = 'succeeded' and created_at > ?"
    return [row["us"] / 1e6 for row in scene.bench.rows(sql, since_us)]


STORMS: tuple[Fault, ...] = (Storm(), Flood())
