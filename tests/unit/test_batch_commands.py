"""`yardmaster job batch …` and `job export` against a box of cardboard: what they ask, what they print."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import batch, client
from cli.main import app
from tests.fakes.cardboard import Box

HASH = "a" * 64
PREVIEW: dict[str, Any] = {
    "id": "b1", "action": "cancel", "hash": HASH, "state": "open", "results": None,
    "will": {"count": 2, "groups": [{"code": "at_once", "message": "No robot holds it.", "count": 2}]},
    "will_not": {"count": 1, "groups": [{"code": "ended", "message": "It has ended already.", "count": 1}]},
}  # fmt: skip
DONE = {"done": 2, "refused": 0, "changed": 0, "unchanged": 1, "left": 0}
ROW = {"job": "j2", "result": "changed", "state": "running", "reason": {"code": "changed", "message": "left alone"}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ASK_AGAIN_S", (0.0, 0.0))
    monkeypatch.setattr(batch, "POLL_S", 0.0)
    for name in ("YARDMASTER_URL", "YARDMASTER_TOKEN", "YARDMASTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def box() -> Iterator[Box]:
    with Box({}) as cardboard:
        yield cardboard


def ask(box: Box, *words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["job", *words, "--url", box.url])
    assert result.exit_code == exit_code, result.output
    return result


def test_without_yes_it_is_only_said_what_would_happen(box: Box) -> None:
    box.answers["POST /job-batches"] = 201, PREVIEW
    output = ask(box, "batch", "cancel", "j1", "j2", "j3").output
    assert [one.path for one in box.asked] == ["/api/v1/job-batches"]
    assert box.asked[0].body == {"action": "cancel", "ids": ["j1", "j2", "j3"]}
    assert "It has ended already." in output


def test_with_yes_it_is_applied_by_its_hash_and_waited_for(box: Box) -> None:
    box.answers["POST /job-batches"] = 201, PREVIEW
    box.answers["POST /job-batches/b1/apply"] = 202, PREVIEW | {"state": "applying"}
    box.answers["GET /job-batches/b1"] = [(200, PREVIEW | {"state": "applying"}),
                                          (200, PREVIEW | {"state": "applied", "results": DONE})]  # fmt: skip
    box.answers["GET /job-batches/b1/rows"] = 200, {"items": [], "next": None}
    output = ask(box, "batch", "cancel", "--state", "queued", "--search", "压机", "--yes", "--reason", "stop").output
    assert box.asked[0].body == {"action": "cancel", "filter": {"state": ["queued"], "q": "压机"}}
    assert box.asked[1].body == {"hash": HASH, "reason": "stop"}
    assert "all done" in output


def test_what_was_not_done_is_listed_and_decides_the_exit(box: Box) -> None:
    box.answers["POST /job-batches"] = 201, PREVIEW
    box.answers["POST /job-batches/b1/apply"] = 202, PREVIEW | {"state": "applied", "results": DONE | {"changed": 1}}
    box.answers["GET /job-batches/b1/rows"] = [(200, {"items": [], "next": None}),
                                               (200, {"items": [ROW], "next": None})]  # fmt: skip
    output = ask(box, "batch", "priority", "j1", "j2", "--priority", "4000", "--yes", exit_code=1).output
    assert box.asked[0].body == {"action": "priority", "priority": 4000, "ids": ["j1", "j2"]}
    assert "left alone" in output


@pytest.mark.parametrize("words", [("cancel",), ("cancel", "j1", "--queue", "main"), ("sing", "j1")])
def test_what_makes_no_sense_asks_nothing(box: Box, words: tuple[str, ...]) -> None:
    ask(box, "batch", *words, exit_code=2)
    assert box.asked == []


def test_export_writes_what_comes_to_a_file_or_to_the_output(box: Box, tmp_path: Path) -> None:
    box.answers["GET /exports/jobs.csv"] = 200, "id,state"
    file = tmp_path / "jobs.csv"
    ask(box, "export", "--output", str(file), "--state", "failed", "--queue", "main")
    assert file.read_bytes() == b'"id,state"'
    assert box.asked[0].path == "/api/v1/exports/jobs.csv?queue=main&state=failed"
    assert "id,state" in ask(box, "export").output


def test_a_refused_export_makes_no_file(box: Box, tmp_path: Path) -> None:
    refusal = {"code": "stream.full", "message": "4 exports are under way", "details": [], "request_id": "r"}
    box.answers["GET /exports/jobs.csv"] = 503, refusal
    ask(box, "export", "--output", str(tmp_path / "jobs.csv"), exit_code=4)
    assert list(tmp_path.iterdir()) == []
