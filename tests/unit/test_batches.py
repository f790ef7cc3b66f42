"""Batches: looked at, named by a hash, carried out a few rows a turn, each as a single command would have done it."""

from typing import Any

import pytest

from controller.core import Core
from controller.domain.batching import outlook
from controller.service import batch_rows, batches
from schemas.batch import FRESH_S, WILL, WILL_NOT
from schemas.commands import Caller, Frame
from schemas.status import TERMINAL, JobState
from tests.fakes.batching import apply, finish, preview, row, rows
from tests.fakes.yard import Yard, running


@pytest.fixture
def yard() -> Yard:
    """A yard with the flow `hello`; nobody serves the queue `main` yet."""
    made = Yard()
    made.flow()
    made.must("queue.put", queue="main")
    return made


def roll_back_a_turn(yard: Yard) -> None:
    """A turn whose commit fails; the core is told to read the store again."""
    yard.store.db.execute("begin")
    yard.core.tick(yard.instant())
    yard.store.pending.clear()
    yard.store.db.execute("rollback")
    yard.core.undo()


def refused(yard: Yard, **args: Any) -> str:
    """The code with which applying is refused."""
    answer = yard.ask("batch.apply", **args)
    assert answer.error is not None
    return answer.error.code


# ---------------------------------------------------------------- the preview
def test_a_preview_says_what_would_become_of_each_job_and_changes_nothing(yard: Yard) -> None:
    robot, runs = running(yard)
    queued, ended = yard.submit(), yard.submit()
    yard.must("job.cancel", job=ended)
    before = yard.rows("jobs")
    batch = preview(yard, "cancel", [runs, queued, ended, "nobody", queued])
    assert yard.rows("jobs") == before
    assert (batch["will"], batch["will_not"], batch["state"]) == (2, 2, "open")
    assert [(one["uid"], one["will"], one["code"]) for one in rows(yard, batch).values()] == [
        (runs, 1, "stops"), (queued, 1, "at_once"), (ended, 0, "ended"), ("nobody", 0, "not_found"),
    ]  # fmt: skip
    assert robot.all("cancel") == []


@pytest.mark.parametrize("action", ["cancel", "priority", "execute"])
@pytest.mark.parametrize("state", list(JobState))
def test_every_state_has_an_outlook_for_every_action(action: Any, state: JobState) -> None:
    found = outlook(action, state, parked=False, on_hold=True, priority=2000, wanted=9)
    assert found.code in (WILL if found.will else WILL_NOT)
    possible = {
        "cancel": state not in TERMINAL, "priority": state == JobState.QUEUED, "execute": state in TERMINAL,
    }  # fmt: skip
    assert found.will == possible[action]


def test_what_is_parked_is_held_up_while_a_robot_is_on_hold(yard: Yard) -> None:
    def found(*, parked: bool, on_hold: bool) -> tuple[bool, str]:
        return outlook("cancel", JobState.QUEUED, parked=parked, on_hold=on_hold, priority=1, wanted=None)

    assert found(parked=True, on_hold=True) == (False, "held_up")
    assert found(parked=True, on_hold=False) == (True, "at_once")
    assert found(parked=False, on_hold=True) == (True, "at_once")


def test_a_large_preview_is_made_turn_by_turn(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(450)]
    uid = yard.must("batch.preview", action="cancel", ids=jobs)["batch"]
    assert row(yard, uid)["state"] == "collecting"
    assert batches.AT_ONCE <= len(yard.rows("batch_rows")) < 450
    assert refused(yard, batch=uid, hash="0" * 64) == "batch.stale"
    yard.tick(1, step=0.02)
    batch = row(yard, uid)
    assert (batch["state"], batch["will"], batch["position"]) == ("open", 450, 450)
    assert list(rows(yard, batch)) == jobs


def test_the_hash_names_the_rows(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(3)]
    hashes = {
        preview(yard, "cancel", jobs)["hash"],
        preview(yard, "cancel", jobs[:2])["hash"],
        preview(yard, "priority", jobs, priority=7)["hash"],
        preview(yard, "priority", jobs, priority=8)["hash"],
    }
    assert len(hashes) == 4


def test_a_priority_goes_with_its_action_alone(yard: Yard) -> None:
    job = yard.submit()
    for args in ({"action": "priority"}, {"action": "cancel", "priority": 3}, {"action": "sing"}):
        answer = yard.ask("batch.preview", ids=[job], **args)
        assert answer.error is not None
        assert answer.error.code == "request.invalid"


# ---------------------------------------------------------------- applying
def test_batch_tick_rows_then_set_priority_execute_or_cancel_for_all_of_them(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(5)]
    found = apply(yard, preview(yard, "priority", jobs, priority=4500))
    assert {one["result"] for one in found.values()} == {"done"}
    assert {yard.job(job)["priority"] for job in jobs} == {4500}
    found = apply(yard, preview(yard, "cancel", jobs), reason="line 3 stands")
    assert {yard.state(job) for job in jobs} == {"cancelled"}
    why = [event["why"] for event in yard.rows("events") if event["event"] == "cancel"]
    assert why == ["line 3 stands"] * 5
    found = apply(yard, preview(yard, "execute", jobs))
    made = [found[job]["made"] for job in jobs]
    assert [yard.job(one)["rerun_of"] for one in made] == jobs
    assert {yard.state(one) for one in made} == {"queued"}


def test_execute_makes_a_new_job_with_the_same_deployment_and_parameters(yard: Yard) -> None:
    """C30."""
    yard.must("deployment.put", deployment="d1", name="One", flow="hello", target={"queue": "main"}, priority=77)
    (job,) = yard.must("job.submit", deployment="d1", source={"type": "handheld", "device": "H7"})["jobs"]
    yard.must("job.cancel", job=job)
    made = yard.job(apply(yard, preview(yard, "execute", [job]))[job]["made"])
    old = yard.job(job)
    same = ("deployment", "parameters", "flow_version", "target", "priority", "source", "max_retries")
    assert [made[name] for name in same] == [old[name] for name in same]
    assert (made["rerun_of"], made["source_type"], made["state"]) == (job, "resend", "queued")


def test_a_job_that_changed_since_is_left_alone(yard: Yard) -> None:
    first, second, third = (yard.submit() for _ in range(3))
    batch = preview(yard, "cancel", [first, second, third])
    yard.must("job.priority", job=second, priority=9)
    yard.must("job.cancel", job=third)
    found = apply(yard, batch)
    assert [found[job]["result"] for job in (first, second, third)] == ["done", "changed", "changed"]
    assert [yard.state(job) for job in (first, second, third)] == ["cancelled", "queued", "cancelled"]


def test_what_a_single_command_would_refuse_is_refused(yard: Yard) -> None:
    job = yard.submit()
    yard.connection.execute("update jobs set parked = 1")
    batch = preview(yard, "cancel", [job])
    yard.robot("r1")
    yard.connection.execute("insert into holds (robot, reason, since) values ('r1', 'forced', 0)")
    yard.boot()
    found = apply(yard, row(yard, batch["uid"]))
    assert (found[job]["result"], found[job]["result_code"]) == ("refused", "job.parked")
    assert yard.state(job) == "queued"


def test_a_batch_is_applied_once_by_its_hash(yard: Yard) -> None:
    job = yard.submit()
    batch = preview(yard, "cancel", [job])
    assert refused(yard, batch=batch["uid"], hash="f" * 64) == "batch.stale"
    assert refused(yard, batch="no such", hash=batch["hash"]) == "batch.not_found"
    args = {"batch": batch["uid"], "hash": batch["hash"]}
    first = yard.ask("batch.apply", key="k1", **args)
    assert first.ok is not None
    again = yard.ask("batch.apply", key="k1", **args)
    assert (again.ok, again.replayed) == (first.ok, True)
    assert refused(yard, **args) == "batch.stale"


def test_a_preview_that_is_too_old_cannot_be_applied(yard: Yard) -> None:
    job = yard.submit()
    batch = preview(yard, "cancel", [job])
    yard.tick(FRESH_S - 1, step=60)
    assert row(yard, batch["uid"])["state"] == "open"
    yard.tick(2, step=2)
    assert refused(yard, batch=batch["uid"], hash=batch["hash"]) == "batch.stale"
    yard.tick(batches.SWEEP_S + 1, step=1)
    assert row(yard, batch["uid"])["state"] == "expired"
    assert yard.state(job) == "queued"


def test_so_many_previews_may_wait(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_OPEN", 2)
    job = yard.submit()
    first = preview(yard, "cancel", [job])
    preview(yard, "cancel", [job])
    answer = yard.ask("batch.preview", action="cancel", ids=[job])
    assert answer.error is not None
    assert answer.error.code == "rate.limited"
    apply(yard, first)
    yard.must("batch.preview", action="cancel", ids=[job])


def test_one_audit_row_a_batch_and_each_job_its_own_move(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(4)]
    batch = preview(yard, "cancel", jobs)
    caller = Caller(name="wang", role="operator", ip="10.0.0.7")
    frame = Frame(id=1, command="batch.apply", args={"batch": batch["uid"], "hash": batch["hash"]}, caller=caller)
    with yard.store.transaction():
        assert yard.core.command(yard.instant(), frame).error is None
    finish(yard, batch)
    audit = [one for one in yard.rows("audit") if one["action"].startswith("batch.")]
    assert [(one["action"], one["who"], one["ip"]) for one in audit] == [("batch.apply", "wang", "10.0.0.7")]
    moves = [one for one in yard.rows("events") if one["event"] == "cancel"]
    assert [(one["who"], one["new"]) for one in moves] == [("wang", "cancelled")] * 4


# ---------------------------------------------------------------- turns, restarts, trouble
def test_rows_are_carried_out_a_few_a_turn_while_others_are_served(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(700)]
    batch = preview(yard, "cancel", jobs)
    yard.must("batch.apply", batch=batch["uid"], hash=batch["hash"])

    def done() -> int:
        return sum(one["result"] is not None for one in yard.rows("batch_rows"))

    so_far = done()
    yard.now += batches.LATE_S / 2
    yard.submit()
    assert done() == so_far  # somebody waits for an answer
    yard.now += batches.LATE_S
    yard.submit()
    assert done() == (so_far := so_far + batches.BESIDE)  # but not for ever
    robot = yard.robot("r1", "elsewhere")
    yard.now += batches.OWN_EVERY_S / 2
    yard.tick()
    assert done() == so_far  # soon after it others go first
    robot.say({"kind": "log", "attempt": 1, "level": 1, "type": "print", "text": "hi"}, topic="log")
    assert done() == (so_far := so_far + batches.BESIDE)  # with the turn of a report
    yard.now += batches.OWN_EVERY_S
    yard.tick()
    assert done() == (so_far := so_far + batches.OWN)
    yard.now += batches.QUIET_S
    yard.tick()
    assert done() == so_far + batches.ALONE


def test_a_restart_in_the_middle_of_applying_goes_on_and_does_nothing_twice(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(90)]
    for job in jobs:
        yard.must("job.cancel", job=job)
    batch = preview(yard, "execute", jobs)
    yard.must("batch.apply", batch=batch["uid"], hash=batch["hash"])
    assert len(yard.rows("jobs")) == 90 + 2 * batches.BESIDE
    for _ in range(10):
        yard.boot()
        yard.tick()
    finish(yard, batch)
    found = rows(yard, batch)
    assert {one["result"] for one in found.values()} == {"done"}
    made = [yard.job(one["made"])["rerun_of"] for one in found.values()]
    assert made == jobs
    assert len(yard.rows("jobs")) == 180


def test_a_preview_in_the_making_is_lost_with_the_process(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(300)]
    uid = yard.must("batch.preview", action="cancel", ids=jobs)["batch"]
    yard.boot()
    yard.tick(1)
    assert row(yard, uid)["state"] == "expired"


def test_a_preview_can_be_applied_after_a_restart(yard: Yard) -> None:
    job = yard.submit()
    batch = preview(yard, "cancel", [job])
    yard.boot()
    assert apply(yard, batch)[job]["result"] == "done"


def test_a_turn_that_is_rolled_back_is_done_again(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(60)]
    batch = preview(yard, "cancel", jobs)
    yard.must("batch.apply", batch=batch["uid"], hash=batch["hash"])
    yard.now += 0.1
    before = sum(one["result"] is not None for one in yard.rows("batch_rows"))
    roll_back_a_turn(yard)
    assert sum(one["result"] is not None for one in yard.rows("batch_rows")) == before < 60
    finish(yard, batch)
    assert {one["result"] for one in rows(yard, batch).values()} == {"done"}
    assert len([one for one in yard.rows("events") if one["event"] == "cancel"]) == 60


def test_a_preview_that_is_rolled_back_goes_on_with_the_same_hash(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(450)]
    whole = preview(yard, "cancel", jobs)
    uid = yard.must("batch.preview", action="cancel", ids=jobs)["batch"]
    yard.now += 0.1
    roll_back_a_turn(yard)
    yard.tick(1, step=0.1)
    batch = row(yard, uid)
    assert (batch["state"], batch["position"], batch["will"]) == ("open", 450, 450)
    assert [one["n"] for one in rows(yard, batch).values()] == [one["n"] for one in rows(yard, whole).values()]


def test_a_defect_costs_one_row(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [yard.submit() for _ in range(5)]
    batch = preview(yard, "cancel", jobs)
    sound = batch_rows.RowWork._ask

    def broken(self: Any, action: Any, uid: str, *rest: Any) -> str | None:
        made = sound(self, action, uid, *rest)
        if uid == jobs[2]:
            raise KeyError("a defect")
        return made

    monkeypatch.setattr(batch_rows.RowWork, "_ask", broken)
    found = apply(yard, batch)
    assert [found[job]["result"] for job in jobs] == ["done", "done", "refused", "done", "done"]
    assert found[jobs[2]]["result_code"] == "internal"
    assert [yard.state(job) for job in jobs] == ["cancelled", "cancelled", "queued", "cancelled", "cancelled"]


def test_the_core_wants_another_turn_at_once_while_a_batch_is_applied(yard: Yard) -> None:
    jobs = [yard.submit() for _ in range(50)]
    batch = preview(yard, "cancel", jobs)
    assert isinstance(yard.core, Core)
    yard.tick(1)
    assert yard.core.wake_at > yard.now + batches.OWN_EVERY_S
    yard.must("batch.apply", batch=batch["uid"], hash=batch["hash"])
    assert yard.core.wake_at <= yard.now + batches.OWN_EVERY_S
    finish(yard, batch)
    yard.tick(1)
    assert yard.core.wake_at > yard.now + batches.OWN_EVERY_S
