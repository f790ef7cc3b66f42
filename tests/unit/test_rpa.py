"""The RPA driver with real processes: what they get, what they give, and that nothing of them survives an end."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError
from pydantic_core import to_json

from edge_agent.drivers import windows_job
from edge_agent.drivers.process_tree import MARK, still_same
from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_commands import Command, RpaSettings
from edge_agent.drivers.rpa_output import LINES_AT_ONCE, LineGate, Stream
from edge_agent.drivers.rpa_runs import KEPT_RUNS, Runs, write_json
from edge_agent.operations import ENDED, OperationEvent
from tests.fakes.simulation import operation
from tests.waiting import wait_for

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="orphans are found by Linux means")
LEAVE_PID = "import os, pathlib, time; pathlib.Path(os.environ['PIDS'], str(os.getpid())).touch(); "
SLEEP = LEAVE_PID + "time.sleep(3600)"
CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True); "
DAEMON = (
    "import os, sys\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    f"        os.execve(sys.executable, ['python', '-c', {SLEEP!r}], {{'PIDS': os.environ['PIDS']}})\n"
    "    os._exit(0)\n"
    "os.wait()\n"
)
"""Leaves its parent, its session and its environment behind."""


class Machine:
    """An RPA robot whose commands are Python texts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pids = folder, folder / "pids"
        self.pids.mkdir(exist_ok=True)
        self.events: list[OperationEvent] = []
        self.driver: RpaDriver | None = None

    def run(self, code: str, n: int = 1, arguments: Any = None, **more: Any) -> "Machine":
        """Begin a command that is this text."""
        limit_s, inputs = more.pop("limit_s", None), more.pop("inputs", {})
        command = {"argv": [sys.executable, "-c", code], "env": {"PIDS": str(self.pids)}} | more
        self.connect({"it": command})
        self.start(operation("RpaRunBp", n, limit_s=limit_s, command="it", arguments=arguments, **inputs))
        return self

    def connect(self, commands: dict[str, Any] | None = None) -> RpaDriver:
        settings = RpaSettings.model_validate({"data_dir": self.folder / "data", "commands": commands or {}})
        self.driver = RpaDriver("rpa", settings)
        self.driver.emit = self.events.append
        return self.driver

    def start(self, it: Any) -> None:
        assert self.driver is not None
        self.driver.start(it)

    def end(self) -> OperationEvent:
        """Wait for the end; nothing may live by then."""
        found = wait_for(lambda: [event for event in self.events if event.what in ENDED], 30, "the end")[0]
        assert self.living() == []
        assert self.driver is not None
        assert self.driver.idle()
        return found

    def outputs(self) -> dict[str, Any]:
        end = self.end()
        assert end.what == "succeeded", end
        return dict(end.outputs or {})

    def until_living(self, count: int) -> list[psutil.Process]:
        wait_for(lambda: len(self.living()) == count, 30, f"{count} processes")
        return self.living()

    def living(self) -> list[psutil.Process]:
        return [found for entry in self.pids.iterdir() if (found := living(int(entry.name)))]

    def lines(self) -> list[tuple[int, str]]:
        return [(event.level, event.text) for event in self.events if event.what == "log"]


def living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    if made.driver is not None:
        made.driver.close()
    for process in made.living():
        process.kill()


# ---------------------------------------------------------------- what it gets
def test_arguments_are_appended_as_they_are(machine: Machine) -> None:
    nasty = ["a b", "$(touch x)", "'; rm -rf", "*", "", "ä", 3, 2.5]
    machine.run("import json, sys; print(json.dumps(sys.argv[1:]))", arguments=nasty)
    assert json.loads(machine.outputs()["stdout"]) == [str(value) for value in nasty]


def test_it_sees_its_own_variables_and_not_the_agents(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YARDMASTER_MQTT_PASSWORD", "canary")
    monkeypatch.setenv("ORDINARY", "kept")
    machine.run("import json, os; print(json.dumps(dict(os.environ)))", env={"ERP": "https://erp.example"})
    env = json.loads(machine.outputs()["stdout"])
    assert (env["ERP"], env["ORDINARY"]) == ("https://erp.example", "kept")
    ours = sorted(name for name in env if name.startswith("YARDMASTER_"))
    assert ours == ["YARDMASTER_ARTIFACTS", "YARDMASTER_OUTPUT", MARK]


def test_each_run_has_a_folder_of_its_own_unless_one_is_named(machine: Machine) -> None:
    machine.run("import os; print(os.getcwd())")
    assert machine.outputs()["stdout"].strip().endswith("work")
    named = Machine(machine.folder).run("import os; print(os.getcwd())", n=2, cwd=str(machine.folder))
    assert named.outputs()["stdout"].strip() == str(machine.folder)


def test_relative_folders_are_those_of_the_agent(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(machine.folder)
    machine.folder = Path("here")
    Path("tools").mkdir()
    machine.run(put('{"ok": 1}') + "; print(os.getcwd())", cwd="tools")
    outputs = machine.outputs()
    assert (outputs["outputs"], outputs["stdout"].strip()) == ({"ok": 1}, str(Path("tools").resolve()))


@pytest.mark.parametrize(
    ("change", "inputs", "reason"),
    [
        ({}, {"command": "other"}, "there is no command 'other' on this machine"),
        ({}, {"command": ["it"]}, "there is no command ['it'] on this machine"),
        ({}, {"arguments": "--all"}, "arguments must be a list"),
        ({}, {"arguments": [{"a": 1}]}, "argument 1 must be a text or a number"),
        ({}, {"arguments": ["ok", True]}, "argument 2 must be a text or a number"),
        ({}, {"arguments": ["a\0b"]}, "argument 1 holds a null character"),
        ({"argv": ["no-such-program"]}, {}, "the program 'no-such-program' is not on this machine"),
        ({"argv": ["./no-such-program"]}, {}, "is not on this machine, or may not be run"),
        ({"cwd": "/no/such/folder"}, {}, "does not exist"),
    ],
)
def test_what_it_may_not_run_is_refused(
    machine: Machine, change: dict[str, Any], inputs: dict[str, Any], reason: str
) -> None:
    machine.connect({"it": {"argv": [sys.executable, "-c", SLEEP], "env": {"PIDS": str(machine.pids)}} | change})
    machine.start(operation("RpaRunBp", **({"command": "it"} | inputs)))
    end = machine.end()
    assert end.what == "refused"
    assert reason in str(end.reason)
    assert [event.what for event in machine.events] == ["refused"]


@POSIX
def test_a_file_that_is_no_program_fails_with_the_systems_words(machine: Machine) -> None:
    script = machine.folder / "script"
    script.write_text("no first line that names an interpreter")
    script.chmod(0o755)
    machine.run("", argv=[str(script)])
    assert machine.end().what == "failed"
    assert "did not start: " in str(machine.end().reason)


@pytest.mark.parametrize(
    "command",
    [
        {"argv": []},
        {"argv": ["run.BAT"]},
        {"argv": ["C:\\tools\\run.cmd", "x"]},
        {"argv": ["x"], "shell": True},
        {"argv": ["x"], "timeout_s": 0},
        {"argv": ["x"], "encoding": "klingon"},
    ],
)
def test_a_command_table_is_checked(command: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Command.model_validate(command)


# ---------------------------------------------------------------- what it gives
def put(text: str) -> str:
    return f"import os, pathlib; pathlib.Path(os.environ['YARDMASTER_OUTPUT']).write_text({text!r})"


def test_outputs_are_the_json_that_it_wrote(machine: Machine) -> None:
    machine.run(put('{"labels": 4, "booked": ["E-1"]}') + "; print('printed')")
    assert machine.outputs() == {
        "exitCode": 0,
        "stdout": "printed\n",
        "stderr": "",
        "outputs": {"labels": 4, "booked": ["E-1"]},
    }
    assert [event.what for event in machine.events] == ["taken", "carried", "log", "succeeded"]


def test_no_output_file_is_no_output(machine: Machine) -> None:
    assert machine.run("pass").outputs()["outputs"] == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"labels": 4', "not acceptable JSON"),
        ("[1]", "holds no JSON object"),
        ('{"a": NaN}', "not acceptable JSON"),
        ("[" * 40 + "]" * 40, "not acceptable JSON"),
        (json.dumps({"a": "x" * 20_000}), "larger than"),
    ],
)
def test_a_bad_output_file_fails_with_its_reason(machine: Machine, text: str, reason: str) -> None:
    end = machine.run(put(text)).end()
    assert (end.what, reason in str(end.reason)) == ("failed", True)
    assert end.outputs is not None
    assert end.outputs["exitCode"] == 0


def test_a_failing_program_fails_with_its_last_word(machine: Machine) -> None:
    code = "import sys; print('fine'); print('first', file=sys.stderr); print('out of labels\\n', file=sys.stderr); "
    end = machine.run(code + "sys.exit(3)").end()
    assert (end.what, end.reason) == ("failed", "exit code 3: out of labels")
    assert end.outputs is not None
    assert (end.outputs["exitCode"], end.outputs["stdout"]) == (3, "fine\n")


@POSIX
def test_death_by_a_signal_is_named(machine: Machine) -> None:
    end = machine.run("import os; os.kill(os.getpid(), 11)").end()
    assert (end.what, end.reason) == ("failed", "ended by signal 11")


def test_lines_become_log_events_while_it_runs(machine: Machine) -> None:
    machine.run("import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); " + SLEEP)
    wait_for(lambda: len(machine.lines()) == 2, 30, "two lines")
    assert sorted(machine.lines()) == [(1, "out"), (2, "err")]
    assert machine.driver is not None
    machine.driver.stop((1, 1))
    end = machine.end()
    assert end.what == "stopped"
    assert end.outputs == {"stdout": "out\n", "stderr": "err\n"}


def test_huge_output_is_bounded_everywhere(machine: Machine) -> None:
    code = "import sys\nfor i in range(200_000): print('line', i)\nsys.stderr.write('\\0' * 3_000_000)"
    outputs = machine.run(code).outputs()
    assert outputs["stdout"].endswith("line 199999\n")
    assert outputs["cut"] == ["stdout", "stderr"]
    assert len(to_json(outputs)) < 30_000
    lines = machine.lines()
    assert len(lines) < LINES_AT_ONCE * 4
    assert all(len(text) <= 2010 for _, text in lines)
    assert "lines_left_out" in [event.message for event in machine.events]


def test_other_encodings_are_read(machine: Machine) -> None:
    code = "import sys; sys.stdout.buffer.write('打印标签\\n'.encode('gbk'))"
    assert machine.run(code, encoding="gbk").outputs()["stdout"] == "打印标签\n"
    broken = Machine(machine.folder).run(code, n=2).outputs()["stdout"]
    assert "\ufffd" in broken


def test_a_character_in_two_halves_is_one_character() -> None:
    said: list[str] = []
    stream = Stream(1, "utf-8", LineGate(lambda _, text: said.append(text), lambda _: None))
    first, second = "标\n".encode()[:2], "标\n".encode()[2:]
    stream.feed(first)
    stream.feed(second, final=True)
    assert (said, stream.last_line()) == (["标"], "标")


# ---------------------------------------------------------------- nothing survives
@pytest.mark.parametrize("where", ["limit_s", "timeout", "timeout_s"])
def test_the_shortest_time_limit_ends_the_whole_tree(machine: Machine, where: str) -> None:
    limits: dict[str, Any] = {"limit_s": 3000.0, "inputs": {"timeout": 3_000_000}, "timeout_s": 3000.0}
    limits |= {"timeout": {"inputs": {"timeout": 1500}}}.get(where, {where: 1.5})
    end = machine.run(CHILD + SLEEP, **limits).end()
    assert (end.what, end.reason) == ("failed", "took longer than 1.5 s and was ended")


def test_what_a_finished_program_left_running_is_ended_before_its_end_is_told(machine: Machine) -> None:
    wait = "; import pathlib, os\nwhile not list(pathlib.Path(os.environ['PIDS']).iterdir()): pass"
    assert machine.run(CHILD.rstrip("; ") + wait).end().what == "succeeded"
    assert len(list(machine.pids.iterdir())) == 1


@LINUX
def test_a_daemon_that_left_session_parent_and_environment_is_ended_too(machine: Machine) -> None:
    machine.run(DAEMON + SLEEP)
    machine.until_living(2)
    assert machine.driver is not None
    machine.driver.stop((1, 1))
    assert machine.end().what == "stopped"


@LINUX
def test_a_launcher_that_is_killed_takes_everything_with_it(machine: Machine) -> None:
    machine.run(CHILD + SLEEP)
    child = machine.until_living(2)
    launcher = next(p for c in child for p in c.parents() if "rpa_launcher" in " ".join(p.cmdline()))
    launcher.kill()
    end = machine.end()
    assert (end.what, end.reason) == ("failed", "was ended from outside")


@POSIX
def test_a_program_that_ignores_signals_is_ended(machine: Machine) -> None:
    machine.run("import signal; signal.signal(15, signal.SIG_IGN); signal.signal(2, signal.SIG_IGN); " + SLEEP)
    machine.until_living(1)
    assert machine.driver is not None
    machine.driver.stop((1, 1))
    assert machine.end().what == "stopped"


AGENT = """
import pathlib, sys, time
from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_commands import RpaSettings
from edge_agent.operations import Operation
data, pids, code = sys.argv[1:]
command = {"argv": [sys.executable, "-c", code], "env": {"PIDS": pids}}
driver = RpaDriver("rpa", RpaSettings.model_validate({"data_dir": data, "commands": {"it": command}}))
driver.emit = lambda event: None
driver.start(Operation(1, 1, "-1/1", 0, "RpaRunBp", "b1", {"command": "it"}))
time.sleep(3600)
"""


def an_agent(machine: Machine, code: str) -> "subprocess.Popen[bytes]":
    """A process of its own that runs a driver, to be killed."""
    arguments = [str(machine.folder / "data"), str(machine.pids), code]
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen([sys.executable, "-c", AGENT, *arguments], env=os.environ | {"PYTHONPATH": root})


def test_everything_stops_by_itself_when_the_agent_is_killed(machine: Machine) -> None:
    agent = an_agent(machine, CHILD + SLEEP)
    machine.until_living(2)
    agent.kill()
    agent.wait()
    wait_for(lambda: machine.living() == [], 5, "everything stops")
    machine.connect()
    assert machine.driver is not None
    machine.driver.resume(operation("RpaRunBp", 1, command="it"))
    end = machine.end()
    assert end.what == "unknown"


@LINUX
def test_what_an_earlier_boot_left_is_ended_first(machine: Machine) -> None:
    agent = an_agent(machine, CHILD + SLEEP)
    children = machine.until_living(2)
    launcher = next(p for c in children for p in c.parents() if "rpa_launcher" in " ".join(p.cmdline()))
    launcher.suspend()  # so it cannot end its tree when its agent dies
    agent.kill()
    agent.wait()
    assert len(machine.living()) == 2
    driver = machine.connect()
    assert not driver.idle()
    driver.resume(operation("RpaRunBp", 1, command="it"))
    assert machine.end().what == "unknown"
    assert living(launcher.pid) is None
    assert Runs(machine.folder / "data").leftovers() == ()


@LINUX
def test_leftovers_are_found_by_their_mark_when_the_launcher_is_gone(machine: Machine) -> None:
    env = os.environ | {"PIDS": str(machine.pids), MARK: "m1"}
    orphan = subprocess.Popen([sys.executable, "-c", SLEEP], env=env, start_new_session=True)
    folder = Runs(machine.folder / "data").of((1, 1))
    folder.create()
    folder.write_process(2**22 - 1, 1.0, "m1")
    machine.until_living(1)
    driver = machine.connect()
    wait_for(driver.idle, 30, "idle")
    assert orphan.wait(10) == -signal.SIGKILL


def test_another_process_with_a_used_number_is_left_alone(machine: Machine) -> None:
    innocent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        folder = Runs(machine.folder / "data").of((1, 1))
        folder.create()
        folder.write_process(innocent.pid, time.time() - 3600, "m2")
        driver = machine.connect()
        wait_for(driver.idle, 30, "idle")
        assert innocent.poll() is None
        assert still_same(innocent.pid, psutil.Process(innocent.pid).create_time()) is not None
    finally:
        innocent.communicate(b"\n", 10)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_torn_files_of_an_earlier_boot_are_no_obstacle(machine: Machine, text: str) -> None:
    folder = Runs(machine.folder / "data").of((1, 1))
    folder.create()
    for file in (folder.process, folder.result):
        file.write_text(text)
    driver = machine.connect()
    driver.resume(operation("RpaRunBp", 1, command="it"))
    assert machine.end().what == "unknown"


def test_the_end_that_the_agent_did_not_live_to_hear_is_told_with_its_outputs(machine: Machine) -> None:
    folder = Runs(machine.folder / "data").of((1, 1))
    folder.create()
    folder.output.write_text('{"labels": 2}')
    write_json(folder.result, {"exit_code": 0, "stopped": False})
    driver = machine.connect()
    driver.resume(operation("RpaRunBp", 1, command="it"))
    end = machine.end()
    assert end.what == "succeeded"
    assert end.outputs is not None
    assert (end.outputs["outputs"], end.outputs["cut"]) == ({"labels": 2}, ["stdout", "stderr"])


def test_only_the_newest_runs_are_kept(machine: Machine) -> None:
    runs = Runs(machine.folder / "data")
    for n in range(KEPT_RUNS + 5):
        runs.of((n, 1)).create()
    runs.of((2, 1)).write_process(1, 1.0, "may still live")
    runs.prune()
    kept = {entry.name for entry in (machine.folder / "data" / "rpa").iterdir()}
    assert kept == {"2-1"} | {f"{n}-1" for n in range(5, KEPT_RUNS + 5)}


def test_the_layouts_of_windows_are_those_of_its_headers() -> None:
    assert ctypes.sizeof(windows_job.BasicLimits) == 64
    assert ctypes.sizeof(windows_job.ExtendedLimits) == 144
