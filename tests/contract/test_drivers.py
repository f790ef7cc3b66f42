"""One suite for every driver, and proof that it notices broken ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_agent.drivers import DRIVERS, rpa_process
from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_process import RpaProcess
from edge_agent.drivers.simulated import SimulatedDriver
from edge_agent.drivers.voice import Voice
from edge_agent.operations import ENDED, Key, Operation, OperationEvent
from tests.contract import driver_checks as checks
from tests.fakes.driver_bench import Bench, RpaBench, SimulatedBench

BENCHES: dict[str, type[Bench]] = {"simulated": SimulatedBench, "rpa": RpaBench}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = BENCHES[request.param](tmp_path)
    yield made
    made.clean()


def test_every_driver_has_a_bench() -> None:
    assert set(BENCHES) == set(DRIVERS)


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_driver(check: Callable[[Bench], None], bench: Bench) -> None:
    check(bench)


# ---------------------------------------------------------------- mutants
Patch = pytest.MonkeyPatch


def says_ends_twice(patch: Patch) -> None:
    def say(voice: Voice, event: OperationEvent) -> None:
        for _ in range(2 if event.what in ENDED else 1):
            voice.emit(event)

    patch.setattr(Voice, "say", say)


def says_lines_late(patch: Patch) -> None:
    say = Voice.say

    def late(voice: Voice, event: OperationEvent) -> None:
        say(voice, event)
        if event.what in ENDED:
            voice.emit(OperationEvent(event.key, "log", text="by the way"))

    patch.setattr(Voice, "say", late)


def talks_after_closing(patch: Patch) -> None:
    patch.setattr(Voice, "close", lambda _: None)


def is_always_idle(patch: Patch) -> None:
    for driver in (SimulatedDriver, RpaDriver):
        patch.setattr(driver, "idle", lambda _: True)


def says_stopped_while_it_moves(patch: Patch) -> None:
    def stop(driver: SimulatedDriver | RpaDriver, key: Key) -> None:
        driver._voice.say(OperationEvent(key, "stopped"))

    for driver in (SimulatedDriver, RpaDriver):
        patch.setattr(driver, "stop", stop)


def never_answers_a_stop(patch: Patch) -> None:
    for driver in (SimulatedDriver, RpaDriver):
        patch.setattr(driver, "stop", lambda *_: None)


def guesses_after_a_restart(patch: Patch) -> None:
    def resume(driver: SimulatedDriver | RpaDriver, operation: Operation) -> None:
        driver._voice.open(operation.key)
        driver._voice.say(OperationEvent(operation.key, "succeeded", {}))

    for driver in (SimulatedDriver, RpaDriver):
        patch.setattr(driver, "resume", resume)


def forgets_its_ends(patch: Patch) -> None:
    def resume(driver: SimulatedDriver | RpaDriver, operation: Operation) -> None:
        driver._voice.open(operation.key)
        driver._voice.say(OperationEvent(operation.key, "unknown", reason="forgotten"))

    for driver in (SimulatedDriver, RpaDriver):
        patch.setattr(driver, "resume", resume)


def begins_a_key_again(patch: Patch) -> None:
    patch.setattr(Voice, "open", lambda voice, key: voice._open.add(key))


def kills_only_the_parent(patch: Patch) -> None:
    """The launcher dies without ending its tree, and nobody looks after it."""

    def gone(_mark: str, launcher: psutil.Process, _patience: float) -> bool:
        launcher.kill()
        return True

    patch.setattr(rpa_process, "end_run", gone)
    patch.setattr(rpa_process, "_close", lambda _: None)
    patch.setattr(rpa_process, "LAUNCHER_PATIENCE_S", 0.0)


def leaves_processes_of_earlier_boots(patch: Patch) -> None:
    patch.setattr(RpaDriver, "close", lambda driver: driver._voice.close())
    patch.setattr(RpaDriver, "_sweep", lambda driver, _: driver._swept.set())


def reports_before_it_is_sure(patch: Patch) -> None:
    def stop(process: RpaProcess) -> None:
        process._say(OperationEvent(process._operation.key, "stopped"))

    patch.setattr(RpaProcess, "stop", stop)


BOTH = (
    (says_ends_twice, checks.carries_out_and_says_so_in_order),
    (says_lines_late, checks.says_nothing_after_an_end),
    (talks_after_closing, checks.falls_silent_at_once_when_closed),
    (is_always_idle, checks.stops_and_says_so_only_when_nothing_moves),
    (says_stopped_while_it_moves, checks.stops_and_says_so_only_when_nothing_moves),
    (never_answers_a_stop, checks.stops_what_has_hardly_begun),
    (guesses_after_a_restart, checks.tells_the_next_boot_what_it_cannot_know),
    (forgets_its_ends, checks.tells_the_next_boot_the_real_end),
    (begins_a_key_again, checks.takes_each_key_once),
)
RPA_ONLY = (
    (kills_only_the_parent, checks.stops_and_says_so_only_when_nothing_moves),
    (leaves_processes_of_earlier_boots, checks.is_idle_only_when_nothing_of_an_earlier_boot_moves),
    (reports_before_it_is_sure, checks.stops_and_says_so_only_when_nothing_moves),
)
MUTANTS = [(name, *row) for name in BENCHES for row in BOTH] + [("rpa", *row) for row in RPA_ONLY]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("name", "mutant", "check"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_the_suite_notices(
    name: str,
    mutant: Callable[[Patch], None],
    check: Callable[[Bench], None],
    tmp_path: Path,
    monkeypatch: Patch,
) -> None:
    mutant(monkeypatch)
    bench = BENCHES[name](tmp_path, patience_s=2.0)
    try:
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            check(bench)
    finally:
        bench.clean()
