"""Schedules fire each moment once, whatever the wall clock and the box do."""

import json

import pytest

from controller.store.connection import Store
from schemas.ids import uuid7
from tests.fakes.clockwork import SECOND, Clockwork

HOURLY = {"cron": "0 * * * *"}


@pytest.fixture
def yard() -> Clockwork:
    return Clockwork()


# ---------------------------------------------------------------- jobs
def test_a_queue_gets_one_job_and_named_robots_get_one_each(yard: Clockwork) -> None:
    for name in ("r1", "r2"):
        yard.robot(name)
    yard.must("deployment.put", deployment="each", name="E", flow="hello", target={"robots": ["r1", "r2"]})
    yard.schedule("one", **HOURLY)
    yard.schedule("each", deployment="each", **HOURLY)
    yard.tick(120)
    assert [job["target"] for job in yard.made("one")] == ["q:main"]
    assert [job["target"] for job in yard.made("each")] == ["r:r1", "r:r2"]
    assert len({job["run"] for job in yard.made("each")}) == 1
    assert yard.outcome("each") == [("r1", None), ("r2", None)]


def test_a_job_of_a_schedule_says_where_it_comes_from(yard: Clockwork) -> None:
    source = {"system": "MES", "device": "line 3", "remarks": "every hour"}
    yard.schedule("plain", **HOURLY)
    yard.schedule("named", source=source, **HOURLY)
    yard.tick(120)
    (plain,), (named,) = yard.made("plain"), yard.made("named")
    assert plain["source_type"] == named["source_type"] == "schedule"
    assert plain["firing"] == yard.firings("plain")[0]["uid"]
    assert json.loads(plain["source"]) == {"type": "schedule", "user": "local", "time": "2026-01-31T08:00:00Z"}
    assert json.loads(named["source"]) == source | {"type": "schedule", "time": "2026-01-31T08:00:00Z"}


def test_a_job_is_made_at_the_time_and_waits_if_no_robot_is_free(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(59)
    assert yard.made() == []
    yard.tick(2)
    (job,) = yard.made()
    assert (job["state"], job["created_at"] // SECOND % 3600) == ("queued", 0)


def test_the_job_goes_to_a_free_robot_in_the_same_turn(yard: Clockwork) -> None:
    yard.robot("r1")
    yard.schedule(**HOURLY)
    yard.tick(61, beating=True)
    assert yard.made()[0]["state"] == "assigned"


def test_jobs_use_the_deployment_as_it_is_then(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"queue": "main"}, priority=4321)
    yard.tick(120)
    assert yard.made()[0]["priority"] == 4321


def test_once_fires_once(yard: Clockwork) -> None:
    yard.schedule(at="2026-01-31T08:30:00Z")
    yard.tick(7200, step=30)
    assert yard.due() == ["08:30:00"]


def test_every_execution_makes_one_run_instance_and_max_retries_3_makes_at_most_4(yard: Clockwork) -> None:
    robot = yard.robot("r1")
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"queue": "main"}, max_retries=3)
    yard.schedule(at="2026-01-31T08:00:00Z")
    yard.tick(61, beating=True)
    (job,) = yard.made()
    for _ in range(9):
        if yard.state(job["uid"]) == "assigned":
            robot.accept()
            robot.say(robot.about("failed", reason="no paper"))
        yard.must("robot.release", robot="r1", reason="it stands still")
        yard.tick(8, beating=True)
    attempts = [row for row in yard.rows("attempts") if row["job"] == job["id"]]
    assert (len(attempts), yard.state(job["uid"])) == (4, "failed")


# ---------------------------------------------------------------- skipped targets
def test_a_disabled_deployment_skips_every_target_and_says_so(yard: Clockwork) -> None:
    for name in ("r1", "r2"):
        yard.robot(name)
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"robots": ["r1", "r2"]}, enabled=False)
    yard.schedule(**HOURLY)
    yard.tick(120)
    assert yard.outcome() == [("r1", "deployment.disabled"), ("r2", "deployment.disabled")]
    assert yard.made() == []
    assert all(row["reason"] and row["flow"] == "hello" for row in yard.rows("firing_rows"))


def test_a_robot_that_was_removed_is_skipped_and_the_others_go_on(yard: Clockwork) -> None:
    for name in ("r1", "r2", "r3"):
        yard.robot(name)
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"robots": ["r1", "r2", "r3"]})
    yard.schedule(**HOURLY)
    yard.must("robot.delete", robot="r2")
    yard.tick(120)
    assert yard.outcome() == [("r1", None), ("r2", "robot.not_found"), ("r3", None)]
    jobs = {row["n"]: row["job"] for row in yard.rows("firing_rows")}
    targets = {row["id"]: row["target"] for row in yard.rows("jobs")}
    assert [targets.get(jobs[n]) for n in (1, 2, 3)] == ["r:r1", None, "r:r3"]


def test_a_deployment_that_was_removed_leaves_one_skipped_row(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.must("deployment.delete", deployment="d")
    yard.tick(120)
    assert yard.outcome() == [(None, "deployment.not_found")]


def test_a_submission_that_is_refused_is_skipped_with_what_was_wrong(yard: Clockwork) -> None:
    param = {"name": "to", "label": "To", "type": "String", "required": True, "remark": ""}
    flow = {"inputParams": [param], "outputParams": [], "rootBlock": {"id": -1, "name": "-1", "blockType": "RootBp",
            "inputParams": {}, "children": {"default": []}}}  # fmt: skip
    yard.flow("needy", flow)
    yard.must("deployment.put", deployment="d", name="D", flow="needy", target={"queue": "main"})
    yard.schedule(**HOURLY)
    yard.tick(120)
    assert yard.outcome() == [(None, "request.invalid")]
    assert "value is required" in yard.rows("firing_rows")[0]["reason"]


def test_overlap_skip_waits_for_the_end_of_the_last_job_of_each_target(yard: Clockwork) -> None:
    for name in ("r1", "r2"):
        yard.robot(name)
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"robots": ["r1", "r2"]})
    yard.schedule(overlap="skip", **HOURLY)
    yard.tick(120, step=30)
    first = yard.made()
    yard.must("job.cancel", job=first[0]["uid"])
    yard.tick(7200, step=30)
    assert yard.outcome()[2:] == [("r1", None), ("r2", "overlap"), ("r1", "overlap"), ("r2", "overlap")]
    assert first[1]["uid"] in yard.rows("firing_rows")[3]["reason"]


def test_overlap_is_allowed_unless_it_is_not(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(7200, step=30)
    assert len(yard.made()) == 2


def test_another_schedule_of_the_same_deployment_is_no_overlap(yard: Clockwork) -> None:
    yard.schedule("a", **HOURLY)
    yard.schedule("b", overlap="skip", **HOURLY)
    yard.tick(120)
    assert len(yard.made("b")) == 1


# ---------------------------------------------------------------- I16: clocks
def test_a_clock_that_jumps_back_fires_nothing_twice_and_waits(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(7200, step=30)
    assert yard.due() == ["08:00:00", "09:00:00"]
    yard.jump(-3600)
    yard.tick(3600, step=30)
    assert yard.due() == ["08:00:00", "09:00:00"]
    yard.tick(3600, step=30)
    assert yard.due() == ["08:00:00", "09:00:00", "10:00:00"]


@pytest.mark.parametrize("seconds", [1, 59, 3600, 86_400, 31_536_000])
def test_any_jump_there_and_back_fires_each_moment_once_at_most(yard: Clockwork, seconds: int) -> None:
    yard.schedule("cron", **HOURLY)
    yard.schedule("grid", every_s=60, catch_up=True)
    for jump in (seconds, -seconds, -seconds, seconds):
        yard.jump(jump)
        yard.tick(130, step=10)
    for name in ("cron", "grid"):
        due = [row["due_at"] for row in yard.firings(name)]
        assert due == sorted(set(due))


def test_a_jump_within_the_grace_still_fires(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.jump(119)
    assert yard.due() == ["08:00:00"]
    assert len(yard.made()) == 1


def test_what_was_missed_is_skipped_once_with_a_row_a_target(yard: Clockwork) -> None:
    for name in ("r1", "r2"):
        yard.robot(name)
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"robots": ["r1", "r2"]})
    yard.schedule(**HOURLY)
    yard.down(4 * 3600)
    (firing,) = yard.firings()
    assert (firing["code"], yard.due()) == ("missed", ["11:00:00"])
    assert "4 in all" in firing["reason"]
    assert yard.outcome() == [("r1", "missed"), ("r2", "missed")]
    yard.tick(3600, step=30)
    assert yard.due() == ["11:00:00", "12:00:00"]


def test_catching_up_makes_what_was_missed_once(yard: Clockwork) -> None:
    yard.schedule(catch_up=True, **HOURLY)
    yard.down(4 * 3600)
    (firing,) = yard.firings()
    assert (firing["code"], yard.due(), len(yard.made())) == ("caught_up", ["11:00:00"], 1)


def test_catching_up_leaves_it_to_the_one_that_is_due_now(yard: Clockwork) -> None:
    yard.schedule(catch_up=True, **HOURLY)
    yard.down(3600 + 65)
    assert [(row["code"], due) for row, due in zip(yard.firings(), yard.due(), strict=True)] == [
        ("missed", "08:00:00"), (None, "09:00:00"),
    ]  # fmt: skip
    assert len(yard.made()) == 1


def test_a_year_of_seconds_is_one_missed_firing(yard: Clockwork) -> None:
    yard.schedule(every_s=1)
    yard.jump(31_536_000)
    codes = [row["code"] for row in yard.firings()]
    assert codes.count("missed") == 1
    assert "more than 100" in next(row["reason"] for row in yard.firings() if row["code"])
    assert len(codes) <= 62


def test_a_restart_neither_loses_nor_doubles_a_firing(yard: Clockwork) -> None:
    yard.schedule(every_s=10)
    for _ in range(12):
        yard.tick(7, step=1)
        yard.down(1)
    due = [row["due_at"] // SECOND for row in yard.firings()]
    assert due == list(range(due[0], due[-1] + 1, 10))
    assert len(due) == 9
    assert len(yard.made()) == len(due)


def _a_turn_that_fails(yard: Clockwork) -> None:
    with yard.store.transaction():
        yard.core.tick(yard.instant())
        raise ZeroDivisionError


def test_what_is_rolled_back_is_made_again(yard: Clockwork) -> None:
    yard.schedule(every_s=10)
    yard.now += 10
    with pytest.raises(ZeroDivisionError):
        _a_turn_that_fails(yard)
    assert yard.firings() == []
    yard.core.undo()
    yard.tick()
    assert (len(yard.firings()), len(yard.made())) == (1, 1)


# ---------------------------------------------------------------- changes by people
def test_what_was_due_while_it_was_off_does_not_fire(yard: Clockwork) -> None:
    yard.schedule(catch_up=True, enabled=False, **HOURLY)
    yard.tick(3600 + 120, step=30)
    yard.must("schedule.enable", schedule="s")
    yard.tick(60)
    assert yard.firings() == []
    yard.tick(3600, step=30)
    assert yard.due() == ["10:00:00"]
    yard.must("schedule.disable", schedule="s", reason="holiday")
    yard.tick(3600, step=30)
    assert len(yard.firings()) == 1


def test_stopping_a_record_stops_its_schedule_until_somebody_enables_it(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(120)
    yard.must("record.stop", job=yard.made()[0]["uid"])
    yard.tick(3600, step=30)
    assert yard.due() == ["08:00:00"]
    assert yard.must("schedule.put", schedule="s", name="S", deployment="d", zone="UTC", **HOURLY)["changed"] is True
    yard.tick(3600, step=30)
    assert yard.due() == ["08:00:00", "10:00:00"]


def test_off_and_on_again_does_not_fire_the_same_moment_twice(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(90)
    yard.jump(-60)
    yard.must("schedule.disable", schedule="s")
    yard.must("schedule.enable", schedule="s")
    yard.tick(90)
    assert yard.due() == ["08:00:00"]
    assert len(yard.made()) == 1
    yard.tick(3600, step=30)
    assert yard.due() == ["08:00:00", "09:00:00"]


def test_what_has_been_seen_to_is_written_down_and_only_grows(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    seen = [yard.rows("schedules")[0]["done_until"]]
    for jump in (120, 3600, -7200, 86_400, -86_400):
        yard.jump(jump)
        yard.down(1)
        seen.append(yard.rows("schedules")[0]["done_until"])
    assert seen == sorted(seen)
    assert seen[-1] == max(row["due_at"] for row in yard.firings())


def test_a_clock_that_once_ran_ahead_is_mended_by_switching_on_again(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.jump(31_536_000)
    yard.jump(-31_536_000)
    yard.tick(3600, step=30)
    assert len(yard.firings()) == 1
    yard.must("schedule.disable", schedule="s")
    yard.must("schedule.enable", schedule="s")
    yard.tick(3600, step=30)
    assert yard.due()[1:] == ["09:00:00"]


def test_new_times_begin_now_and_another_name_changes_nothing(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.must("schedule.put", schedule="s", name="Other", deployment="d", zone="UTC", **HOURLY)
    yard.tick(120)
    assert yard.due() == ["08:00:00"]
    yard.must("schedule.put", schedule="s", name="Other", deployment="d", zone="UTC", every_s=1800)
    yard.tick(3600, step=30)
    assert yard.due() == ["08:00:00", "08:30:00", "09:00:00"]


def test_removing_a_schedule_keeps_its_firings(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(120)
    yard.must("schedule.delete", schedule="s")
    yard.tick(7200, step=60)
    assert (yard.rows("schedules"), len(yard.firings())) == ([], 1)


def test_versions_guard_against_others_changes(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    refused = yard.ask("schedule.put", schedule="s", name="S", deployment="d", every_s=5, if_match=7)
    assert refused.error is not None
    assert refused.error.code == "version.mismatch"
    assert yard.must("schedule.put", schedule="s", name="S", deployment="d", zone="UTC", **HOURLY)["changed"] is False
    assert yard.must("schedule.put", schedule="s", name="S", deployment="d", every_s=5, if_match=1)["version"] == 2


@pytest.mark.parametrize("command", ["schedule.enable", "schedule.disable", "schedule.delete"])
def test_what_is_not_there_is_said_to_be_missing(yard: Clockwork, command: str) -> None:
    refused = yard.ask(command, schedule="nope")
    assert refused.error is not None
    assert refused.error.code == "schedule.not_found"


def test_a_schedule_needs_a_deployment_that_is_there(yard: Clockwork) -> None:
    refused = yard.ask("schedule.put", schedule="s", name="S", deployment="nope", **HOURLY)
    assert refused.error is not None
    assert refused.error.details[0].path == "/deployment"


# ---------------------------------------------------------------- nothing of it stops the controller
def test_a_defect_in_one_schedule_stops_neither_the_others_nor_the_controller(
    yard: Clockwork,
) -> None:
    yard.schedule("good", **HOURLY)
    yard.schedule("bad", deployment="d", **HOURLY)
    yard.connection.execute("update deployments set body = '{}' where id = 'd'")
    yard.tick(120)
    assert yard.made("good") == []
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"queue": "main"}, priority=5)
    yard.schedule("good", every_s=1800)
    yard.tick(1800, step=30)
    assert len(yard.made("good")) == 1


def test_a_schedule_that_cannot_be_read_is_left_out(yard: Clockwork) -> None:
    yard.schedule("good", **HOURLY)
    yard.schedule("bad", **HOURLY)
    yard.connection.execute("update schedules set body = replace(body, '\"UTC\"', '\"Gone/Zone\"') where id = 'bad'")
    yard.down(1)
    yard.tick(120)
    assert (len(yard.made("good")), len(yard.made("bad"))) == (1, 0)


def test_many_at_once_are_made_a_part_a_turn(yard: Clockwork) -> None:
    for number in range(120):
        yard.schedule(f"s{number}", **HOURLY)
    yard.tick(60, step=60)
    made = len([job for job in yard.rows("jobs") if job["source_type"] == "schedule"])
    assert made == 50
    yard.tick(1)
    assert len([job for job in yard.rows("jobs") if job["source_type"] == "schedule"]) == 120


def test_the_store_refuses_a_second_firing_of_the_same_moment(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.tick(120)
    store: Store = yard.store
    due = yard.firings()[0]["due_at"]
    with pytest.raises(Exception, match="UNIQUE"):
        store.db.execute(
            "insert into firings (uid, schedule, due_at, fired_at, zone) values (?, 's', ?, 0, 'UTC')", (uuid7(), due)
        )


def test_every_change_of_a_schedule_is_audited_about_the_schedule(yard: Clockwork) -> None:
    yard.schedule(**HOURLY)
    yard.must("schedule.disable", schedule="s", reason="holiday")
    rows = [(row["action"], row["subject"], row["why"]) for row in yard.rows("audit")]
    assert rows[-2:] == [("schedule.put", "schedule:s", None), ("schedule.disable", "schedule:s", "holiday")]
