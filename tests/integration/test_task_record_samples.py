"""The document's samples of AGV task records, made by the running product: a real core, and rows as agents write them.

They are in `tests/golden/003`; what is exempt from them is named in docs/formats.md.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.fakes.carried import carry_out
from tests.fakes.site import KINDS, WHY, Site, example_blocks, example_detail, example_results, ordered
from tests.rows import block
from tests.samples import hold, keys, sample


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Commands that wait for a robot look once and give up."""
    monkeypatch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
    made = Site(tmp_path)
    yield made
    made.close()


def test_sample_blocks(site: Site) -> None:
    """C20: five items, the body is shown once, with its last pass."""
    uid = example_blocks(site)
    wanted = sample("003/blocks")
    wanted["message"] = wanted["message"].replace("7b84fd4d-e947-4ec7-8535-05ede5f8aa9d", uid)
    hold(ordered(site.get("blocks", uid)), wanted)


def test_sample_block(site: Site) -> None:
    """C32: instead of a database's error a sentence for people."""
    one = block(1, "b1", "CSelectAgvBp", keyRoute="TK01")
    one["inputParams"]["keyRoute"]["required"] = True
    site.flow("select", one)
    uid = site.submit(flow="select", max_retries=0)
    carry_out(site.robot, kind="station")
    (which,) = [row["id"] for row in site.data("blocks", uid) if row["block_id"] == "1"]
    found = ordered(site.get("block", which))
    hold(found, sample("003/block"), aside=("data.ended_reason", "data.remark"))
    assert found["data"]["ended_reason"] == found["data"]["remark"]
    assert found["data"]["remark"].startswith("no robot was selected: ")
    assert len(found["data"]) == 21
    assert (found["data"]["task_id"], found["data"]["task_record_id"]) == ("select", uid)


def test_sample_results(site: Site) -> None:
    """C14, C21, C22, C23: camel case, a name of its own, one status twice, level 1 is information."""
    hold(ordered(site.get("execution/block/results", example_results(site))), sample("003/results"))


def test_sample_results_with_an_unexecuted_child(site: Site) -> None:
    """C18: the parent succeeded, the child never ran: legal, and neither follows from the other."""
    child = block(10, "b6", "PrintBp", message="test message")
    child["inputParams"]["message"]["required"] = False
    one = block(9, "b5", "CSelectAgvBp", {"default": [child]}, keyRoute="AP1")
    one["inputParams"]["keyRoute"]["required"] = True
    site.flow("select", one)
    robot = site.yard.robot("Fake-03", kinds=KINDS)
    uid = site.submit(flow="select", target={"robots": ["Fake-03"]})
    robot.accept()
    out = {"selectedAgvId": "Fake-03"}
    begun = robot.about("block", path="-1/9", n=1, status="start.begin", inputs={"keyRoute": "AP1"})
    robot.say(begun, robot.about("block", path="-1/9", n=1, status="monitor.success", outputs=out))
    row = {"level": 1, "type": "block"}
    robot.say(
        robot.about("log", path="-1/9", message="agv_selected", args={"block_name": "b5"}, output=out, **row),
        robot.about("log", path="-1", message="branch_done", args={"branch": "default"},
                    output={"executed": True, "branch": "default"}, **row),
        topic="log",
    )  # fmt: skip
    robot.say(robot.about("succeeded"))
    wanted = sample("003/results.template")
    wanted["data"]["logs"][0]["output"].pop("results")
    hold(ordered(site.get("execution/block/results", uid)), wanted)


def test_sample_detail(site: Site) -> None:
    uid = example_detail(site)
    found = ordered(site.get("detail", uid))
    hold(found, sample("003/detail"), aside=("data.execution_time",))
    data = found["data"]
    assert (data["id"], data["task_id"], data["root_task_record_id"]) == (uid, "move", uid)
    job = site.yard.job(uid)
    assert data["execution_time"] == round((job["ended_at"] - job["started_at"]) / 1000)


def test_sample_stop(site: Site) -> None:
    """C3: stop says 2002, detail then says 2001."""
    uid = site.held()
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    found = ordered(site.post("stop", uid))
    hold(found, sample("003/stop"))
    assert found["data"]["task_record_id"] == uid
    assert site.data("detail", uid)["status"] == 2001
    assert site.data("detail", uid)["ended_on"] == found["data"]["ended_on"]


def test_sample_retry(site: Site) -> None:
    """C33: `new_task_id` is the definition's."""
    one = block(1, "b1", "ThrowExceptionBp", message="x")
    inputs = [{"name": "from", "type": "String"}, {"name": "to", "type": "String"}]
    site.flow("move", one, title="示例任务", inputParams=inputs)
    robot = site.robot
    uid = site.submit(flow="move", parameters={"from": "A", "to": "B"}, max_retries=0)
    carry_out(robot)
    found = ordered(site.post("retry", uid))
    hold(found, sample("003/retry"))
    data = found["data"]
    assert (data["original_task_record_id"], data["new_task_id"]) == (uid, "move")
    assert data["new_task_record_id"] != uid
    assert data["retry_time"] == site.data("detail", data["new_task_record_id"])["created_at"]


def test_sample_set_error(site: Site) -> None:
    """C15, C37: its time alone has no fraction, and it is one terminal move."""
    uid = site.held()
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    found = ordered(site.post("set-error", uid, {"error_reason": WHY}))
    wanted = sample("003/set-error")
    wanted["data"]["updated_blocks_count"] = 2
    wanted["data"]["updated_blocks"] = [
        {"block_id": "-1", "block_name": "-1", "status": 2000}, {"block_id": "1", "block_name": "b1", "status": 2000},
    ]  # fmt: skip
    hold(found, wanted)
    assert found["data"]["task_record_id"] == uid


@pytest.mark.parametrize("name", ["blocks", "block", "stop", "results", "detail", "retry"])
def test_placeholder_samples_give_the_key_set(site: Site, name: str) -> None:
    asked: dict[str, Callable[[], TestResponse]] = {
        "blocks": lambda: site.get("blocks", example_blocks(site)),
        "block": lambda: site.get("block", site.data("blocks", example_blocks(site))[1]["id"]),
        "results": lambda: site.get("execution/block/results", example_results(site)),
        "detail": lambda: site.get("detail", example_detail(site)),
        "stop": lambda: site.post("stop", site.submit()),
        "retry": lambda: site.post("retry", site.failed()),
    }
    if name == "stop":
        site.yard.flow()
    found, wanted = keys(ordered(asked[name]())), keys(sample(f"003/{name}.template"))
    parts = [answer["data"][0] if isinstance(answer["data"], list) else answer["data"] for answer in (found, wanted)]
    assert (list(found), list(parts[0])) == (list(wanted), list(parts[1]))
