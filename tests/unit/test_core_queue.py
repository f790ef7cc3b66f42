"""The queue: order, targets, keys, why a job waits, bulk, robots coming and going."""

import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core_settings import CoreSettings
from schemas.commands import Frame
from tests.fakes.yard import PRINT_FLOW, Yard, running


def _delay_flow() -> dict[str, Any]:
    block = {
        "id": 1, "name": "b1", "blockType": "DelayBp", "children": {},
        "inputParams": {"timeMillis": {"type": "Simple", "value": 5, "required": True}},
    }  # fmt: skip
    root: dict[str, Any] = PRINT_FLOW["rootBlock"]
    return PRINT_FLOW | {"rootBlock": root | {"children": {"default": [block]}}}


def _finish(yard: Yard, name: str) -> str:
    robot = yard.robots[name]
    robot.accept()
    assign = robot.last("assign")
    robot.say(robot.about("succeeded"))
    return str(assign["job"])


def test_highest_priority_first_then_the_oldest() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    uids = [yard.submit(priority=p) for p in (100, 5000, 100, 2000, 0)]
    yard.robot("r1")
    order = [_finish(yard, "r1") for _ in uids]
    assert order == [uids[1], uids[3], uids[0], uids[2], uids[4]]


def test_a_queue_jump_moves_a_queued_job_to_the_front() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    first, second = yard.submit(), yard.submit()
    yard.must("job.priority", job=second, priority=4000, reason="the line stands still")
    yard.robot("r1")
    assert [_finish(yard, "r1"), _finish(yard, "r1")] == [second, first]
    moves = [e for e in yard.rows("events") if e["event"] == "priority"]
    assert [(e["old"], e["new"], e["who"], e["why"]) for e in moves] == [
        ("2000", "4000", "local", "the line stands still")
    ]


_JOBS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]), st.booleans()), min_size=1, max_size=12)
_ROBOTS = st.lists(st.tuples(st.sets(st.sampled_from(["a", "b"]), min_size=1), st.booleans()), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(jobs=_JOBS, robots=_ROBOTS)
def test_the_queue_against_an_oracle(jobs: list[tuple[int, str, bool]], robots: list[tuple[set[str], bool]]) -> None:
    """Each turn the jobs given out are those a simple sort would give: the first job some free robot may take."""
    yard = Yard()
    yard.flow("print")
    yard.flow("delay", _delay_flow())
    for queue in "ab":
        yard.must("queue.put", queue=queue)
    waiting = []
    for age, (priority, queue, delays) in enumerate(jobs):
        uid = yard.submit("delay" if delays else "print", priority=priority, target={"queue": queue})
        waiting.append((-priority, age, queue, delays, uid))
    for i, (queues, delays) in enumerate(robots):
        kinds = ["RootBp", "PrintBp"] + ["DelayBp"] * delays
        yard.core.desk.connected = False
        yard.robot(f"r{i}", *sorted(queues), kinds=kinds)
    yard.core.desk.connected = True
    yard.tick()
    free = {f"r{i}": robot for i, robot in enumerate(robots)}
    given_out = {row["uid"]: row["robot"] for row in yard.rows("jobs") if row["state"] == "assigned"}
    for _, _, queue, delays, uid in sorted(waiting):
        fit = [name for name, (queues, can) in free.items() if queue in queues and (can or not delays)]
        if uid in given_out:
            assert given_out[uid] in fit
            del free[given_out[uid]]
        else:
            assert not fit, f"{uid} waits although {fit} could take it"


def test_jobs_that_no_free_robot_can_do_do_not_block_the_queue() -> None:
    yard = Yard()
    yard.flow("delay", _delay_flow())
    yard.flow("print")
    yard.must("queue.put", queue="main")
    for _ in range(50):
        yard.submit("delay", priority=5000)
    easy = yard.submit("print", priority=1)
    yard.robot("r1", kinds=["RootBp", "PrintBp"])
    assert yard.state(easy) == "assigned"


def test_named_robots_make_one_job_each() -> None:
    yard = Yard()
    yard.flow()
    for name in ("r1", "r2", "r3"):
        yard.robot(name)
    uids = yard.must("job.submit", flow="hello", target={"robots": ["r1", "r3"]})["jobs"]
    rows = {row["uid"]: row for row in yard.rows("jobs")}
    assert [rows[u]["robot"] for u in uids] == ["r1", "r3"]
    assert len({rows[u]["run"] for u in uids}) == 1


def test_a_robot_has_at_most_one_job_and_a_station_its_capacity() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    station = yard.robot("s1", "desk")
    station.kind = "station"
    station.beat(capacity=2)
    for _ in range(3):
        yard.submit()
        yard.submit(target={"queue": "desk"})
    robot.accept()
    robot.beat(robot.hold())
    assert len(robot.all("assign")) == 1
    station.accept()
    assert len({m["attempt"] for m in station.all("assign")}) == 2
    with pytest.raises(Exception, match="UNIQUE"):
        yard.connection.execute(
            "insert into attempts (number, job, robot, slot, state, created_at) values (1, 99, 'r1', 0, 'created', 0)"
        )


def test_one_key_is_one_submission() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    body: dict[str, Any] = {"flow": "hello", "target": {"queue": "main"}}
    first = yard.ask("job.submit", key="order-17", **body)
    again = yard.ask("job.submit", key="order-17", **body)
    other = yard.ask("job.submit", key="order-17", **body, priority=1)
    assert first.ok == again.ok
    assert (first.replayed, again.replayed) == (False, True)
    assert other.error is not None
    assert other.error.code == "idempotency.mismatch"
    assert len(yard.rows("jobs")) == 1


def test_a_refused_command_gets_the_same_refusal_again_but_a_mended_body_may_pass() -> None:
    yard = Yard()
    _, uid = running(yard)
    assert yard.ask("job.resume", key="k", job=uid).error is not None
    robot = yard.robots["r1"]
    yard.must("job.pause", job=uid)
    robot.say(robot.about("paused", command=robot.last("control")["command"]))
    assert yard.ask("job.resume", key="k", job=uid).error is not None, "the key has had its answer"
    wrong = yard.ask("job.submit", key="n", flow="hello", target={"queue": "nowhere"})
    assert wrong.error is not None
    assert wrong.error.details[0].path == "/target/queue"
    assert yard.ask("job.submit", key="n", flow="hello", target={"queue": "main"}).ok is not None


def test_bulk_stands_each_alone() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    good = {"flow": "hello", "target": {"queue": "main"}}
    answer = yard.must(
        "job.submit_bulk", jobs=[good, good | {"priority": 5001}, 7, good | {"flow": "none"}, good | {"colour": "red"}]
    )
    assert (answer["accepted"], answer["refused"]) == (1, 4)
    assert [item["index"] for item in answer["items"]] == [0, 1, 2, 3, 4]
    errors = [item["error"] for item in answer["items"][1:]]
    assert errors[0]["details"][0]["path"] == "/jobs/1/priority"
    assert errors[3]["details"][0]["path"] == "/jobs/4/colour"
    assert len(yard.rows("jobs")) == 1


def test_why_a_job_waits_robot_by_robot() -> None:
    yard = Yard()
    yard.flow("delay", _delay_flow())
    running(yard)
    yard.robot("r2", kinds=["RootBp", "PrintBp"])
    yard.robot("r3", kinds=["RootBp", "PrintBp", "DelayBp"])
    yard.must("robot.disable", robot="r3", reason="new tyres")
    uid = yard.submit("delay")
    answer = yard.must("job.waiting", job=uid)
    reasons = {(r["robot"], r["code"]): r["message"] for r in answer["reasons"]}
    assert answer["position"] == 1
    assert set(reasons) == {("r1", "busy"), ("r2", "not_capable"), ("r3", "disabled")}
    assert reasons["r2", "not_capable"] == "r2 cannot do DelayBp."
    assert reasons["r3", "disabled"] == "r3 is disabled: new tyres."
    yard.tick(30)
    codes = {r["code"] for r in yard.must("job.waiting", job=uid)["reasons"] if r["robot"] == "r2"}
    assert codes == {"offline", "not_capable"}


def test_every_waiting_job_has_a_reason_as_long_as_it_waits() -> None:
    yard = Yard(CoreSettings(failures_to_hold=9))
    robot, uid = running(yard, max_retries=3)
    robot.say(robot.about("failed", reason="stuck"))
    assert [r["code"] for r in yard.must("job.waiting", job=uid)["reasons"]] == ["backing_off"]
    yard.must("queue.put", queue="empty")
    lonely = yard.submit(target={"queue": "empty"})
    assert [r["code"] for r in yard.must("job.waiting", job=lonely)["reasons"]] == ["no_robots"]
    with yard.store.transaction():
        yard.core.broker(False, yard.instant())
    assert "broker" in [r["code"] for r in yard.must("job.waiting", job=lonely)["reasons"]]


def test_a_queue_time_out_ends_a_job_that_nobody_took() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    uid = yard.submit(queue_timeout_s=30)
    yard.tick(29)
    assert yard.state(uid) == "queued"
    yard.tick(2)
    assert (yard.state(uid), yard.job(uid)["reason_code"]) == ("failed", "queue_timeout")


def _rolled_back(yard: Yard, **more: Any) -> None:
    """A submission whose commit fails."""

    def turn() -> None:
        args = {"flow": "hello", "target": {"queue": "main"}} | more
        with yard.store.transaction():
            answer = yard.core.command(yard.instant(), Frame(id=1, command="job.submit", args=args))
            assert answer.ok is not None
            yard.core.tick(yard.instant())
            raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError):
        turn()
    yard.core.undo()


def test_the_queue_time_out_of_a_submission_that_was_rolled_back_is_forgotten() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    _rolled_back(yard, queue_timeout_s=5)
    yard.tick(6)
    assert yard.rows("jobs") == []


@pytest.mark.parametrize("more", [{}, {"queue_timeout_s": 60}])
def test_a_queue_time_out_that_was_rolled_back_does_not_end_the_next_job(more: dict[str, Any]) -> None:
    """The next job is given the same inner id."""
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    _rolled_back(yard, queue_timeout_s=5)
    uid = yard.submit(**more)
    yard.tick(30)
    assert yard.state(uid) == "queued"
    yard.tick(31)
    assert yard.state(uid) == ("failed" if more else "queued")


def test_a_store_that_takes_no_commits_neither_lengthens_a_wait_nor_piles_up_what_is_remembered() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    uid = yard.submit(queue_timeout_s=30)
    for _ in range(20):
        yard.tick(1)
        _rolled_back(yard)
    assert len(yard.core.desk.memory.timers) == 1
    yard.tick(9)
    assert yard.state(uid) == "queued"
    yard.tick(1)
    assert (yard.state(uid), yard.job(uid)["reason_code"]) == ("failed", "queue_timeout")


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"priority": -1}, "/priority"),
        ({"priority": 5001}, "/priority"),
        ({"max_retries": 11}, "/max_retries"),
        ({"priority": "7"}, "/priority"),
        ({"target": {"queue": "main", "robots": ["r1"]}}, "/target"),
        ({"target": {"robots": ["ghost"]}}, "/target/robots"),
        ({"on_lost": "requeue"}, "/on_lost"),
        ({"parameters": {"x": 1}}, "/parameters/x"),
    ],
)
def test_a_wrong_submission_is_refused_with_its_path(more: dict[str, Any], path: str) -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    answer = yard.ask("job.submit", **({"flow": "hello", "target": {"queue": "main"}} | more))
    assert answer.error is not None
    assert (answer.error.code, answer.error.details[0].path) == ("request.invalid", path)
    assert yard.rows("jobs") == []


def test_a_disabled_robot_finishes_what_it_has_and_gets_nothing_new() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("robot.drain", robot="r1", reason="end of shift")
    waiting = yard.submit()
    robot.say(robot.about("succeeded"))
    robot.beat()
    assert (yard.state(uid), yard.state(waiting)) == ("succeeded", "queued")
    yard.must("robot.enable", robot="r1")
    assert yard.state(waiting) == "assigned"


def test_a_robot_in_use_is_not_removed_unless_forced() -> None:
    yard = Yard()
    robot, uid = running(yard)
    assert yard.ask("robot.delete", robot="r1").error is not None
    yard.must("robot.delete", robot="r1", force=True, reason="scrapped")
    assert yard.state(uid) == "failed"
    robot.beat()
    assert yard.submit()
    assert not yard.ask("robot.enable", robot="r1").ok
    assert yard.holds("r1") == {"forced"}, "its hold stays"


def test_counters_agree_with_the_rows() -> None:
    yard = Yard()
    robot, _ = running(yard)
    yard.submit()
    robot.say(robot.about("succeeded"))
    counted = {(r["target"], r["state"]): r["n"] for r in yard.rows("job_counts") if r["n"]}
    real = yard.connection.execute("select target, state, count(*) as n from jobs group by target, state")
    assert counted == {(r["target"], r["state"]): r["n"] for r in real}
    assert [(h["deployment"], h["outcome"], h["n"]) for h in yard.rows("job_hours")] == [("", "succeeded", 1)]


def test_every_move_is_a_row_in_its_transaction() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("job.cancel", job=uid, reason="wrong")
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    moves = [(e["old"], e["new"], e["who"]) for e in yard.rows("events") if e["job"] and e["new"]]
    assert moves == [
        (None, "queued", "local"), ("queued", "assigned", "controller"), ("assigned", "running", "controller"),
        ("running", "cancelling", "local"), ("cancelling", "cancelled", "controller"),
    ]  # fmt: skip


def test_executing_again_makes_a_new_job_like_the_old_one() -> None:
    yard = Yard()
    robot, uid = running(yard, priority=7)
    assert yard.ask("job.rerun", job=uid).error is not None
    robot.say(robot.about("succeeded"))
    new = yard.must("job.rerun", job=uid)["jobs"][0]
    row = yard.job(new)
    assert (row["rerun_of"], row["priority"], row["source_type"]) == (uid, 7, "resend")


def test_no_robot_may_have_the_controllers_name() -> None:
    yard = Yard()
    answer = yard.ask("robot.put", robot="yardmaster", kind="agv")
    assert answer.error is not None
    assert answer.error.details[0].code == "reserved"
    yard.robot("yardmaster")
    assert yard.rows("robots") == []
