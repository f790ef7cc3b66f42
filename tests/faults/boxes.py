"""Two controllers on one data directory; yesterday's database under live robots; a wall clock that jumps."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from cli.client import Refused
from tests.faults.bench import Plan
from tests.faults.evidence import Forgotten
from tests.faults.fault import Fault, Scene, Size
from tests.faults.fleet import QUEUE
from tests.faults.network import HASTY
from tests.faults.pauses import BLAMED
from tests.faults.product import MUTANTS
from tests.rows import block, definition

REFUSES_S = 60.0
IN_USE = "is in use by another"
JUMPS_S = (31_536_000, -31_536_000, 3600, -3600, 1, -1, 60, -60, 86_400, -86_400)
"""±1 s to ±1 y, the worst ones first: a small size has no more than six. An hour is also what daylight saving is to a
clock that is set wrongly."""
FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)


TICK, EVERY_S = "tick", 5
FIRED = "select json_extract(source, '$.time') as due, firing from jobs where source_type = 'schedule'"


class SecondController(Fault):
    """Somebody starts another controller on the same data, and another whole box."""

    name = "two-controllers"
    quick, full = Size(1, 1), Size(50, 50)
    mutants = ("no_lock",)

    def inject(self, scene: Scene) -> None:
        self._wrong: list[str] = getattr(self, "_wrong", [])
        mutant = scene.bench.plan.wrap.get("controller", {}).get("mutant")
        module = [MUTANTS, mutant] if mutant else []
        for command in (["-m", *module, "controller.app"], ["-m", "cli.main", "serve", *_where(scene)]):
            environment = _environment(scene.bench.pid("controller"))
            code, said = _run_second([sys.executable, *command], environment, scene.folder / "second")
            if code != 1 or IN_USE not in said:
                self._wrong.append(f"I20 a second {command[-1][:40]} did not refuse ({code}): {said[-1500:]!r}")

    def heal(self, scene: Scene) -> None:
        """The first one never noticed."""

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from self._wrong


def _where(scene: Scene) -> list[str]:
    return ["--data-dir", str(scene.bench.data), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]


def _environment(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="surrogateescape")
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def _run_second(command: list[str], environment: dict[str, str], log: Path) -> tuple[int | None, str]:
    """Its exit code, None if it had to be killed, and what it said: then also where its threads were."""
    tells = environment | {"PYTHONFAULTHANDLER": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file, env=tells)
    try:
        code: int | None = process.wait(REFUSES_S)
    except subprocess.TimeoutExpired:
        code = None
        process.send_signal(signal.SIGABRT)
        time.sleep(1)
    finally:
        process.kill()
        process.wait()
    return code, log.read_text(errors="replace")


def _command(*words: str | Path) -> None:
    """What a person types; raises `CalledProcessError`."""
    subprocess.run([sys.executable, "-m", "cli.main", *map(str, words)], check=True, capture_output=True, timeout=120)


class OldBackup(Fault):
    """A backup that was made a moment ago is restored while robots work on."""

    name = "restore-under-live-robots"
    mutants = ("restore_unnoticed",)
    quick, full = Size(1, 1, (3, 6)), Size(50, 5, (3, 20))
    settles_s = 120.0
    restores = True

    def plan(self, folder: Path) -> Plan:
        self.forgotten = Forgotten()
        return super().plan(folder)

    def inject(self, scene: Scene) -> None:
        backups = scene.folder / "backups"
        self._promised, self._recorded = set(scene.load.accepted), _upto(scene)
        _command("backup", "--to", backups, "--data-dir", scene.bench.data)
        time.sleep(scene.lasts())
        scene.bench.end_box()
        self._forget(_upto(scene))
        newest = max(folder for folder in backups.iterdir() if folder.is_dir())
        _command("restore", newest, "--yes", "--data-dir", scene.bench.data)

    def _forget(self, recorded: dict[tuple[str, str], int]) -> None:
        """Of every journal that which was recorded since the backup."""
        for journal, upto in recorded.items():
            since = self._recorded.get(journal, 0) + 1
            self.forgotten.reports.setdefault(journal, []).append((since, upto))

    def heal(self, scene: Scene) -> None:
        # Nobody is answered by now: all that the old box has accepted is known.
        self.forgotten.keys |= set(scene.load.accepted) - self._promised
        scene.bench.start_box()

    def person(self, scene: Scene) -> None:
        """Decides about what may have run since the backup: nothing is known of it, so it is cancelled."""
        with scene.bench.client() as client:
            for row in scene.bench.rows("select uid from jobs where parked = 1"):
                with contextlib.suppress(Refused, httpx.HTTPError):
                    client.post(f"/jobs/{row['uid']}/cancel", {"reason": "a backup was restored"})

    def judge(self, scene: Scene) -> Iterator[str]:
        if not self._promised:
            yield "nothing was accepted before the backup: nothing could be lost"
        if not scene.bench.rows("select 1 from events where event = 'restored'"):
            yield "I20 an older database was taken for the present one, silently"


def _upto(scene: Scene) -> dict[tuple[str, str], int]:
    """How far each journal of a robot is recorded."""
    return {(row["robot"], row["journal"]): row["upto"] for row in scene.bench.rows("select * from journals")}


class ClockJumps(Fault):
    """The wall clock of the box jumps to and fro; durations are measured on another one."""

    name = "clock-jumps"
    quick, full = Size(6, 6), Size(100, 20)
    mutants = ("wall_clock_decides",)
    is_wall_clock_good = False

    def missing(self) -> str:
        return "" if _library() else "needs libfaketime"

    def plan(self, folder: Path) -> Plan:
        self._jumps = 0
        self._file = folder / "clock"
        self._file.write_text("+0\n")
        environment = {
            "LD_PRELOAD": _library(), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        return Plan(settings=HASTY, wrap={"controller": {"environment": environment}})

    def inject(self, scene: Scene) -> None:
        if not self._jumps:
            _have_a_schedule(scene)
        seconds = JUMPS_S[self._jumps % len(JUMPS_S)]
        self._jumps += 1
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        os.replace(draft, self._file)
        time.sleep(1)

    def heal(self, scene: Scene) -> None:
        """Time goes on from there."""

    def judge(self, scene: Scene) -> Iterator[str]:
        for row in scene.bench.rows(BLAMED):
            yield f"I16 false expiry after a jump: {row['event']} ({row['code']}) of {row['robot']}"
        yield from fired_wrongly([(row["due"], row["firing"]) for row in scene.bench.rows(FIRED)])
        span = scene.bench.rows("select max(at) - min(at) as us from events")[0]["us"]
        if span < 3_000 * 1e6:
            yield "the clock did not jump: the fault did not happen"


def _have_a_schedule(scene: Scene) -> None:
    """One that fires every few seconds, and has done so before the first jump."""
    with scene.bench.client() as client:
        client.put(
            f"/flows/{TICK}", {"name": TICK, "definition": definition(block(2, "b2", "PrintBp", message="tick"))}
        )
        client.put(f"/deployments/{TICK}", {"name": TICK, "flow": TICK, "target": {"queue": QUEUE}})
        client.put(f"/schedules/{TICK}", {"name": TICK, "deployment": TICK, "every_s": EVERY_S})
    scene.bench.wait_for(lambda: scene.bench.rows(FIRED), 30, "the schedule has fired")


def fired_wrongly(fired: list[tuple[str, str]]) -> Iterator[str]:
    """(planned moment, firing) of each job of a schedule that has one target: no moment may be there twice."""
    moments = collections.Counter(due for due, _ in fired)
    yield from (f"I16 {due} was planned once and fired {count} times" for due, count in moments.items() if count > 1)
    firings = collections.Counter(firing for _, firing in fired)
    yield from (f"I16 firing {uid} made {count} jobs" for uid, count in firings.items() if count > 1)
    if not fired:
        yield "no schedule fired: nothing could fire twice"


def _library() -> str:
    return next((path for path in FAKETIME if Path(path).exists()), "")


BOXES: tuple[Fault, ...] = (SecondController(), OldBackup(), ClockJumps())
