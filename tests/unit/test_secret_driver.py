"""Before a robot's driver: values go in, nothing of a secret comes out, and every way of not getting one has an end."""

import json
import queue
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.box_http import BoxRefused, NotReachable
from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_commands import RpaSettings
from edge_agent.drivers.rpa_output import LINE_CHARS, SHOWN_BYTES, LineGate, Stream
from edge_agent.mask import Mask, Secret
from edge_agent.operations import ENDED, Key, Operation, OperationEvent, Telemetry
from edge_agent.secret_driver import NO_BOX, WITHHELD, SecretDriver
from schemas.reference import HIDDEN
from tests.fakes.simulation import operation
from tests.waiting import wait_for

VALUE = 'k7-Tresor "ä"/+'
REFERENCE = {"$secret": "wms"}


class Inner:
    """A driver that keeps what it is told, and says what the test wants."""

    def __init__(self) -> None:
        self.capabilities: tuple[str, ...] = ("RpaRunBp",)
        self.emit: Callable[[OperationEvent], None] = lambda _: None
        self.got: list[tuple[str, Any]] = []
        self.load: dict[str, Any] | None = None

    def start(self, it: Operation) -> None:
        self.got.append(("start", it))

    def resume(self, it: Operation) -> None:
        self.got.append(("resume", it))

    def stop(self, key: Key) -> None:
        self.got.append(("stop", key))

    def tidy(self, key: Key) -> None:
        self.got.append(("tidy", key))

    def rehearse(self, it: Operation) -> str | None:
        return None

    def idle(self) -> bool:
        return True

    def telemetry(self) -> Telemetry:
        return Telemetry(load=self.load)

    def close(self) -> None:
        self.got.append(("close", None))


class Agent:
    """The thread that calls drivers: what waits for it is done when the test says so."""

    def __init__(self, fetch: Callable[[int, str], str] | None, inner: Any = None) -> None:
        self.inner = inner or Inner()
        self.later: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.driver = SecretDriver(self.inner, fetch, self.later.put)
        self.heard: list[OperationEvent] = []
        self.driver.emit = self.heard.append

    def turn(self) -> None:
        """Wait for something to do, and do it."""
        self.later.get(timeout=30)()

    def start(self, **inputs: Any) -> Operation:
        it = operation("RpaRunBp", 1, command="it", **inputs)
        self.driver.start(it)
        return it


def test_the_driver_gets_values_and_says_nothing_of_them() -> None:
    asked: list[tuple[int, str]] = []
    agent = Agent(lambda attempt, name: asked.append((attempt, name)) or VALUE)  # type: ignore[func-returns-value]
    it = agent.start(secrets={"a": REFERENCE, "b": [REFERENCE]})
    assert (agent.inner.got, agent.driver.idle()) == ([], False)
    agent.turn()
    ((what, given),) = agent.inner.got
    assert (what, given.inputs["secrets"], given.key) == ("start", {"a": VALUE, "b": [VALUE]}, it.key)
    assert isinstance(given.inputs["secrets"]["a"], Secret)
    assert VALUE not in repr(given)
    assert asked == [(it.attempt, "wms")], "once for both places"
    assert it.inputs["secrets"] == {"a": REFERENCE, "b": [REFERENCE]}, "what is journalled holds the reference"
    agent.inner.emit(OperationEvent(it.key, "log", text=f"got {json.dumps(VALUE)}"))
    agent.inner.emit(OperationEvent(it.key, "log", message="x", args={"y": VALUE}))
    agent.inner.emit(OperationEvent(it.key, "failed", {"o": {VALUE: VALUE}}, f"exit code 1: {VALUE}"))
    assert [event.text for event in agent.heard] == [f'got "{HIDDEN}"', "", ""]
    assert agent.heard[1].args == {"y": HIDDEN}
    assert (agent.heard[2].outputs, agent.heard[2].reason) == ({"o": {HIDDEN: HIDDEN}}, f"exit code 1: {HIDDEN}")
    agent.inner.load = {"pallet": VALUE}
    assert agent.driver.telemetry().load == {"pallet": HIDDEN}


def test_later_operations_of_the_attempt_hide_it_too() -> None:
    agent = Agent(lambda *_: VALUE)
    agent.start(secrets={"a": REFERENCE})
    agent.turn()
    second = operation("RpaRunBp", 2, command="it")
    agent.driver.start(second)
    assert agent.inner.got[1][1].mask.text(VALUE) == HIDDEN
    agent.inner.emit(OperationEvent(second.key, "succeeded", {"stdout": VALUE}))
    assert agent.heard[-1].outputs == {"stdout": HIDDEN}


def test_an_operation_without_secrets_goes_straight_through() -> None:
    agent = Agent(None)
    agent.start(text="$secret")
    assert [what for what, _ in agent.inner.got] == ["start"]
    agent.inner.emit(OperationEvent((1, 1), "succeeded", {"n": 7}))
    assert agent.heard[0].outputs == {"n": 7}


@pytest.mark.parametrize(
    ("problem", "words"),
    [(BoxRefused(404, "secret.not_found", "There is no secret 'wms'."), "There is no secret"), (None, NO_BOX),
     (BoxRefused(401, "auth.invalid", "This token is not known here."), "not known here")],
)  # fmt: skip
def test_a_refusal_fails_the_block_at_once_with_a_sentence(problem: Exception | None, words: str) -> None:
    asked = []

    def fetch(_attempt: int, name: str) -> str:
        asked.append(name)
        raise problem or AssertionError

    agent = Agent(None if problem is None else fetch)
    it = agent.start(secrets={"a": REFERENCE})
    agent.turn()
    agent.turn()
    (event,) = agent.heard
    assert (event.key, event.what, len(asked) <= 1) == (it.key, "refused", True)
    assert event.reason
    assert event.reason.startswith("the secret 'wms' could not be fetched: ")
    assert words in event.reason
    assert agent.inner.got == []
    assert agent.driver.idle()


def test_a_box_that_is_away_is_asked_again_within_the_time_of_the_block() -> None:
    answers: list[Any] = [NotReachable("nobody there"), BoxRefused(503, "controller.down", "down"), VALUE]

    def fetch(*_: Any) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    agent = Agent(fetch)
    agent.start(secrets={"a": REFERENCE})
    agent.turn()
    assert [what for what, _ in agent.inner.got] == ["start"]

    def away(*_: Any) -> str:
        raise NotReachable("nobody there")

    agent = Agent(away)
    agent.driver.start(operation("RpaRunBp", 1, limit_s=0.2, command="it", secrets={"a": {"$secret": "run:0f"}}))
    agent.turn()
    agent.turn()
    assert [event.reason for event in agent.heard] == ["a secret of this job could not be fetched: nobody there"]


def test_stopped_while_it_is_fetched_nothing_begins() -> None:
    release = queue.SimpleQueue[str]()
    agent = Agent(lambda *_: release.get(timeout=30))
    it = agent.start(secrets={"a": REFERENCE})
    agent.driver.stop(it.key)
    agent.turn()
    assert [(event.key, event.what) for event in agent.heard] == [(it.key, "stopped")]
    release.put(VALUE)
    agent.turn()
    assert agent.inner.got == []
    agent.driver.stop(it.key)
    assert agent.inner.got == [("stop", it.key)]


def test_after_a_restart_values_are_fetched_anew_before_the_driver_is_asked() -> None:
    agent = Agent(lambda *_: VALUE)
    it = operation("RpaRunBp", 1, command="it", secrets={"a": REFERENCE})
    agent.driver.resume(it)
    agent.turn()
    assert [(what, given.inputs["secrets"]) for what, given in agent.inner.got] == [("resume", {"a": VALUE})]
    agent.inner.emit(OperationEvent(it.key, "succeeded", {"stdout": VALUE}))
    assert agent.heard[0].outputs == {"stdout": HIDDEN}


def test_what_cannot_be_hidden_is_withheld() -> None:
    def gone(*_: Any) -> str:
        raise BoxRefused(404, "attempt.not_found", "There is no attempt.")

    agent = Agent(gone)
    it = operation("RpaRunBp", 1, command="it", secrets={"a": REFERENCE})
    agent.driver.resume(it)
    agent.turn()
    assert [what for what, _ in agent.inner.got] == ["resume"]
    agent.inner.emit(OperationEvent(it.key, "log", text=VALUE))
    agent.inner.emit(OperationEvent(it.key, "failed", {"stdout": VALUE}, VALUE))
    assert [(event.text, event.outputs, event.reason) for event in agent.heard] == [
        (HIDDEN, None, None), ("", {}, WITHHELD),
    ]  # fmt: skip


# ---------------------------------------------------------------- a command of an RPA robot
SHOW = """
import json, os, sys
value = os.environ["YARDMASTER_SECRET_PASSWORD"]
for part in (value, json.dumps(value), value[:5], "\\n"):
    sys.stdout.write(part); sys.stdout.flush()
print("x" * 66_000 + value * 3)
print(value, file=sys.stderr)
with open(os.environ["YARDMASTER_OUTPUT"], "w") as file:
    json.dump({"it": value, value: [value]}, file)
print(json.dumps([sys.argv, sorted(name for name in os.environ if value in os.environ[name])]))
sys.exit(int(sys.argv[1]))
"""


def rpa(folder: Path, code: str) -> RpaDriver:
    commands = {"it": {"argv": [sys.executable, "-c", code]}}
    return RpaDriver("rpa", RpaSettings.model_validate({"data_dir": folder, "commands": commands}))


def end_of(agent: Agent) -> OperationEvent:
    agent.turn()
    return wait_for(lambda: [event for event in agent.heard if event.what in ENDED], 30, "the end")[0]


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_finds_its_secrets_and_shows_nothing_of_them(tmp_path: Path, code: int) -> None:
    agent = Agent(lambda *_: VALUE, rpa(tmp_path, SHOW))
    agent.start(secrets={"password": REFERENCE}, arguments=[code])
    end = end_of(agent)
    outputs: dict[str, Any] = dict(end.outputs or {})
    assert end.what == ("succeeded" if code == 0 else "failed"), end
    assert outputs["outputs"] == {"it": HIDDEN, HIDDEN: [HIDDEN]}
    assert f'["-c", "{code}"], ["YARDMASTER_SECRET_PASSWORD"]' in outputs["stdout"], "nowhere but there"
    everything = repr(agent.heard) + "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    for form in (VALUE, json.dumps(VALUE)[1:-1], VALUE[:8], "ä", "Tresor"):
        assert form not in everything, form
    agent.driver.close()


@pytest.mark.parametrize("width", range(0, 40, 3))
def test_nothing_is_cut_through_a_secret(width: int) -> None:
    """Lines are cut after 2,000 characters, and of all that was printed the end is shown: a part is hidden, too."""
    lines: list[str] = []
    gate = LineGate(lambda _, text: lines.append(text), lambda _: None)
    stream = Stream(1, "utf-8", gate, Mask(["k7-Tresor-Schatz"]))
    text = "x" * (LINE_CHARS - width) + "k7-Tresor-Schatz" + "\n" + "k7-Tresor-Schatz" + "y" * (SHOWN_BYTES - width)
    for at in range(0, len(text), 7):
        stream.feed(text[at : at + 7].encode())
    stream.feed(b"", final=True)
    shown = stream.shown()[0] + stream.last_line() + "".join(lines)
    assert HIDDEN in shown
    assert not any("k7-Tresor-Schatz"[at : at + 3] in shown for at in range(14))


def test_a_secret_never_gets_onto_a_command_line(tmp_path: Path) -> None:
    agent = Agent(lambda *_: VALUE, rpa(tmp_path, "print('began')"))
    agent.start(arguments=["--password", REFERENCE])
    end = end_of(agent)
    assert (end.what, end.reason) == (
        "refused", "argument 2 is a secret, and everybody sees command lines; pass it on in `secrets`",
    )  # fmt: skip
    agent.driver.close()


@pytest.mark.parametrize("secrets", [{"a b": "x"}, {"ä": "x"}, {"1a": "x"}, {"a": 7}, {"a": "\0"}, ["x"], {"": "x"}])
def test_odd_secrets_are_refused(tmp_path: Path, secrets: Any) -> None:
    agent = Agent(None, rpa(tmp_path, ""))
    agent.start(secrets=secrets)
    refused = wait_for(lambda: agent.heard, 30, "the refusal")[0]
    assert (refused.what, "secrets" in str(refused.reason)) == ("refused", True)
    agent.driver.close()


def test_logs_of_python_do_not_show_a_secret() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from edge_agent.mask import Secret; print([Secret('k7')], repr(Secret('k7')))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "k7" not in shown.stdout
