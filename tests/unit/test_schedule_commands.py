"""`yardmaster schedule …` against a box of cardboard: what it asks, what it prints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import client
from cli.main import app
from tests.fakes.cardboard import Box

SCHEDULE: dict[str, Any] = {
    "id": "report", "name": "Report", "deployment": "d", "cron": "0 6 * * *", "every_s": None, "at": None,
    "zone": "Europe/Berlin", "overlap": "skip", "enabled": True, "next_fires": ["2026-01-31T05:00:00.000000Z"],
}  # fmt: skip
FIRING = {
    "id": "0198c5f2", "due_at": "2026-01-31T05:00:00.000000Z", "states": {"succeeded": 2, "skipped": 1},
    "reason": {"code": "missed", "message": "The box was down."},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ASK_AGAIN_S", (0.0, 0.0))
    for name in ("YARDMASTER_URL", "YARDMASTER_TOKEN", "YARDMASTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def box() -> Iterator[Box]:
    with Box({}) as cardboard:
        yield cardboard


def ask(box: Box, *words: str) -> Result:
    result = CliRunner().invoke(app, ["schedule", *words, "--url", box.url])
    assert result.exit_code == 0, result.output
    return result


def test_save_puts_every_schedule_of_the_file(box: Box, tmp_path: Path) -> None:
    file = tmp_path / "schedules.json"
    file.write_text(json.dumps([{"id": "report", "name": "Report", "deployment": "d", "cron": "0 6 * * *"}]))
    box.answers["PUT /schedules/report"] = 201, SCHEDULE
    assert "0 6 * * *" in ask(box, "save", str(file)).output
    assert box.asked[0].body == {"name": "Report", "deployment": "d", "cron": "0 6 * * *"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "0 6 * * *"), ({"cron": None, "every_s": 90}, "every 90 s"),
     ({"cron": None, "at": "2027-02-01T09:00:00.000000Z"}, "2027-02-01 09:00:00")],
)  # fmt: skip
def test_list_says_when_and_what_comes_next(box: Box, changes: dict[str, Any], words: str) -> None:
    box.answers["GET /schedules"] = 200, {"items": [SCHEDULE | changes], "next": None}
    output = ask(box, "list").output
    assert words in output
    assert "2026-01-31 05:00:00" in output


def test_a_schedule_without_a_next_fire_is_listed(box: Box) -> None:
    box.answers["GET /schedules"] = 200, {"items": [SCHEDULE | {"enabled": False, "next_fires": []}], "next": None}
    assert "no" in ask(box, "list").output


@pytest.mark.parametrize("word", ["enable", "disable"])
def test_switching_sends_the_reason(box: Box, word: str) -> None:
    box.answers[f"POST /schedules/report/{word}"] = 200, SCHEDULE
    ask(box, word, "report", "--reason", "holiday")
    assert box.asked[0].body == {"reason": "holiday"}


def test_remove_asks_for_it(box: Box) -> None:
    box.answers["DELETE /schedules/report"] = 204, None
    assert "report is removed" in ask(box, "remove", "report").output


def test_firings_say_what_became_of_their_targets(box: Box) -> None:
    box.answers["GET /schedules/report/firings"] = 200, {"items": [FIRING], "next": None}
    output = ask(box, "firings", "report").output
    assert "1 skipped, 2 succeeded" in output
    assert "The box was down. [missed]" in output


def test_a_firing_shows_a_row_for_each_target(box: Box) -> None:
    row = {"n": 1, "state": "skipped", "job": None, "robot": "r1", "reason": {"code": "overlap", "message": "It runs."}}
    box.answers["GET /firings/0198c5f2"] = 200, FIRING | {"rows": [row]}
    assert "It runs. [overlap]" in ask(box, "firing", "0198c5f2").output
