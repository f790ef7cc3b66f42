"""Tasks of a process (002): block runs rendered by the pure functions, held against the document's sample."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.store.queries.tasks import Task
from schemas.schedule import microseconds
from schemas.status import BLOCK_ENDED, PHASE_STATE, BlockState, Phase
from web.compat.process_task_shape import render

GOLDEN = Path(__file__).parents[1] / "golden" / "002" / "tasks.json"
SHANGHAI = "Asia/Shanghai"
SAMPLE: dict[str, Any] = json.loads(GOLDEN.read_text())[0]
DONE = Task(
    number=2_912_516, job="2910431", attempt=29, n=12_516, path="machine", name="machine", kind="MachineStone",
    phase=Phase.MONITOR_SUCCESS, state=BlockState.SUCCEEDED, reason=None, inputs={}, outputs={},
    created_at=microseconds("2018-08-06T14:27:48+08:00"), ended_at=microseconds("2018-08-06T14:28:31+08:00"),
)  # fmt: skip


def written(task: Task, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(task, SHANGHAI, **more).model_dump_json())
    return found


def test_the_sample_of_the_document_but_for_the_id() -> None:
    params, outputs = json.loads(SAMPLE["params"]), json.loads(SAMPLE["outputs"])
    inputs = {name: value for name, value in params.items() if name not in ("namespace", "queue")}
    results = {name: value for name, value in outputs.items() if name != "type"}
    task = written(replace(DONE, inputs=inputs, outputs=results))
    assert list(task) == list(SAMPLE)
    assert len(task) == 13
    for key, value in SAMPLE.items():
        if key in ("params", "outputs"):
            assert json.loads(task[key]) == json.loads(value)
            assert list(json.loads(task[key])) == list(json.loads(value))
        elif key != "id":
            assert task[key] == value, key
    assert {key: type(value) for key, value in task.items()} == {key: type(value) for key, value in SAMPLE.items()}


def test_params_and_outputs_are_json_in_a_string() -> None:
    task = written(replace(DONE, inputs={"message": "你好"}, outputs={"count": 2}))
    assert task["params"] == '{"namespace":"machine","message":"你好","queue":"MachineStone"}'
    assert task["outputs"] == '{"count":2,"type":"MachineStone"}'


def test_what_the_format_adds_is_never_a_flows_own_value() -> None:
    task = written(replace(DONE, inputs={"queue": 1, "namespace": 2, "x": 3}, outputs={"type": 4}))
    assert json.loads(task["params"]) == {"namespace": "machine", "x": 3, "queue": "MachineStone"}
    assert json.loads(task["outputs"]) == {"type": "MachineStone"}


@pytest.mark.parametrize("phase", Phase)
def test_the_22_states_are_written_as_they_are(phase: Phase) -> None:
    assert len(Phase) == 22
    state = PHASE_STATE[phase] or BlockState.SUCCEEDED
    task = written(replace(DONE, phase=phase, state=state, reason="why"))
    assert task["status"] == phase.value
    is_open = state not in BLOCK_ENDED
    assert (task["endTime"] is None, task["reason"] is None, task["outputs"] is None) == (is_open,) * 3


def test_while_a_task_is_open_end_reason_and_outputs_are_null() -> None:
    open_ = replace(DONE, phase=Phase.MONITOR_BEGIN, state=BlockState.RUNNING, reason="r", outputs={"a": 1})
    task = written(open_)
    assert (task["endTime"], task["reason"], task["outputs"]) == (None, None, None)
    assert isinstance(task["params"], str)


@pytest.mark.parametrize(
    ("given", "shown"), [(None, None), (37.4, 37), (0.0, 0), (100.0, 100), (250.0, 100), (-3.0, 0)]
)
def test_progress_is_null_or_0_to_100(given: float | None, shown: int | None) -> None:
    running = replace(DONE, path="-1", phase=Phase.START_BEGIN, state=BlockState.RUNNING)
    assert written(running, progress=given)["progress"] == shown
    assert written(replace(running, path="-1/3"), progress=given)["progress"] is None
    assert written(replace(DONE, path="-1"), progress=given)["progress"] is None


def test_c15_times_are_those_of_the_site_without_a_zone() -> None:
    assert render(DONE, "UTC").createTime == "2018-08-06 06:27:48"


def test_c16_ids_are_opaque_text() -> None:
    task = written(DONE)
    assert all(isinstance(task[key], str) for key in ("id", "processInstanceId", "taskId"))


def test_the_password_of_the_sample_would_be_masked() -> None:
    task = written(replace(DONE, inputs={"Password": {"$secret": "machine-password"}, "list": [{"$secret": "other"}]}))
    assert "machine-password" not in task["params"]
    assert json.loads(task["params"])["Password"] == json.loads(task["params"])["list"][0] == "•••"


@pytest.mark.parametrize("values", [None, "text", [1, 2], 7])
def test_values_that_are_no_object_do_not_break_the_string(values: object) -> None:
    task = written(replace(DONE, inputs=values, outputs=values))
    assert json.loads(task["params"])["queue"] == "MachineStone"
    assert json.loads(task["outputs"])["type"] == "MachineStone"


def test_the_repository_has_no_real_secret_of_the_sample() -> None:
    assert "example-password" in GOLDEN.read_text()
