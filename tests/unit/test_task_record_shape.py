"""AGV task records, rendered by pure functions from what is stored, against the document's own samples.

What is exempt is named in docs/formats.md: the sentence of the failed block (C32), five counted blocks of which one is
shown, and one id in three states.
"""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from controller.store.queries.flow_index import FlowIndex
from controller.store.queries.records import BlockRecord, JobRecord, Said
from schemas.job import Source, Target
from schemas.record import SetErrorBody
from schemas.status import BlockState, JobState, Phase
from schemas.views import BlockNode, BlockRun, FlatResults, Job, LogRow, Reason, ResultTree
from schemas.views.task_records import BlockAnswer, DetailAnswer, RecordBlocks, ResultNode, RetryAnswer, StopAnswer
from tests.rows import block, definition
from tests.samples import hold, keys, sample
from web.compat import task_record_shape as shape
from web.compat import task_record_words as words
from web.compat.task_record_tree import results

UTC, LIMIT = "UTC", "超过任务运行时限"
OK, BAD = (BlockState.SUCCEEDED, Phase.MONITOR_SUCCESS), (BlockState.FAILED, Phase.MONITOR_FAILED)


def run(at: str, kind: str | None, name: str | None, how: tuple[BlockState, Phase] = OK, **more: Any) -> BlockRun:
    """A block run at a path."""
    values: dict[str, Any] = {
        "id": "1.1", "attempt": 1, "block": at.rpartition("/")[2], "block_name": name, "kind": kind, "path": at,
        "try_": 0, "state": how[0], "phase": how[1], "inputs": {}, "outputs": None, "reason": None, "truncated": False,
        "started_at": None, "ended_at": None, "duration_ms": None,
    }  # fmt: skip
    return BlockRun(**values | more)


def as_json(view: Any) -> Any:
    """An answer as it leaves, its keys in their order."""
    if not isinstance(view, BaseModel):
        assert ResultNode.model_validate(view)
        return json.loads(json.dumps(view))
    return json.loads(view.model_dump_json(by_alias=True))


# ---------------------------------------------------------------- samples
def test_the_documents_blocks() -> None:
    """C19: plain values stay as they are written; C20: a loop's body is shown once."""
    wanted = sample("003/blocks")
    params = {
        "-1": {},
        "1": {"inputParams": {"list": {"type": "Simple", "value": "[1,2,3,4,5]", "required": True}}},
        "2": {"inputParams": {"message": {"type": "Simple", "value": "blocks.b1.item", "required": False}}},
    }
    given = {"-1": {}, "1": {"list": [1, 2, 3, 4, 5]}, "2": {"message": "blocks.b1.item"}}
    runs = [
        run(
            "-1" if row["block_id"] == "-1" else f"-1/{row['block_id']}",
            row["block_execute_name"], row["block_name"], id=row["id"], inputs=given[row["block_id"]],
            outputs=row["block_out_params_value"], started_at=row["started_on"] + "Z", ended_at=row["ended_on"] + "Z",
        )
        for row in wanted["data"]
    ]  # fmt: skip
    data = [shape.flat_block(one, params[one.block], UTC) for one in runs]
    found = as_json(RecordBlocks(code=200, message=wanted["message"], data=data))
    assert found == wanted
    hold(found, wanted)


def test_the_documents_block() -> None:
    wanted = sample("003/block")
    data = wanted["data"]
    written = definition(block(1, "b1", "CSelectAgvBp", keyRoute="TK01"))
    index = FlowIndex({"id": "f", "version": 1, **written, "subFlows": {}})
    one = run(
        "-1/1", "CSelectAgvBp", "b1", BAD, id=data["id"], inputs={"keyRoute": "TK01"}, reason=data["remark"],
        started_at=data["started_on"] + "Z", ended_at=data["ended_on"] + "Z",
    )  # fmt: skip
    index["-1/1"].definition["inputParams"]["keyRoute"]["required"] = True
    record = BlockRecord(one, index["-1/1"], data["task_record_id"], data["task_id"], 1)
    found = as_json(BlockAnswer(code=200, message=wanted["message"], data=shape.block_detail(record, UTC)))
    assert found == wanted
    hold(found, wanted)


NODES = {
    "9": ("b5", "CSelectAgvBp", "keyRoute", "AP1", True),
    "10": ("b6", "PrintBp", "message", "test message", False),
}


def tree(wanted: dict[str, Any], path: str = "", level: int = 0) -> BlockNode:
    """The rows that a sample of nested results must come from."""
    at, record = f"{path}/{wanted['blockId']}".lstrip("/"), wanted["executionRecord"]
    one = None
    if record["recordId"] is not None:
        one = run(
            at, wanted["blockType"], wanted["blockName"], id=record["recordId"], inputs=record["inputParamsValue"],
            outputs=record["outputParamsValue"], started_at=record["startedOn"] + "Z", ended_at=record["endedOn"] + "Z",
        )  # fmt: skip
    return BlockNode(
        block=wanted["blockId"], block_name=wanted["blockName"], kind=wanted["blockType"], label="", level=level,
        branch=None, path=at, definition={"inputParams": wanted["inputParams"]}, run=one, runs=0, logs=0,
        children=[tree(child, at, level + 1) for child in wanted["children"]],
    )  # fmt: skip


def log(at: str, message: str, **more: Any) -> LogRow:
    return LogRow(
        id=1, attempt=1, robot="r1", block=None, path=at, level=1, type="block", text=None, message=message,
        args=more["args"], output=more["output"], artifact=None, time="", recorded_at=more["time"],
    )  # fmt: skip


@pytest.mark.parametrize("name", ["results", "results.template"])
def test_the_documents_nested_results(name: str) -> None:
    """C14: camel case here. C18: a parent succeeded, its child never ran. C21, C22, C23 stand in it, too."""
    wanted = sample(f"003/{name}")
    wanted["data"]["logs"][0]["output"].pop(
        "results", None
    )  # the template has it, the example has not: that one counts
    root = tree(wanted["data"])
    logs = [
        log("-1", "branch_done", args={"branch": "default"}, output={"executed": True, "branch": "default"},
            time="2025-09-29T17:32:55.873390Z"),
        log("-1/9", "agv_selected", args={"block_name": "b5"}, output={"selectedAgvId": "Fake-03"},
            time="2025-09-29T17:32:55.708163Z"),
    ]  # fmt: skip
    whole = ResultTree(**dict(root), job="j", attempt=1)
    found = as_json(results(whole, logs, UTC))
    hold(found, wanted["data"])

    def same(one: dict[str, Any]) -> None:
        assert one["executionStatus"] == one["executionRecord"]["status"]
        for child in one["children"]:
            assert child["level"] == one["level"] + 1
            same(child)

    same(found)


def job(**more: Any) -> Job:
    values: dict[str, Any] = {
        "id": "j1", "run": "u1", "state": JobState.SUCCEEDED, "parked": False, "reason": None, "deployment": None,
        "deployment_name": None, "flow": "3273c7cb-b4bb-47df-9d47-17f96bc401fc", "flow_version": 2,
        "target": Target(queue="main"), "priority": 1, "max_retries": 3, "attempt_count": 1, "robot": "AGV001",
        "attempt": 1, "source_type": "dispatch", "debug": False, "mock": False, "parent": None, "root": None,
        "rerun_of": None, "retried_from": None, "created_at": "2025-04-30T17:28:19.100000Z", "assigned_at": None,
        "started_at": "2025-04-30T17:28:19.105648Z", "ended_at": "2025-04-30T17:28:20.601597Z", "duration_ms": 1496,
        "version": 1, "parameters": {"from": "A", "to": "B"}, "on_lost": "hold", "safe_to_repeat": False,
        "queue_timeout_s": None, "time_limit_s": None, "recording": "never", "intention": None,
        "cancelled_while": None, "variables": {"position": {"x": 100, "y": 200}}, "state_message": None,
        "outputs": None, "created_by": "local",
        "source": Source(
            type="dispatch", system="WMS", user="admin", device="PC-001", ip="192.168.1.100",
            time="2025-04-30T17:28:18.000000Z", client="Mozilla/5.0 (Windows NT 10.0; Win64; x64)", remarks="测试任务",
        ),
    }  # fmt: skip
    return Job.model_construct(**values | more)


def record(**more: Any) -> JobRecord:
    """A job with what its record says beside."""
    facts = {k: more.pop(k) for k in ("firing", "has_children", "last_robot", "said") if k in more}
    values: dict[str, Any] = {
        "number": 1, "flow_version": 1, "flow_name": "示例任务", "updated_at": "2025-04-30T17:28:20.610000Z",
        "firing": None, "has_children": False, "last_robot": "AGV001",
        "said": Said(work_types="运输任务", work_stations="WS001"),
    }  # fmt: skip
    return JobRecord(job=job(**more), **values | facts)


def test_the_documents_detail() -> None:
    """C41: what was sent is not checked: source_type 1 with the system WMS."""
    wanted = sample("003/detail")
    one = record(id=wanted["data"]["id"])
    found = as_json(DetailAnswer(code=200, message=wanted["message"], data=shape.detail(one, UTC)))
    assert found == wanted
    hold(found, wanted)


def test_the_documents_stop_answers_2002_for_a_record_that_detail_calls_2001() -> None:
    """C3."""
    wanted = sample("003/stop")
    data = shape.stopped(wanted["data"]["task_record_id"], "2025-04-30T17:35:42.105648Z", UTC)
    assert as_json(StopAnswer(code=200, message=wanted["message"], data=data)) == wanted
    assert shape.detail(record(state=JobState.CANCELLED), UTC).status == 2001


def test_the_documents_retry_names_the_definition_as_new_task_id() -> None:
    """C33."""
    wanted = sample("003/retry")
    old = record(id=wanted["data"]["original_task_record_id"], state=JobState.FAILED)
    new = job(id=wanted["data"]["new_task_record_id"], created_at="2025-09-19T10:30:15.123456Z")
    found = as_json(RetryAnswer(code=200, message=wanted["message"], data=shape.retried(old, new, UTC)))
    assert found == wanted
    hold(found, wanted)


def test_the_documents_set_error_counts_what_it_lists() -> None:
    """C15: its time alone has no fraction."""
    wanted = sample("003/set-error")
    failed = run("-1/block_001", "PrintBp", "数据处理", BAD)
    reason = SetErrorBody.model_validate(sample("003/set-error.request")).error_reason
    data = as_json(shape.set_to_failed("123456", reason, "2024-01-01T12:00:00.987654Z", [failed], UTC))
    assert data == wanted["data"] | {"updated_blocks_count": 1}
    assert list(data) == list(wanted["data"])


@pytest.mark.parametrize("name", ["blocks", "block", "stop", "results", "detail", "retry"])
def test_placeholder_samples_give_the_key_set(name: str) -> None:
    template, example = sample(f"003/{name}.template"), sample(f"003/{name}")
    flat = list(keys(template)["data"]) if isinstance(template["data"], dict) else list(template["data"][0])
    shown = list(example["data"]) if isinstance(example["data"], dict) else list(example["data"][0])
    assert flat == shown


# ---------------------------------------------------------------- rules
def test_unexecuted_nodes_say_so_and_hold_nothing() -> None:
    node = BlockNode(
        block="10", block_name="b6", kind="PrintBp", label="", level=1, branch=None, path="-1/10", definition={},
        run=None, runs=0, logs=0, children=[],
    )  # fmt: skip
    root = ResultTree(
        block="-1", block_name="-1", kind="RootBp", label="", level=0, branch=None, path="-1", definition={},
        run=run("-1", "RootBp", "-1", (BlockState.NOT_EXECUTED, Phase.PRODUCE_SUCCESS), inputs={"a": 1}), runs=0,
        logs=0, children=[node], job="j", attempt=None,
    )  # fmt: skip
    found = as_json(results(root, [], UTC))
    for one in (found, found["children"][0]):
        record = one["executionRecord"]
        assert {key for key, value in record.items() if value is None} == {
            "recordId", "startedOn", "endedOn", "inputParamsValue", "outputParamsValue",
        }  # fmt: skip
        assert (record["status"], record["endedReason"], record["remark"]) == (1006, "任务块尚未执行", "任务块尚未执行")
        assert one["logs"] == []


def test_a_definition_that_cannot_be_read_gives_a_flat_list_below_the_root() -> None:
    runs = [
        run("-1", None, None),
        run("-1/1#0/2", None, None, id="1.2", started_at="2025-01-01T00:00:02.000000Z"),
        run("-1/1", None, None, id="1.3", started_at="2025-01-01T00:00:01.000000Z"),
        run("-1/1#1/2", None, None, id="1.4", started_at="2025-01-01T00:00:03.000000Z"),
    ]
    found = as_json(results(FlatResults(job="j", attempt=1, items=runs), [], UTC, passes=True))
    assert (found["blockId"], found["blockType"], found["blockTypeName"], found["level"]) == (
        "-1",
        "RootBp",
        "根节点",
        0,
    )
    assert [(one["blockId"], one["executionRecord"]["recordId"]) for one in found["children"]] == [
        ("1", "1.3"), ("2", "1.4"),
    ]  # fmt: skip
    assert all((one["level"], one["children"], one["inputParams"]) == (1, [], {}) for one in found["children"])
    nothing = as_json(results(FlatResults(job="j", attempt=None, items=[]), [], UTC))
    assert (nothing["executionStatus"], nothing["children"]) == (1006, [])


def test_every_time_has_six_digits_in_the_sites_zone() -> None:
    """C15."""
    assert shape.local("2025-04-30T09:28:19.105640Z", "Asia/Shanghai") == "2025-04-30T17:28:19.105640"
    assert shape.local("2025-04-30T09:28:19.000000Z", UTC) == "2025-04-30T09:28:19.000000"
    assert shape.local(None, UTC) is None


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2025-04-30T17:28:18+08:00", "2025-04-30T17:28:18.000000"),
        ("2025-04-30t09:28:18.5z", "2025-04-30T17:28:18.500000"),
        ("2025-04-30 17:28:18", "2025-04-30T17:28:18.000000"),
        ("yesterday", "yesterday"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        (None, None),
    ],
)
def test_the_time_that_a_source_sent(sent: str | None, shown: str | None) -> None:
    assert shape.said_time(sent, "Asia/Shanghai") == shown


@pytest.mark.parametrize(
    ("state", "more", "status", "said", "reason"),
    [
        ("queued", {}, 1002, "任务等待中", None),
        ("assigned", {}, 1002, "已分配机器人 AGV001,等待开始", None),
        ("running", {}, 1001, "任务执行中", None),
        ("paused", {}, 2002, "任务已暂停", None),
        ("cancelling", {}, 1001, "任务取消中", None),
        ("uncertain", {}, 1001, "任务状态不明,机器人 AGV001 未响应", None),
        ("succeeded", {}, 1000, "任务已完成", "执行成功"),
        ("failed", {"reason": Reason(code="failed", message="托盘滑落")}, 2000, "任务失败: 托盘滑落", "托盘滑落"),
        ("failed", {"reason": Reason(code="set_error", message="停线")}, 2000, "任务失败: 停线", "停线"),
        ("failed", {"reason": Reason(code="time_limit", message="")}, 2000, f"任务失败: {LIMIT}", LIMIT),
        ("failed", {"reason": None}, 2000, "任务失败: 执行失败", "执行失败"),
        ("cancelled", {"reason": Reason(code=None, message="wrong load")}, 2001, "任务已取消", "任务终止"),
    ],
)  # fmt: skip
def test_how_a_record_stands(state: str, more: dict[str, Any], status: int, said: str, reason: str | None) -> None:
    found = shape.detail(record(state=JobState(state), **more), UTC)
    assert (found.status, found.state_description, found.ended_reason) == (status, said, reason)


def test_the_flows_own_words_come_first() -> None:
    spoken = record(state=JobState.RUNNING, state_message="正在搬运", said=Said(robot="AGV007"))
    found = shape.detail(spoken, UTC)
    assert (found.state_description, found.agv_id) == ("正在搬运", "AGV007")
    assert (found.work_types, found.work_stations) == (None, None)


def test_why_a_queued_record_waits() -> None:
    reasons = [
        {"robot": "r1", "code": "busy", "message": "r1 works on x."},
        {"robot": "r1", "code": "offline", "message": "…"},
        {"robot": "r2", "code": "hold.silent", "message": "…"},
        {"robot": "r3", "code": "unheard-of", "message": "r3 dreams."},
        {"robot": "r4", "code": "busy", "message": "…"},
    ]
    assert words.waits(3, reasons) == "任务等待中,前面还有 2 个任务,r1 正在执行其他任务,r2 已暂停派单,r3 r3 dreams."
    assert words.waits(1, [{"robot": None, "code": "no_robots", "message": "…"}]) == "任务等待中,没有可用的机器人"
    found = shape.detail(record(state=JobState.QUEUED), UTC, words.waits(1, ()))
    assert found.state_description == "任务等待中"


def test_c25_flags_keep_their_types() -> None:
    plain, made = shape.detail(record(), UTC), shape.detail(record(firing="f1", has_children=True), UTC)
    assert (plain.periodic_task, plain.if_have_child_task) == (0, False)
    assert (made.periodic_task, made.if_have_child_task) == (1, True)


def test_the_root_of_a_record_is_itself_or_its_parents() -> None:
    assert shape.detail(record(id="a"), UTC).root_task_record_id == "a"
    child = shape.detail(record(id="b", parent="a", root="a"), UTC)
    assert (child.parent_task_record_id, child.root_task_record_id) == ("a", "a")


def test_objects_without_content() -> None:
    """{} where there are no inputs, null where there are no outputs."""
    found = shape.flat_block(run("-1/1", "PrintBp", "b1", inputs=None, outputs={}), {}, UTC)
    assert (found.block_input_params_value, found.block_out_params_value) == ({}, None)


def test_expressions_show_what_they_came_to_and_plain_values_what_is_written() -> None:
    """C19."""
    written = {
        "inputParams": {
            "a": {"type": "Expression", "value": "vars.x + 1"},
            "b": {"type": "Simple", "value": "007"},
            "c": {"type": "JSON", "value": "[1]"},
            "d": {"type": "Simple", "value": ""},
            "e": "as editors wrote it once",
            "f": {"type": "Simple", "value": {"$secret": "door"}},
            "g": {"value": "a text"},
        }
    }
    inputs = {"a": 3, "b": 7, "c": [1], "d": None, "e": "x", "f": "•••", "g": "•••"}
    one = run("-1/1", "CAgvOperationBp", "b1", inputs=inputs)
    assert shape.values(one, written) == inputs | {"b": "007"}
    params = shape.definitions("CAgvOperationBp", written)
    assert params["a"] == {"type": "Expression", "value": "vars.x + 1", "required": False}
    assert params["e"] == {"type": "Simple", "value": "as editors wrote it once", "required": False}
    assert shape.definitions("IterateListBp", {"inputParams": {"list": {"value": "[]"}}})["list"]["required"] is True


def test_a_running_block_has_no_reason_yet() -> None:
    going = run("-1/1", "PrintBp", "b1", (BlockState.RUNNING, Phase.MONITOR_BEGIN))
    found = shape.flat_block(going, {}, UTC)
    assert (found.status, found.ended_reason, found.remark) == (1001, None, None)


def test_a_kind_that_is_not_known_shows_its_own_name() -> None:
    node = BlockNode(
        block="1", block_name="b1", kind="VideoBp", label="", level=1, branch=None, path="-1/1", definition={},
        run=None, runs=0, logs=0, children=[],
    )  # fmt: skip
    root = ResultTree(
        block="-1", block_name="-1", kind="RootBp", label="", level=0, branch=None, path="-1", definition={}, run=None,
        runs=0, logs=0, children=[node], job="j", attempt=None,
    )  # fmt: skip
    found = as_json(results(root, [], UTC))["children"][0]
    assert (found["blockType"], found["blockTypeName"]) == ("VideoBp", "VideoBp")
