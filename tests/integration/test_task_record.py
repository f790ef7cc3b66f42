"""AGV task records read through the running web: the rules of the format, over rows as agents write them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.carried import carry_out
from tests.fakes.site import BASE, SOURCE, WHY, Site, example_blocks, example_detail, example_results, ordered
from tests.rows import block
from tests.samples import sample


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Commands that wait for a robot look once and give up."""
    monkeypatch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
    made = Site(tmp_path)
    yield made
    made.close()


def test_utf8_is_not_escaped_and_keys_are_in_the_documents_order(site: Site) -> None:
    """C12: the HTTP status is the number in the body."""
    response = site.get("detail", example_detail(site))
    text = response.get_data(as_text=True)
    assert '"task_name":"示例任务"' in text
    assert "\\u" not in text
    assert list(ordered(response)["data"]) == list(sample("003/detail")["data"])
    assert (response.status_code, response.mimetype) == (200, "application/json")
    missing = site.get("detail", "none")
    assert missing.status_code == ordered(missing)["code"] == 404


def test_every_time_has_six_digits_without_a_zone_in_that_of_the_site(site: Site) -> None:
    """C15."""
    uid = example_blocks(site)
    started = site.yard.job(uid)["started_at"]
    hours, rest = divmod(started // 1_000_000 + 8 * 3600, 86_400)[1] // 3600, f"{started % 1_000_000:06d}"
    shown = site.data("detail", uid)["started_on"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", shown)
    assert (int(shown[11:13]), shown[-6:]) == (hours, rest)
    for row in site.data("blocks", uid):
        assert all(re.fullmatch(r".{19}\.\d{6}", row[name]) for name in ("started_on", "ended_on"))


def test_objects_are_empty_without_inputs_and_null_without_outputs(site: Site) -> None:
    uid = example_blocks(site)
    root, _loop, _print = site.data("blocks", uid)
    assert (root["block_input_params_value"], root["block_out_params_value"]) == ({}, None)


def test_requests_are_read_leniently(site: Site) -> None:
    """Unknown fields and parameters are left out; stop and retry take no body and do not mind one."""
    uid = example_blocks(site)
    for what in ("blocks", "detail", "execution/block/results"):
        assert site.get(what, uid, "?token=x&page=1&page=2").status_code == 200
    failed = site.failed()
    bodies: list[Any] = [{"a": 1}, [], "text"]
    for body in bodies:
        assert site.post("retry", failed, body).status_code == 200
    assert site.http.post(f"{BASE}/retry/{failed}", data=b"\xff{", content_type="text/xml").status_code == 200
    stopped = site.submit(flow="loop", target={"robots": ["AGV001"]}, priority=0)
    assert site.post("stop", stopped, {"reason": "x"}).status_code == 200
    waiting = site.submit(flow="loop", target={"robots": ["AGV001"]}, priority=0)
    assert site.post("set-error", waiting, {"error_reason": WHY, "user": "li", "nested": {"a": [1]}}).status_code == 200


def test_nested_results_follow_the_definition_with_unexecuted_blocks(site: Site) -> None:
    """Children are one array, branches in the definition's order; a branch not taken appears as unexecuted."""
    site.flow(
        "choose",
        block(
            1, "choice", "IfElseBp",
            {"if": [block(2, "yes", "PrintBp", message="y")], "else": [block(3, "no", "PrintBp", message="n")]},
            conditionIf="false",
        ),
        block(4, "after", "PrintBp", message="a"),
    )  # fmt: skip
    uid = site.submit(flow="choose")
    carry_out(site.robot)
    root = site.data("execution/block/results", uid)
    choice, after = root["children"]
    assert [(one["blockName"], one["executionStatus"], one["level"]) for one in choice["children"]] == [
        ("yes", 1006, 2), ("no", 1000, 2),
    ]  # fmt: skip
    unexecuted = choice["children"][0]["executionRecord"]
    assert unexecuted == {
        "recordId": None, "status": 1006, "startedOn": None, "endedOn": None, "endedReason": "任务块尚未执行",
        "inputParamsValue": None, "outputParamsValue": None, "remark": "任务块尚未执行",
    }  # fmt: skip
    assert [row["message"] for row in choice["logs"]] == ["分支 else 的所有子块执行完成"]
    assert choice["logs"][0]["output"] == {"executed": True, "branch": "else"}
    assert [row["message"] for row in after["logs"]] == ["a"]

    def equal(node: dict[str, Any]) -> None:
        assert node["executionStatus"] == node["executionRecord"]["status"]
        for child in node["children"]:
            equal(child)

    equal(root)


def test_a_record_without_an_attempt_shows_the_whole_tree_unexecuted(site: Site) -> None:
    site.flow("loop", block(1, "b1", "PrintBp", message="x"))
    uid = site.submit(flow="loop")
    root = site.data("execution/block/results", uid)
    assert (root["executionStatus"], root["children"][0]["executionStatus"]) == (1006, 1006)
    assert root["executionRecord"]["recordId"] is None
    assert site.data("blocks", uid) == []
    found = site.data("detail", uid)
    assert (found["status"], found["started_on"], found["agv_id"], found["execution_time"]) == (1002, None, None, None)


def test_a_definition_that_cannot_be_parsed_gives_a_flat_list(site: Site) -> None:
    uid = example_blocks(site)
    site.yard.connection.execute("update flow_versions set bundle = '{'")
    response = ordered(site.get("execution/block/results", uid))
    assert (response["code"], response["message"]) == (200, "成功获取任务记录嵌套执行结果")
    root = response["data"]
    assert (root["blockId"], root["blockTypeName"], root["level"], root["executionStatus"]) == ("-1", "根节点", 0, 1000)
    assert [(one["blockId"], one["level"], one["children"], one["inputParams"]) for one in root["children"]] == [
        ("1", 1, [], {}), ("2", 1, [], {}),
    ]  # fmt: skip
    assert [row["block_id"] for row in site.data("blocks", uid)] == ["-1", "1", "2"]
    assert site.data("detail", uid)["status"] == 1000
    assert site.get("block", site.data("blocks", uid)[1]["id"]).status_code == 200


def test_iterations_are_there_when_asked_for_and_not_else(site: Site) -> None:
    """C20."""
    uid = example_blocks(site)
    assert "iterations" not in site.get("execution/block/results", uid).get_data(as_text=True)
    assert "iterations" not in site.get("execution/block/results", uid, "?iterations=0").get_data(as_text=True)
    root = site.data("execution/block/results", uid, "?iterations=1")
    loop = root["children"][0]
    assert list(loop)[-2:] == ["children", "iterations"]
    assert [(one["iterationIndex"], one["executionStatus"]) for one in loop["iterations"]] == [
        (n, 1000) for n in range(5)
    ]
    ids = [one["children"][0]["executionRecord"]["recordId"] for one in loop["iterations"]]
    assert len(set(ids)) == 5
    assert loop["children"][0]["executionRecord"]["recordId"] == ids[-1]
    assert site.data("blocks", uid)[-1]["id"] == ids[-1]
    assert [len(one["children"][0]["logs"]) for one in loop["iterations"]] == [1] * 5
    assert "iterations" not in root


def test_another_flow_inside_stands_for_its_root(site: Site) -> None:
    site.flow("inner", block(7, "deep", "PrintBp", message="x"))
    site.flow("outer", block(1, "call", "SubTaskBp", flow="inner"))
    uid = site.submit(flow="outer")
    carry_out(site.robot)
    call = site.data("execution/block/results", uid)["children"][0]
    (deep,) = call["children"]
    assert (deep["blockName"], deep["level"], deep["executionStatus"]) == ("deep", 2, 1000)


def test_blocks_lists_those_with_a_row_root_first_by_start(site: Site) -> None:
    uid = site.held()
    robot = site.robot
    assert [row["block_id"] for row in site.data("blocks", uid)] == ["-1", "1"]
    robot.yard.now += 1
    robot.say(robot.about("block", path="-1/2", n=2, status="start.begin"))
    assert [(row["block_id"], row["status"]) for row in site.data("blocks", uid)] == [
        ("-1", 1001), ("1", 1001), ("2", 1001),
    ]  # fmt: skip


def test_a_record_shows_its_last_attempt_that_started_and_another_when_asked(site: Site) -> None:
    """C8, the first meaning: another attempt of the same job."""
    site.flow("sad", block(1, "b1", "ThrowExceptionBp", message="x"))
    robot, uid = site.robot, site.submit(flow="sad", max_retries=1)
    carry_out(robot)
    first = site.data("blocks", uid)
    site.yard.tick(6, beating=True)
    assert site.yard.state(uid) == "assigned"
    assert site.data("blocks", uid) == first
    carry_out(robot)
    last = site.data("blocks", uid)
    assert last != first
    assert site.data("blocks", uid, "?attempt=1") == first
    assert site.data("blocks", uid, "?attempt=2") == last
    nested = site.data("execution/block/results", uid, "?attempt=1")
    assert nested["executionRecord"]["recordId"] == first[0]["id"]
    found = site.data("detail", uid)
    assert (found["started_on"], found["status"]) == (first[0]["started_on"], 2000)
    for what in ("blocks", "execution/block/results"):
        for unknown in ("3", "99999999999999"):
            response = site.get(what, uid, f"?attempt={unknown}")
            assert (response.status_code, response.json) == (404, {"code": 404, "message": f"未找到任务记录 {uid}"})
        for wrong in ("0", "-1", "x", "1.5", "%00", "1&attempt=2"):
            response = site.get(what, uid, f"?attempt={wrong}")
            assert (response.status_code, response.json) == (
                400, {"code": 400, "message": "请求参数错误: 参数 attempt 无效"},
            ), wrong  # fmt: skip


def test_the_agv_is_the_one_last_selected_by_the_flow(site: Site) -> None:
    uid = example_results(site)
    assert site.data("detail", uid)["agv_id"] == "Fake-03"
    site.yard.connection.execute("update block_runs set outputs = ? where n = 1", ('{"selectedAgvId":"AGV777"}',))
    assert site.data("detail", uid)["agv_id"] == "AGV777"


def test_state_description_is_the_flows_own_or_a_sentence_and_says_why_it_waits(site: Site) -> None:
    site.flow("talks", block(1, "b1", "TaskStateBp", stateMsg="正在搬运"))
    first = site.submit(flow="talks")
    assert site.data("detail", first)["state_description"] == "任务等待中,没有可用的机器人"
    robot = site.robot
    robot.beat()
    second = site.submit(flow="talks")
    waits = site.data("detail", second)["state_description"]
    assert waits == "任务等待中,AGV001 正在执行其他任务"
    assert site.data("detail", first)["state_description"] == "已分配机器人 AGV001,等待开始"
    carry_out(robot)
    assert site.data("detail", first)["state_description"] == "正在搬运"
    site.controller.go_down()
    assert site.data("detail", site.yard.submit("talks"))["state_description"] == "任务等待中"


def test_parents_and_children_name_each_other(site: Site) -> None:
    uid = site.held()
    child = site.submit()
    site.yard.connection.execute(
        "update jobs set parent = (select id from jobs where uid = ?), root = (select id from jobs where uid = ?)"
        " where uid = ?",
        (uid, uid, child),
    )
    above, below = site.data("detail", uid), site.data("detail", child)
    assert (above["if_have_child_task"], above["root_task_record_id"], above["parent_task_record_id"]) == (
        True, uid, None,
    )  # fmt: skip
    assert (below["if_have_child_task"], below["root_task_record_id"], below["parent_task_record_id"]) == (
        False, uid, uid,
    )  # fmt: skip


def test_source_fields_are_kept_from_submission_to_record(site: Site) -> None:
    """C26, C41."""
    uid = example_detail(site)
    found = site.data("detail", uid)
    assert {name: value for name, value in found.items() if name.startswith("source_")} == {
        "source_type": 1, "source_system": "WMS", "source_user": "admin", "source_device": "PC-001",
        "source_ip": "192.168.1.100", "source_time": "2025-04-30T17:28:18.000000",
        "source_client_info": SOURCE["client"], "source_remarks": "测试任务",
    }  # fmt: skip
    for kind, number in (("button", 2), ("system", 3), ("handheld", 4), ("api", 3), ("manual", 1)):
        assert site.data("detail", site.submit(flow="move", source={"type": kind}))["source_type"] == number


def test_the_openapi_tag_is_the_documents(site: Site) -> None:
    paths = site.must("GET", "/openapi.json")["paths"]
    mine = [one for path, item in paths.items() if path.startswith(BASE) for one in item.values()]
    assert len(mine) == 7
    assert {tuple(one["tags"]) for one in mine} == {("VWED任务运行记录",)}
