"""The command line against a box of cardboard: what it asks, what it prints, how it ends."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import client
from cli.main import app
from cli.moments import since_when
from tests.fakes.cardboard import Answer, Box

JOB: dict[str, Any] = {
    "id": "0198c5f2-7d11-7c40-9a3e-5f0c2b9d6a11",
    "state": "queued",
    "priority": 2000,
    "deployment": None,
    "flow": "shuttle",
    "robot": None,
    "created_at": "2026-01-31T08:00:00.000000Z",
    "duration_ms": None,
    "reason": None,
}
REFUSAL = {
    "code": "job.state",
    "message": "the job has ended",
    "details": [{"in": "body", "path": "/priority", "code": "range", "message": "at most 5000"}],
    "request_id": "r1",
}
TREE = {
    "block": -1,
    "block_name": "root",
    "kind": "RootBp",
    "label": "Root",
    "level": 0,
    "branch": None,
    "definition": {},
    "run": {"state": "failed", "reason": None, "outputs": None},
    "runs": 1,
    "logs": 0,
    "children": [
        {
            "block": 1,
            "block_name": "drive",
            "kind": "CAgvOperationBp",
            "label": "Drive",
            "level": 1,
            "branch": "default",
            "run": {"state": "failed", "reason": {"code": "blocked", "message": "way [blocked]"}, "outputs": {"a": 1}},
            "runs": 2,
            "children": [],
        },
        {"block": 2, "block_name": "say", "kind": "PrintBp", "label": "Print", "branch": "if", "run": None},
        {
            "block": 3,
            "block_name": "loop",
            "kind": "RepeatNumBp",
            "label": "Repeat",
            "branch": "default",
            "run": {"state": "running"},
            "iterations": [{"index": 0, "children": [{"block_name": "in", "kind": "PrintBp", "children": []}]}],
            "children": [],
        },
    ],
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ASK_AGAIN_S", (0.0, 0.0))
    monkeypatch.setattr("cli.job.WAIT_POLL_S", 0.0)
    for name in ("YARDMASTER_URL", "YARDMASTER_TOKEN", "YARDMASTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def box() -> Iterator[Box]:
    with Box({}) as cardboard:
        yield cardboard


def ask(box: Box, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--url", box.url])


def item(**changes: Any) -> dict[str, Any]:
    return JOB | changes


def page(*items: Any, after: str | None = None) -> Answer:
    return 200, {"items": list(items), "next": after}


def test_submit_sends_what_was_typed_under_one_key(box: Box, tmp_path: Path) -> None:
    box.answers["POST /jobs"] = 201, {"items": [JOB]}
    file = tmp_path / "values.json"
    file.write_text('{"to": "B1", "count": 3}')
    words = ["--flow", "shuttle", "--robot", "a", "--robot", "b", "--priority", "9", "--params", str(file)]
    result = ask(box, "job", "submit", *words, "--param", "to=B3", "--param", 'list=["x"]', "--key", "k1", "--mock")
    assert result.exit_code == 0, result.output
    assert str(JOB["id"]) in result.output
    asked = box.asked[0]
    assert asked.headers["idempotency-key"] == "k1"
    assert asked.body == {
        "flow": "shuttle",
        "target": {"robots": ["a", "b"]},
        "priority": 9,
        "parameters": {"to": "B3", "count": 3, "list": ["x"]},
        "mock": True,
    }


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 5), ("cancelled", 5)])
def test_wait_ends_with_the_job(box: Box, state: str, code: int) -> None:
    box.answers["POST /jobs"] = 201, {"items": [JOB]}
    box.answers[f"GET /jobs/{JOB['id']}"] = [(200, item(state="running")), (200, item(state=state))]
    result = ask(box, "job", "submit", "--deployment", "d", "--wait")
    assert result.exit_code == code
    assert state in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["job", "submit"],
        ["job", "submit", "--flow", "f"],
        ["job", "submit", "--flow", "f", "--deployment", "d"],
        ["job", "submit", "--flow", "f", "--queue", "q", "--robot", "r"],
        ["job", "submit", "--deployment", "d", "--param", "nonsense"],
        ["job", "submit", "--deployment", "d", "--param", "x={"],
        ["job", "submit", "--deployment", "d", "--priority", "5001"],
        ["job", "list", "--state", "waiting"],
        ["job", "list", "--since", "yesterday"],
        ["job", "force", "x", "--outcome", "succeeded", "--reason", "r"],
        ["job", "force", "x", "--outcome", "failed"],
        ["robot", "release", "r"],
        ["flow", "check", "/no/such/file"],
        ["nonsense"],
    ],
)
def test_what_makes_no_sense_is_never_sent(box: Box, words: list[str]) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert box.asked == []


def test_refusals_are_shown_one_way(box: Box) -> None:
    box.answers["PATCH /jobs/x"] = 409, REFUSAL
    result = ask(box, "job", "priority", "x", "100")
    assert result.exit_code == 1
    assert result.stderr == "error: the job has ended [job.state]\n  body/priority: at most 5000\n"
    result = ask(box, "job", "priority", "x", "100", "--json")
    assert json.loads(result.stderr)["code"] == "job.state"
    assert result.stdout == ""


def test_what_is_not_there_ends_with_3(box: Box) -> None:
    assert ask(box, "job", "show", "nothing").exit_code == 3


def test_a_box_that_is_not_there_ends_with_4(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["job", "list", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 4
    assert "not reachable" in result.stderr
    assert CliRunner().invoke(app, ["job", "list", "--data-dir", str(tmp_path)]).exit_code == 4


def test_an_unknown_outcome_is_asked_again_under_the_same_key(box: Box) -> None:
    unknown = 504, {"code": "controller.no_answer", "message": "unknown", "details": []}
    box.answers["POST /jobs"] = [unknown, unknown, (201, {"items": [JOB]})]
    assert ask(box, "job", "submit", "--deployment", "d").exit_code == 0
    assert len({asked.headers["idempotency-key"] for asked in box.asked}) == 1
    assert len(box.asked) == 3
    box.answers["POST /jobs"] = unknown
    assert ask(box, "job", "submit", "--deployment", "d").exit_code == 4


def test_what_is_no_box_is_said(box: Box) -> None:
    box.answers["GET /jobs"] = 502, "a proxy"
    assert ask(box, "job", "list").exit_code == 4


def test_what_a_restore_has_parked_is_found_and_told(box: Box) -> None:
    box.answers["GET /jobs"] = page(item(id="a") | {"parked": True, "state": "running"}, item(id="b"))
    result = ask(box, "job", "list", "--parked")
    assert "parked=true" in box.asked[0].path
    first, second = [line for line in result.stdout.splitlines() if line[:2] in ("a ", "b ")]
    assert "parked by a restore: look, then release or cancel it" in first
    assert "parked" not in second
    ask(box, "job", "list")
    assert "parked" not in box.asked[1].path


def test_lists_are_read_page_by_page(box: Box) -> None:
    box.answers["GET /jobs"] = [page(item(id="a"), item(id="b"), after="c1"), page(item(id="c"))]
    words = [
        "--state",
        "queued",
        "--state",
        "running",
        "--since",
        "2026-01-31T09:00:00+01:00",
        "--limit",
        "3",
        "--json",
    ]
    result = ask(box, "job", "list", *words)
    assert [one["id"] for one in json.loads(result.stdout)["items"]] == ["a", "b", "c"]
    first, second = (asked.path for asked in box.asked)
    assert "state=queued&state=running" in first
    assert "created_from=2026-01-31T08%3A00%3A00.000000Z" in first
    assert "limit=3" in first
    assert "after=c1" in second
    assert "limit=1" in second


def test_since_may_be_a_span() -> None:
    now = datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert since_when("90m", now) == "2026-01-31T06:30:00.000000Z"
    assert since_when("1d", now) == "2026-01-30T08:00:00.000000Z"
    assert since_when(None) is None


def test_show_prints_the_nested_result_and_the_reasons(box: Box) -> None:
    box.answers |= {
        "GET /jobs/j": (200, JOB),
        "GET /jobs/j/results": (200, TREE),
        "GET /jobs/j/logs": page({"time": "2026-01-31T08:00:01Z", "level": 1, "type": "print", "text": "[bold]hello"}),
        "GET /jobs/j/events": page({"at": "2026-01-31T08:00:00Z", "event": "queued", "new": "queued", "who": "local"}),
        "GET /jobs/j/waiting": (200, {"position": 4, "reasons": [{"robot": "a", "code": "busy", "message": "works"}]}),
    }
    result = ask(box, "job", "show", "j", "--results", "--logs", "--events", "--waiting")
    assert result.exit_code == 0, result.output
    for words in (
        "drive Drive  failed  x2",
        "way [blocked] [blocked]",
        "if: say Print  not executed",
        "pass 0",
        "in PrintBp",
        "[bold]hello",
    ):
        assert words in result.stdout
    assert "position" in result.stdout
    assert "works" in result.stdout


def test_results_without_a_tree_are_a_list(box: Box) -> None:
    flat = {"flat": True, "items": [{"path": "-1/1", "kind": "PrintBp", "state": "succeeded", "reason": None}]}
    box.answers |= {"GET /jobs/j": (200, JOB), "GET /jobs/j/results": (200, flat)}
    assert "-1/1" in ask(box, "job", "show", "j", "--results").stdout


@pytest.mark.parametrize("word", ["cancel", "pause", "resume", "rollback"])
def test_one_refusal_does_not_keep_the_others_waiting(box: Box, word: str) -> None:
    box.answers |= {f"POST /jobs/a/{word}": (409, REFUSAL), f"POST /jobs/b/{word}": (202, item(id="b"))}
    result = ask(box, "job", word, "a", "b", "--reason", "because")
    assert result.exit_code == 1
    assert "a: the job has ended" in result.stderr
    assert "b" in result.stdout
    assert [asked.body for asked in box.asked] == [{"reason": "because"}] * 2


def test_a_failed_block_is_run_again_by_its_id_or_because_it_waits(box: Box) -> None:
    box.answers |= {
        "GET /jobs/j": (200, item(id="j", failed_run="7.3")),
        "GET /jobs/k": (200, item(id="k", failed_run=None)),
        "POST /jobs/j/blocks/7.3/rerun": (202, JOB),
        "POST /jobs/j/blocks/7.2/rerun": (409, REFUSAL),
    }
    assert ask(box, "job", "rerun-block", "j", "--reason", "I put it back").exit_code == 0
    assert box.asked[-1].body == {"reason": "I put it back"}
    assert ask(box, "job", "rerun-block", "j", "7.2").exit_code == 1
    assert ask(box, "job", "rerun-block", "k").exit_code == 2


def test_a_job_is_submitted_in_debug_mode(box: Box) -> None:
    box.answers["POST /jobs"] = (201, {"items": [JOB]})
    assert ask(box, "job", "submit", "--deployment", "d", "--debug").exit_code == 0
    assert box.asked[-1].body == {"deployment": "d", "debug": True}


def test_force_and_release_say_why(box: Box) -> None:
    box.answers |= {"POST /jobs/j/force": (200, JOB), "POST /jobs/j/release": (200, JOB)}
    assert ask(box, "job", "force", "j", "--outcome", "failed", "--reason", "it burnt").exit_code == 0
    assert ask(box, "job", "release", "j", "--reason", "checked").exit_code == 0
    assert [asked.body for asked in box.asked] == [{"outcome": "failed", "reason": "it burnt"}, {"reason": "checked"}]


ROBOT = {
    "id": "agv-1",
    "name": "",
    "kind": "agv",
    "queues": ["agv"],
    "tags": [],
    "state": "on_hold",
    "note": "look at it",
    "holds": [{"reason": "silent", "attempt": 7, "since": "2026-01-31T08:00:00Z"}],
    "held": [{"job": "j", "attempt": 7, "activity": "running", "path": None}],
    "battery": 80.4,
    "last_seen": "2026-01-31T08:00:00Z",
}


def test_robots_are_listed_declared_and_commanded(box: Box) -> None:
    heard = {"items": [ROBOT], "next": None, "unknown": [{"robot": "stranger", "kind": "agv", "since": None}]}
    box.answers |= {"GET /robots": (200, heard), "PUT /robots/agv-1": (201, ROBOT)}
    box.answers |= {f"POST /robots/agv-1/{word}": (200, ROBOT) for word in ("drain", "enable", "disable", "release")}
    shown = ask(box, "robot", "list").stdout
    for words in ("agv-1", "on_hold", "80 %", "hold: silent; look at it", "not added", "stranger"):
        assert words in shown
    assert ask(box, "robot", "add", "agv-1", "--queue", "agv", "--tag", "big").exit_code == 0
    assert box.asked[-1].body == {"kind": "agv", "queues": ["agv"], "tags": ["big"]}
    for word in ("drain", "enable", "disable", "release"):
        assert ask(box, "robot", word, "agv-1", "--reason", "why").exit_code == 0
        assert box.asked[-1].body == {"reason": "why"}


def test_flows_are_checked_and_saved(box: Box, tmp_path: Path) -> None:
    bare, named = tmp_path / "bare.json", tmp_path / "x.json"
    bare.write_text('{"rootBlock": {}}')
    named.write_text('{"id": "named", "name": "Named", "definition": {"rootBlock": {}}}')
    problem = {"path": "/rootBlock", "code": "kind", "message": "unknown block kind"}
    box.answers["POST /flows/check"] = [(200, {"problems": [problem]}), (200, {"problems": []})]
    box.answers |= {
        f"PUT /flows/{name}": (201, {"id": name, "version": 1, "name": ""}) for name in ("bare", "named", "o")
    }
    result = ask(box, "flow", "check", str(bare))
    assert result.exit_code == 1
    assert "unknown block kind" in result.stdout
    assert ask(box, "flow", "check", str(bare)).exit_code == 0
    assert ask(box, "flow", "save", str(bare)).exit_code == 0
    assert ask(box, "flow", "save", str(named)).exit_code == 0
    assert ask(box, "flow", "save", str(named), "--id", "o").exit_code == 0
    assert [asked.path for asked in box.asked[2:]] == [f"/api/v1/flows/{name}" for name in ("bare", "named", "o")]
    assert box.asked[3].body == {"name": "Named", "definition": {"rootBlock": {}}}


def test_deployments_are_saved_run_and_listed(box: Box, tmp_path: Path) -> None:
    file = tmp_path / "deployments.json"
    one = {"name": "One", "flow": "f", "target": {"queue": "agv"}}
    file.write_text(json.dumps([one | {"id": "d1"}, one | {"id": "d2", "target": {"robots": ["a", "b"]}}]))
    saved = {"version": 1, "enabled": True, "flow_version": None, "priority": 2000, "max_retries": 3}
    box.answers |= {f"PUT /deployments/{name}": (200, one | saved | {"id": name}) for name in ("d1", "d2")}
    box.answers |= {"GET /deployments": page(one | saved | {"id": "d1"})}
    box.answers |= {"POST /deployments/d1/run": (201, {"items": [JOB]})}
    assert ask(box, "deployment", "save", str(file)).exit_code == 0
    assert box.asked[0].body == one
    assert "queue agv" in ask(box, "deployment", "list").stdout
    assert ask(box, "deployment", "run", "d1", "--priority", "1", "--param", "a=b").exit_code == 0
    assert box.asked[-1].body == {"priority": 1, "parameters": {"a": "b"}}
    file.write_text('{"name": "no id"}')
    assert ask(box, "deployment", "save", str(file)).exit_code == 2


def test_the_token_and_the_address_may_come_from_the_environment(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.answers["GET /robots"] = page()
    monkeypatch.setenv("YARDMASTER_URL", box.url + "/")
    monkeypatch.setenv("YARDMASTER_TOKEN", "secret")
    result = CliRunner().invoke(app, ["robot", "list"])
    assert result.stdout.strip() == "no robots"
    assert box.asked[0].headers["authorization"] == "Bearer secret"


def test_a_box_is_found_by_its_data_directory(box: Box, tmp_path: Path) -> None:
    box.answers["GET /robots"] = page()
    (tmp_path / "ready.json").write_text(json.dumps({"http": box.url}))
    assert CliRunner().invoke(app, ["robot", "list", "--data-dir", str(tmp_path)]).exit_code == 0
    (tmp_path / "ready.json").write_text("{")
    assert CliRunner().invoke(app, ["robot", "list", "--data-dir", str(tmp_path)]).exit_code == 4


def test_a_part_that_is_not_installed_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cli.robot", None)
    result = CliRunner().invoke(app, ["robot", "list"])
    assert result.exit_code == 1
    assert "pip install 'yardmaster[box]'" in result.stderr


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    for name in ("serve", "agent", "simulate", "job", "robot", "flow", "deployment", "doctor", "--version"):
        assert name in result.stdout
