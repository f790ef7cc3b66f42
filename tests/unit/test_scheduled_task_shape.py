"""Records of scheduled tasks (004): rows rendered by the pure functions, held against the document's sample."""

import json
from pathlib import Path

import pytest

from controller.store.queries.schedules import Target
from schemas.codes import JOB_CODES
from schemas.schedule import microseconds
from schemas.status import JobState
from web.compat.scheduled_task_shape import detail, render

GOLDEN = Path(__file__).parents[1] / "golden" / "004" / "record.json"
ID = "2b31e-d520xxxx-xxebedb6-e57xxxxxx"
SHANGHAI = "Asia/Shanghai"
NINE = microseconds("2022-12-31T09:00:00+08:00")
DONE = Target(
    n=1, job=ID, robot=ID, robot_name="desktop1", flow="string", state=JobState.SUCCEEDED, started_at=NINE,
    ended_at=NINE,
)  # fmt: skip


def test_the_sample_of_the_document_but_for_what_c27_says() -> None:
    sample = json.loads(GOLDEN.read_text())
    written = json.loads(render(ID, SHANGHAI, [DONE], 10).model_dump_json())
    assert list(written) == list(sample)
    assert list(written["tasks_records_details"][0]) == list(sample["tasks_records_details"][0])
    expected = sample["tasks_records_details"][0] | {"result_code": None, "fail_reason": None}
    assert written == {"tasks_records_details": [expected], "total_count": 10}


@pytest.mark.parametrize("state", JobState)
def test_c27_code_and_reason_are_given_on_fail_and_skip_only(state: JobState) -> None:
    row = detail(ID, "UTC", Target(n=1, job="j", state=state, code="why", reason="Because."))
    given = row.exec_status == "FAIL"
    assert row.exec_status == JOB_CODES[state].scheduled
    assert (row.result_code is not None, row.fail_reason is not None) == (given, given)


def test_c27_a_row_has_an_id_of_its_own() -> None:
    assert detail("record", "UTC", Target(n=1, job="job", state=JobState.QUEUED)).id == "job"


def test_a_target_that_was_left_out_is_skip_with_its_reason() -> None:
    row = detail("record", "UTC", Target(n=3, robot="r1", flow="f", code="overlap", reason="It goes on."))
    assert (row.id, row.exec_status, row.result_code, row.fail_reason) == ("record.3", "SKIP", "overlap", "It goes on.")
    assert (row.start_time, row.end_time, row.desktop_id, row.desktop_name) == (None, None, "r1", "r1")


def test_every_value_is_a_string_or_null() -> None:
    for row in (DONE, Target(n=1, job="j", state=JobState.QUEUED), Target(n=2, code="c", reason="r")):
        written = json.loads(detail("record", "UTC", row).model_dump_json())
        assert all(value is None or isinstance(value, str) for value in written.values())


def test_c15_times_are_in_the_zone_that_the_row_names() -> None:
    row = detail("record", "America/New_York", DONE)
    assert (row.start_time, row.time_zone) == ("2022-12-30 20:00:00", "America/New_York")
    assert row.end_time == row.start_time


@pytest.mark.parametrize(
    ("who", "reason", "sentence"),
    [
        ("li", None, "Cancelled by li."), ("li", "cancelled by li", "Cancelled by li."),
        ("li", "wrong order", "Cancelled by li: wrong order"),
        (None, "its parent has ended", "Cancelled: its parent has ended"),
        (None, None, "Cancelled."),
    ],
)  # fmt: skip
def test_a_cancelled_job_is_fail_and_says_by_whom(who: str | None, reason: str | None, sentence: str) -> None:
    row = detail("record", "UTC", Target(n=1, job="j", state=JobState.CANCELLED, reason=reason, cancelled_by=who))
    assert (row.exec_status, row.result_code, row.fail_reason) == ("FAIL", "cancelled", sentence)
