"""What needs a person now: each with a sentence, since when, and what settles it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from controller.store import queries
from schemas.status import RobotState
from schemas.views import OpenMatter, OpenMatters, Queue, Robot, UnknownRobot
from web.console import troubles, words
from web.console.language import N_, _
from web.console.look import Look
from web.console.text import duration

SHOWN = 100
"""So many jobs, and so many things in all, are listed; all are counted."""


class Text(NamedTuple):
    """A text that is put into the reader's language where it is shown; its values may be such texts too."""

    text: str
    values: Mapping[str, object] = {}

    def __str__(self) -> str:
        return _(self.text, **self.values) if self.values else _(self.text)


class Joined(NamedTuple):
    """Whole sentences, one after the other."""

    texts: tuple[Text, ...]

    def __str__(self) -> str:
        said = [str(text) for text in self.texts]
        return "".join(f"{one} " if one.endswith(".") else one for one in said).strip()


class Seconds(NamedTuple):
    """A duration within a sentence."""

    seconds: float

    def __str__(self) -> str:
        return duration(self.seconds, words=True)


class Button(NamedTuple):
    """What settles it: a dialog that is asked for, or a place to look."""

    label: str
    path: str
    asks: bool = True


@dataclass(frozen=True)
class Need:
    """One thing; `sign` is its state's shape and colour, `rank` how much stands still because of it."""

    key: str
    rank: int
    sign: str
    head: Text
    text: Text | Joined
    since: str | None = None
    link: str | None = None
    buttons: tuple[Button, ...] = field(default=())


@dataclass(frozen=True)
class Needs:
    """What blocks most first, then what waits longest; `count` counts also what is not listed."""

    items: list[Need]
    count: int


_last: tuple[Look, Needs] | None = None


def found(look: Look) -> Needs:
    """Everything that needs a person; raises `Unreadable`. Gathered once for a look."""
    global _last  # noqa: PLW0603 - the same look is shown on many screens
    last = _last
    if last is None or last[0] is not look:
        last = (look, _gathered(look))
        _last = last
    return last[1]


def count(look: Look) -> int:
    """How many things need a person."""
    return found(look).count


def _gathered(look: Look) -> Needs:
    with look.backend.reader.reading() as db:
        matters = queries.open_matters(db, time.time_ns() // 1000, SHOWN)
    others = [*_of_health(look), *_of_robots(look, matters), *_of_queues(look)]
    jobs = [_of_job(look, one) for one in matters.items]
    ordered = sorted([*others, *jobs], key=lambda need: (need.rank, need.since or "", need.key))
    return Needs(ordered[:SHOWN], matters.total.value + len(others))


# ---------------------------------------------------------------- the box itself
def _of_health(look: Look) -> Iterator[Need]:
    for reason in (look.health or {}).get("reasons", ()):
        words_ = troubles.of(reason)
        if words_.needs:
            code = reason["code"]
            yield Need(f"box-{code}", 0, "failed", Text(words_.head), Text(words_.text), reason.get("since"))


# ---------------------------------------------------------------- jobs
def _of_job(look: Look, one: OpenMatter) -> Need:
    path = f"/jobs/{one.job.id}"
    values: dict[str, Any] = {
        "job": one.job.deployment_name or one.job.deployment or one.job.flow,
        "robot": one.robot or "–",
        "block": None if one.block is None else one.block.block_name or one.block.block,
    }
    robot = look.by_id.get(one.robot or "")
    rank, head, text, buttons = _JOBS[one.kind](values, robot is not None and bool(robot.load))
    asked = tuple(Button(label, f"{path}/{verb}") for label, verb in buttons)
    sign = "on_hold" if one.kind == "parked" else one.kind
    said = (Text(head, values), Text(text, values))
    return Need(f"job-{one.job.id}", rank, sign, *said, one.since, path, asked)


_Words = tuple[int, str, str, tuple[tuple[str, str], ...]]


def _uncertain(values: Mapping[str, Any], loaded: bool) -> _Words:
    head = N_("%(robot)s went silent with a load") if loaded else N_("%(robot)s went silent")
    text = (
        N_("“%(job)s” at “%(block)s”. Nobody knows whether the robot stands.")
        if values["block"]
        else N_("“%(job)s”. Nobody knows whether the robot stands.")
    )
    return 1, head, text, ((N_("Decide…"), "decide"),)


def _cancelling(_values: Mapping[str, Any], _loaded: bool) -> _Words:
    head = N_("%(robot)s does not answer a cancel")
    text = N_("It was told to stop “%(job)s” and has not said that it did. The job stays open until it does.")
    return 3, head, text, ((N_("Decide…"), "decide"),)


def _parked(_values: Mapping[str, Any], _loaded: bool) -> _Words:
    head = N_("“%(job)s” may have run already")
    text = N_("The box was restored since. Release the job if it is to run now, or cancel it.")
    return 4, head, text, ((N_("Release the job…"), "release"), (N_("Cancel…"), "cancel"))


def _paused(values: Mapping[str, Any], _loaded: bool) -> _Words:
    head = N_("“%(job)s” is paused")
    text = (
        N_("%(robot)s waits at “%(block)s” and takes no other work.")
        if values["block"]
        else N_("%(robot)s waits and takes no other work.")
    )
    return 5, head, text, ((N_("Resume…"), "resume"), (N_("Cancel…"), "cancel"))


_JOBS = {"uncertain": _uncertain, "cancelling": _cancelling, "parked": _parked, "paused": _paused}


# ---------------------------------------------------------------- robots
def _of_robots(look: Look, matters: OpenMatters) -> Iterator[Need]:
    """A robot whose silence is told by its job already is not told twice, nor are all when none can be reached."""
    told = {one.robot for one in matters.items if one.kind in ("uncertain", "cancelling")}
    reached = (
        look.heard_at is not None and (look.health or {}).get("parts", {}).get("broker", {}).get("state") != "down"
    )
    for robot in look.robots:
        if robot.holds:
            yield _on_hold(robot)
        elif robot.state is RobotState.OFFLINE and robot.enabled and reached and robot.id not in told:
            yield _offline(robot)
    for one in look.unknown:
        yield _never_added(one)


def _on_hold(robot: Robot) -> Need:
    why = [Text(words.HOLDS.get(one.reason, one.reason)) for one in robot.holds]
    rest = Text(N_("It gets no work until it says that it is idle, or somebody has seen it stand."))
    head = Text(N_("%(robot)s is on hold"), {"robot": robot.id})
    button = Button(N_("Release…"), f"/robots/{quote(robot.id)}/release")
    since = min(one.since for one in robot.holds)
    return Need(
        f"robot-{robot.id}", 2, "on_hold", head, Joined((*why, rest)), since, f"/robots#{quote(robot.id)}", (button,)
    )


def _offline(robot: Robot) -> Need:
    if robot.last_seen is None:
        text = N_("It has not been heard since the box started. Start its agent, or disable it if that is meant so.")
    elif robot.held:
        text = N_("It holds a job and nothing is heard from it. Look whether it stands.")
    else:
        text = N_("It gets no work until it is heard again. Look at its power and network.")
    link = f"/robots#{quote(robot.id)}"
    head = Text(N_("%(robot)s is offline"), {"robot": robot.id})
    button = Button(N_("See the robot"), link, asks=False)
    return Need(f"robot-{robot.id}", 6, "offline", head, Text(text), robot.last_seen, link, (button,))


def _never_added(one: UnknownRobot) -> Need:
    head = Text(N_("%(robot)s reports, but was never added"), {"robot": one.robot})
    text = Text(N_("It gets no work until somebody who knows it adds it."))
    button = Button(N_("Add it…"), f"/robots/{quote(one.robot, safe='')}/accept")
    return Need(f"unknown-{one.robot}", 8, "uncertain", head, text, one.since, None, (button,))


# ---------------------------------------------------------------- queues
def _of_queues(look: Look) -> Iterator[Need]:
    for queue in look.queues:
        if queue.waiting and not queue.robots:
            yield _nobody(queue, look.at)
        elif queue.oldest_wait_s and queue.wait_limit_s is not None and queue.oldest_wait_s > queue.wait_limit_s:
            yield _too_long(queue, look.at)


def since(seconds: float, at: datetime) -> str:
    """The moment so long ago, to the second: what is shown must not change with every look."""
    return (at - timedelta(seconds=seconds)).replace(microsecond=0).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _nobody(queue: Queue, at: datetime) -> Need:
    head = Text(N_("No robot serves the queue %(queue)s"), {"queue": queue.name or queue.id})
    text = Text(N_("Jobs wait there for ever. Put a robot into the queue, or cancel them."))
    return _queue_need(queue, 2, head, text, since(queue.oldest_wait_s or 0, at))


def _too_long(queue: Queue, at: datetime) -> Need:
    over = (queue.oldest_wait_s or 0) - (queue.wait_limit_s or 0)
    head = Text(N_("%(queue)s: jobs wait too long"), {"queue": queue.name or queue.id})
    values = {"jobs": queue.waiting, "limit": Seconds(queue.wait_limit_s or 0)}
    text = Text(N_("%(jobs)s waiting; the oldest is over the limit of %(limit)s."), values)
    return _queue_need(queue, 7, head, text, since(over, at))


def _queue_need(queue: Queue, rank: int, head: Text, text: Text, at: str) -> Need:
    link = f"/jobs?queue={quote(queue.id)}&state=queued"
    return Need(
        f"queue-{queue.id}", rank, "on_hold", head, text, at, link, (Button(N_("See the jobs"), link, asks=False),)
    )
