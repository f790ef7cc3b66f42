"""A batch does what single commands would have done, over random histories of jobs."""

import random
from typing import Any

import pytest

from tests.fakes.batching import apply, preview
from tests.fakes.yard import Yard


def histories(seed: int) -> tuple[Yard, list[str]]:
    """A yard with jobs in all sorts of states; the same for the same seed."""
    chance = random.Random(seed)
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    yard.must("queue.put", queue="nobody")
    robots = [yard.robot(f"r{n}") for n in range(3)]
    jobs = [
        yard.submit(target={"queue": chance.choice(["main", "nobody"])}, priority=chance.choice([10, 2000, 4000]))
        for _ in range(14)
    ]
    for robot in robots:
        fate = chance.choice(["offered", "running", "succeeded", "paused", "cancelling"])
        if robot.all("assign") and fate != "offered":
            robot.accept()
            if fate in ("succeeded", "paused"):
                robot.say(robot.about(fate))
            elif fate == "cancelling":
                yard.must("job.cancel", job=robot.last("assign")["job"])
    for job in chance.sample(jobs, 4):
        yard.ask("job.cancel", job=job)
    chance.shuffle(jobs)
    return yard, jobs


def picture(yard: Yard, jobs: list[str]) -> list[tuple[Any, ...]]:
    """Everything about jobs that does not depend on when they were asked for, new ones by what they come from."""
    place = {job: n for n, job in enumerate(jobs)}
    names = ("state", "priority", "intention", "cancelled_while", "reason", "deployment", "parameters", "source_type")
    found = [
        (place.get(one["uid"], -1), place.get(one["rerun_of"], -1), *(one[name] for name in names))
        for one in yard.rows("jobs")
    ]
    return sorted(found, key=repr)


@pytest.mark.parametrize("action", ["cancel", "priority", "execute"])
@pytest.mark.parametrize("seed", range(25))
def test_preview_and_apply_do_what_single_commands_would_have_done(seed: int, action: str) -> None:
    one_by_one, jobs = histories(seed)
    at_once, same = histories(seed)
    assert picture(one_by_one, jobs) == picture(at_once, same)
    found = apply(at_once, preview(at_once, action, same, **({"priority": 4000} if action == "priority" else {})))
    command = {"cancel": "job.cancel", "priority": "job.priority", "execute": "job.rerun"}[action]
    more: dict[str, Any] = {"priority": 4000} if action == "priority" else {}
    for mine, other in zip(jobs, same, strict=True):
        had = one_by_one.job(mine)["priority"]
        answer = one_by_one.ask(command, job=mine, **more)
        equal = action == "priority" and had == 4000
        assert (found[other]["result"] == "done") == (answer.ok is not None and not equal), (mine, answer)
    assert picture(one_by_one, jobs) == picture(at_once, same)
    cancels = [sum(out.kind == "cancel" for out in yard.sent) for yard in (one_by_one, at_once)]
    assert cancels[0] == cancels[1]
