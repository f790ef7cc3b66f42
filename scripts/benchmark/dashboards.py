"""The latency of dispatch while 200 dashboards are open, what they cost the web, and how one too many is answered."""

import http.client
import time
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from cli.stage import Stage
from config.settings import ServeSettings
from scripts.benchmark.accounts import spent
from scripts.benchmark.box import Box
from scripts.benchmark.figures import Figure, at_most, exactly
from scripts.benchmark.latency import RATE, ROBOTS, one_run, wire_figures
from scripts.benchmark.pace import to_the_wire
from scripts.benchmark.scale import Plan
from scripts.benchmark.streams import Dashboards, open_stream
from scripts.benchmark.watcher import Watcher

STREAMS = {
    "screens of the console": "/live?parts=overview.en%20fleet",
    "streams of the API": "/api/v1/stream",
}
"""What a dashboard may be; a version without a console has only the second."""
REFUSED = 503
REFUSAL_MS = 1_000.0
PATIENCE_S = 30.0


@dataclass(frozen=True)
class _Refusal:
    status: int
    retry_after: str | None
    ms: float


def measure(plan: Plan) -> list[Figure]:
    """One box: without dashboards, with each kind of them, and at last as many as may be and one more."""
    scale, found = plan.scale, []
    with Box(plan.folder, robots=ROBOTS) as box, box.watcher() as watcher:
        to_the_wire(box, watcher, RATE, 2.0)
        without = one_run(box, watcher, scale.latency_s)
        for name, path in STREAMS.items():
            if _is_there(box.stage, path):
                found += _with(plan, box, watcher, (name, path), without)
                # A closed stream keeps its place until something is sent to it: a second of news frees them all.
                to_the_wire(box, watcher, RATE, 1.0)
        refusals = _one_too_many(box.stage, scale.runs)
    return [*found, *_refused(refusals)]


def _is_there(stage: Stage, path: str) -> bool:
    parts = urlsplit(stage.url)
    try:
        open_stream(parts.hostname or "", parts.port or 0, path, stage.headers()["Authorization"]).close()
    except ConnectionError:
        return False
    return True


def _with(plan: Plan, box: Box, watcher: Watcher, kind: tuple[str, str], without: dict[str, float]) -> list[Figure]:
    name, path = kind
    count, runs, web = plan.scale.dashboards, [], []
    dashboards = Dashboards(box.stage, path, count)
    with dashboards:
        began_all = time.perf_counter()
        for _ in range(plan.scale.runs):
            accounts, began = box.accounts(), time.perf_counter()
            before = accounts.cpu_s()
            runs.append(one_run(box, watcher, plan.scale.latency_s))
            web.append(spent(before, accounts.cpu_s())["web"] / (time.perf_counter() - began) * 100)
        passed = time.perf_counter() - began_all
    came = dashboards.came
    if came["with news"] < count or came["ended"]:
        raise RuntimeError(f"of {count} {name} {came['with news']} got news and {came['ended']} ended")
    said = f"{count} {name}"
    also = {f"{p} without": without[p] for p in ("p50", "p99")}
    return [
        *(Figure(f"{said}: {one.name}", one.unit, one.values, one.goal, one.also) for one in wire_figures(runs, also)),
        Figure(f"{said}: web, CPU", "% of a core", web),
        Figure(
            f"{said}: messages read", "1/s", [came["messages"] / passed], also={"MB/s": came["bytes"] / passed / 1e6}
        ),
    ]


# ------------------------------------------------------------ one too many
def _one_too_many(stage: Stage, runs: int) -> list[_Refusal]:
    """Fill every place, then ask for one more."""
    with Dashboards(stage, STREAMS["streams of the API"], ServeSettings().streams):
        return [_ask_for_more(stage) for _ in range(runs)]


def _ask_for_more(stage: Stage) -> _Refusal:
    parts = urlsplit(stage.url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)) as connection:
        connection.connect()
        began = time.perf_counter()
        connection.request("GET", STREAMS["streams of the API"], headers=stage.headers())
        response = connection.getresponse()
        ms = (time.perf_counter() - began) * 1e3
    return _Refusal(response.status, response.getheader("Retry-After"), ms)


def _refused(refusals: list[_Refusal]) -> list[Figure]:
    most = ServeSettings().streams
    with_retry = [float(one.retry_after is not None and one.retry_after.isdigit()) for one in refusals]
    return [
        Figure(f"stream {most + 1}: answer", "status", [one.status for one in refusals], exactly(REFUSED)),
        Figure(f"stream {most + 1}: says when to try again", "1: yes", with_retry, exactly(1)),
        Figure(f"stream {most + 1}: time to the answer", "ms", [one.ms for one in refusals], at_most(REFUSAL_MS)),
    ]
