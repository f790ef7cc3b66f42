"""Tasks of a process (002) through the running web: passes of loops, ids, the two headers, the order of checks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.carried import carry_out
from tests.fakes.site import Site
from tests.rows import block


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Nobody waits for a robot."""
    made = Site(tmp_path)
    yield made
    made.close()


def tasks(site: Site, uid: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.http.get(f"/task?processInstanceId={uid}").text)
    return found


def looped(site: Site) -> str:
    """A loop of two passes and a choice, carried out."""
    inside = [block(2, "each", "PrintBp", message="x")]
    choice = {"if": [block(4, "yes", "PrintBp", message="y")], "else": [block(5, "no", "PrintBp", message="n")]}
    site.flow(
        "loops",
        block(1, "twice", "RepeatNumBp", {"default": inside}, num="2"),
        block(3, "choose", "IfElseBp", choice, conditionIf="true"),
    )
    uid = site.submit(flow="loops")
    carry_out(site.robot)
    assert site.yard.state(uid) == "succeeded"
    return uid


def test_control_blocks_the_root_and_every_pass_are_tasks_in_the_order_of_their_beginning(site: Site) -> None:
    """C20: every pass is kept."""
    uid = looped(site)
    found = tasks(site, uid)
    assert [(task["name"], task["stone"]) for task in found] == [
        ("-1", "RootBp"), ("twice", "RepeatNumBp"), ("each", "PrintBp"), ("each", "PrintBp"), ("choose", "IfElseBp"),
        ("yes", "PrintBp"),
    ]  # fmt: skip
    assert [task["createTime"] for task in found] == sorted(task["createTime"] for task in found)
    assert len({task["taskId"] for task in found}) == len({task["id"] for task in found}) == 6
    assert {task["status"] for task in found} == {"monitor.success"}
    passes = [task["namespace"] for task in found if task["name"] == "each"]
    assert len(set(passes)) == 2
    assert all(path.startswith("-1/1#") for path in passes)


def test_the_id_in_the_path_is_the_task_id_and_not_the_id_of_the_run(site: Site) -> None:
    uid = looped(site)
    for task in tasks(site, uid):
        assert task["id"] != task["taskId"]
        assert json.loads(site.http.get(f"/task/{task['taskId']}").text) == task
        assert site.http.get(f"/task/{task['id']}").status_code == 404


def test_cancel_begins_when_the_robot_is_told_and_fails_when_it_refuses(site: Site) -> None:
    """C5: it goes on, and what succeeds then has no reason."""
    uid, robot = site.held(), site.robot

    def root() -> tuple[str, str | None]:
        task = tasks(site, uid)[0]
        return task["status"], task["reason"]

    assert root() == ("start.begin", None)
    site.must("POST", f"/jobs/{uid}/cancel", {}, 202)
    command = robot.last("cancel")["command"]
    robot.say(robot.about("noted", command=command))
    assert root() == ("cancel.begin", None)
    about = {"path": "-1/1", "n": 1}
    robot.say(
        robot.about("block", status="cancel.failed", reason="a pallet is on the fork", **about),
        robot.about("refused", command=command, reason="it cannot stop here"),
    )
    assert root() == ("cancel.failed", None)
    robot.say(robot.about("block", status="monitor.success", **about), robot.about("succeeded"))
    assert [(task["status"], task["reason"]) for task in tasks(site, uid)] == [("monitor.success", None)] * 2
    runs = site.must("GET", f"/jobs/{uid}/blocks")["items"]
    assert [run["reason"] for run in runs] == [None, None]
    assert {row["remark"] for row in site.data("blocks", uid)} == {"执行成功"}


def test_what_no_robot_had_begun_is_canceled(site: Site) -> None:
    site.yard.flow()
    site.robot.beat()
    uid = site.submit()
    site.must("POST", f"/jobs/{uid}/cancel", {}, 202)
    site.robot.say(site.robot.about("cancelled"))
    (root,) = tasks(site, uid)
    assert (root["status"], root["endTime"] is None) == ("canceled", False)


def test_times_are_those_of_the_site(site: Site) -> None:
    """C15: the box stands in Shanghai."""
    uid = looped(site)
    started = site.must("GET", f"/jobs/{uid}/blocks?order=oldest")["items"][1]["started_at"]
    shown = tasks(site, uid)[1]["createTime"]
    assert int(shown[11:13]) == (int(started[11:13]) + 8) % 24
    assert (shown[10], shown[13:]) == (" ", started[13:19])


@pytest.mark.parametrize("header", ["HTTP_X_AUTH_TOKEN", "HTTP_AUTHORIZATION"])
def test_c35_either_header_carries_the_token(site: Site, header: str) -> None:
    uid, client = looped(site), site.nobody()
    assert client.get(f"/task?processInstanceId={uid}").status_code == 401
    token = site.token("engine", "viewer")
    client.environ_base[header] = token if header.endswith("TOKEN") else f"Bearer {token}"
    assert client.get(f"/task?processInstanceId={uid}").status_code == 200


def test_the_order_of_checks_is_token_role_parameters_existence_state(site: Site) -> None:
    uid = looped(site)
    ended = tasks(site, uid)[2]["taskId"]
    viewer, operator = site.client("viewer"), site.client("operator")
    steps = [
        (site.nobody(), "12345/nonsense", 401), (viewer, "12345/nonsense", 403), (operator, "12345/nonsense", 400),
        (operator, "12345/reRun", 404), (operator, f"{ended}/reRun", 409),
    ]  # fmt: skip
    assert [client.put(f"/task/{path}").status_code for client, path, _ in steps] == [status for *_, status in steps]


@pytest.mark.parametrize("path", ["/task?processInstanceId=x", "/task/100000", "/v2/p/scheduled-tasks/s/records/r"])
def test_a_defect_says_nothing_of_itself(site: Site, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("controller.store.queries.Reader.reading", broken)
    response = site.http.get(f"{path}?offset=0&limit=1" if path.startswith("/v2") else path)
    body = json.loads(response.text)
    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert body.get("code", body.get("error_code")) == "internal"
