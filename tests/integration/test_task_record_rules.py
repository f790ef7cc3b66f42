"""AGV task records through the running web: what set-error and stop do in every state, and rules no sample shows."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.carried import carry_out
from tests.fakes.flow_bench import Answer
from tests.fakes.site import WHY, Site, ordered
from tests.fakes.yard import FakeRobot
from tests.rows import block


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Commands that wait for a robot look once and give up."""
    monkeypatch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
    made = Site(tmp_path)
    yield made
    made.close()


def moves(site: Site, uid: str) -> list[str]:
    """States that the record came into, oldest first."""
    found = site.must("GET", f"/jobs/{uid}/events")["items"]
    return [str(event["new"]) for event in reversed(found) if event["new"]]


# ---------------------------------------------------------------- a record in every state that a robot holds
def assigned(site: Site) -> str:
    site.flow("hello", block(1, "b1", "PrintBp", message="hi"))
    site.robot.beat()
    return site.submit()


def running(site: Site) -> str:
    return site.held()


def paused(site: Site) -> str:
    uid = site.held()
    site.robot.say(site.robot.about("paused"))
    return uid


def uncertain(site: Site) -> str:
    uid = site.held()
    site.yard.tick(26)
    return uid


def cancelling(site: Site) -> str:
    uid = site.held()
    site.must("POST", f"/jobs/{uid}/cancel", {}, 202)
    return uid


HELD: list[Callable[[Site], str]] = [assigned, running, paused, uncertain, cancelling]
NUMBERS = {"assigned": 1002, "running": 1001, "paused": 2002, "uncertain": 1001, "cancelling": 1001}


@pytest.mark.parametrize("reach", HELD, ids=lambda reach: reach.__name__)
def test_set_error_in_every_state_that_a_robot_holds_is_one_terminal_move(
    site: Site, reach: Callable[[Site], str]
) -> None:
    """C37: the cancel is sent, and its answer ends the record as failed, never as cancelled first."""
    uid = reach(site)
    assert site.yard.state(uid) == reach.__name__
    assert site.data("detail", uid)["status"] == NUMBERS[reach.__name__]
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    response = site.post("set-error", uid, {"error_reason": WHY})
    assert response.status_code == 200, response.text
    assert ordered(response)["data"]["task_status"] == 2000
    assert site.robot.last("cancel")["job"] == uid
    assert moves(site, uid)[-2:] == ["cancelling", "failed"]
    assert moves(site, uid).count("failed") == 1
    assert "cancelled" not in moves(site, uid)
    assert site.data("detail", uid)["ended_reason"] == WHY


@pytest.mark.parametrize("reach", HELD, ids=lambda reach: reach.__name__)
def test_stop_in_every_state_that_a_robot_holds(site: Site, reach: Callable[[Site], str]) -> None:
    uid = reach(site)
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    response = site.post("stop", uid)
    assert response.status_code == 200, response.text
    found = ordered(response)["data"]
    assert (found["status"], found["ended_reason"]) == (2002, "任务终止")
    assert site.data("detail", uid)["status"] == 2001


def test_a_block_that_never_started_stays_unexecuted_after_set_error(site: Site) -> None:
    """C24."""
    uid = site.held()
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    assert site.post("set-error", uid, {"error_reason": WHY}).status_code == 200
    first, second = site.data("execution/block/results", uid)["children"]
    assert (first["executionStatus"], first["executionRecord"]["endedReason"]) == (2000, WHY)
    assert (second["executionStatus"], second["executionRecord"]["recordId"]) == (1006, None)
    assert [row["block_id"] for row in site.data("blocks", uid)] == ["-1", "1"]


@pytest.mark.parametrize("reason", [" 停线 ", "a\nb", "x" * 2000, "💥", '"; drop table jobs; --', "%s {0} {{x}}"])
def test_the_reason_of_a_set_error_is_kept_as_it_was_sent(site: Site, reason: str) -> None:
    uid = site.held()
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    data = ordered(site.post("set-error", uid, {"error_reason": reason}))["data"]
    assert (data["error_reason"], site.data("detail", uid)["ended_reason"]) == (reason, reason)
    assert data["updated_blocks_count"] == 2


# ---------------------------------------------------------------- times and attempts
def test_before_its_first_start_a_record_is_in_the_queue_and_has_no_start(site: Site) -> None:
    found = site.data("detail", assigned(site))
    assert (found["status"], found["started_on"], found["execution_time"]) == (1002, None, None)


def test_how_long_it_took_is_known_when_it_has_ended(site: Site) -> None:
    uid = site.held()
    found = site.data("detail", uid)
    assert (found["started_on"] is None, found["ended_on"], found["execution_time"]) == (False, None, None)


def test_start_is_that_of_the_first_attempt_and_the_end_that_of_the_last(site: Site) -> None:
    """C8: between two attempts it has no end."""
    site.flow("sad", block(1, "b1", "ThrowExceptionBp", message="x"))
    robot, uid = site.robot, site.submit(flow="sad", max_retries=1)
    carry_out(robot)
    between = site.data("detail", uid)
    assert (between["status"], between["ended_on"], between["ended_reason"]) == (1002, None, None)
    site.yard.tick(6, beating=True)
    carry_out(robot)
    job, found = site.yard.job(uid), site.data("detail", uid)
    first = site.data("blocks", uid, "?attempt=1")[0]
    last = site.data("blocks", uid, "?attempt=2")[0]
    assert (found["started_on"], found["ended_on"]) == (first["started_on"], last["ended_on"])
    assert found["execution_time"] == round((job["ended_at"] - job["started_at"]) / 1000) > 6000


def test_the_robot_of_the_last_attempt_is_shown_where_the_flow_selected_none(site: Site) -> None:
    site.flow("sad", block(1, "b1", "ThrowExceptionBp", message="x"))
    robot, uid = site.robot, site.submit(flow="sad", max_retries=1)
    carry_out(robot)
    site.must("POST", f"/robots/{robot.name}/disable", {"reason": "out of use"})
    other = site.yard.robot("AGV002", kinds=robot.kinds)
    site.yard.tick(6, beating=True)
    carry_out(other)
    assert site.data("detail", uid)["agv_id"] == "AGV002"


def test_a_retry_keeps_the_version_of_the_definition_that_failed(site: Site) -> None:
    uid = site.failed()
    site.flow("sad", block(1, "other", "PrintBp", message="another version"))
    new = ordered(site.post("retry", uid))["data"]["new_task_record_id"]
    assert (site.data("detail", uid)["task_version"], site.data("detail", new)["task_version"]) == (1, 1)
    assert site.data("execution/block/results", new)["children"][0]["blockName"] == "b1"


def test_of_several_sentences_of_the_flow_the_last_counts(site: Site) -> None:
    site.flow(
        "talks",
        block(1, "b1", "TaskStateBp", stateMsg="正在取货"),
        block(2, "b2", "TaskStateBp", stateMsg="正在送货"),
    )
    uid = site.submit(flow="talks")
    carry_out(site.robot)
    found = site.data("detail", uid)
    assert (found["status"], found["state_description"]) == (1000, "正在送货")


def test_blocks_stand_by_their_start_and_not_by_their_number(site: Site) -> None:
    site.flow("two", block(1, "b1", "PrintBp", message="x"), block(2, "b2", "PrintBp", message="y"))
    robot, uid = site.robot, site.submit(flow="two")
    robot.accept()
    for n in (2, 1):
        site.yard.now += 1
        robot.say(robot.about("block", path=f"-1/{n}", n=n, status="start.begin"))
    assert [row["block_id"] for row in site.data("blocks", uid)] == ["-1", "2", "1"]


# ---------------------------------------------------------------- one block
def drive(site: Site, remark: str = "") -> tuple[FakeRobot, str]:
    """A block with an author's note that hands something out."""
    one = block(7, "drive", "CAgvOperationBp", targetSiteLabel="A") | {"remark": remark, "label": remark}
    site.flow("drive", one)
    uid = site.submit(flow="drive", max_retries=0)
    return site.robot, uid


def one_block(site: Site, uid: str) -> dict[str, Any]:
    (which,) = [row["id"] for row in site.data("blocks", uid) if row["block_id"] == "7"]
    return dict(site.data("block", which))


def test_output_params_are_the_entry_of_the_scope_with_what_the_block_handed_out(site: Site) -> None:
    robot, uid = drive(site)
    carry_out(robot, {"drive": [Answer("succeeded", outputs={"site": "A", "seconds": 3})]})
    found = one_block(site, uid)
    handed_out = found["block_out_params_value"]
    assert handed_out
    assert found["output_params"] == {"blocks": {"drive": handed_out}}
    assert found["input_params"] == found["block_input_params"]
    assert found["internal_variables"] == found["block_internal_variables"] == {}
    assert (found["block_config_id"], found["ctrl_status"], found["version"]) == ("", None, 1)
    assert (found["block_id"], type(found["block_id"])) == ("7", str)


def test_a_remark_is_what_became_of_it_and_not_the_authors_note(site: Site) -> None:
    robot, uid = drive(site, "slowly here, wet floor")
    carry_out(robot)
    assert one_block(site, uid)["remark"] == "执行成功"
    for what in ("blocks", "execution/block/results"):
        assert "wet floor" not in site.get(what, uid).get_data(as_text=True)


# ---------------------------------------------------------------- words
def test_every_text_of_ours_has_the_commas_and_colons_of_the_document() -> None:
    """The document writes sentences with ASCII punctuation."""
    root = Path(__file__).parents[2] / "web" / "compat"
    for file in sorted(root.glob("task_record*.py")):
        wide = re.findall(r'"[^"\n]*[，：；（）。][^"\n]*"', file.read_text(encoding="utf-8"))
        assert wide == [], file.name
