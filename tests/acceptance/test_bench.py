"""The benchmark's own box: a few jobs through the real thing, counted and seen on the wire; no time is judged."""

from pathlib import Path

import psutil
import pytest

from scripts.benchmark.box import Box
from scripts.benchmark.pace import to_the_wire
from scripts.benchmark.throughput import SHOWN, one_run

pytestmark = pytest.mark.usefixtures("mosquitto")


def test_a_few_jobs_are_counted_and_seen_on_the_wire(tmp_path: Path) -> None:
    before = set(psutil.Process().children())  # the broker that other tests share, if it runs already
    with Box(tmp_path, robots=2) as box, box.watcher() as watcher:
        processes = [*box.accounts().processes.values(), box.stage.process("serve")]
        run = one_run(box, 20)
        assert set(run) == {"rate", *SHOWN}
        assert run["rate"] > 0
        sent, waited = to_the_wire(box, watcher, rate=20, seconds=0.5)
        assert len(sent.at) == len(waited) == 10
        assert all(seconds > 0 for seconds in waited), "an assign is never seen before its job was asked for"
        assert box.ended() == 30
        assert len(watcher.first_by_job()) == 30
    assert not any(process.is_running() for process in processes)
    assert not any(tmp_path.iterdir()), "nothing is left behind"
    assert set(psutil.Process().children()) == before
