"""The scripted scenario: acts that submit and command jobs, and what must have become of each."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cli.client import Client, Refused
from cli.job import ENDED
from cli.stage import Stage

Job = dict[str, Any]
SOON_S, ALL_S = 25.0, 50.0
AGVS = ("agv-1", "agv-2", "agv-3")
STOPS = ("A1", "B1", "B2", "A2")


class Row(NamedTuple):
    """One line of the outcome: what was tried, with how many jobs, what had to come out, what did."""

    what: str
    jobs: int
    expected: str
    got: str

    @property
    def is_good(self) -> bool:
        """It came out as it had to."""
        return self.expected == self.got


class Play:
    """The box as the acts use it."""

    def __init__(self, client: Client, stage: Stage) -> None:
        self.client = client
        self.stage = stage

    def submit(self, flow: str, key: str | None = None, **more: Any) -> list[str]:
        """Submit and give the ids of the jobs made; a queue is the usual target."""
        target = {"robots": list(more.pop("robots"))} if "robots" in more else {"queue": more.pop("queue", "agv")}
        made = self.client.post("/jobs", {"flow": flow, "target": target} | more, key=key)
        return [str(job["id"]) for job in made["items"]]

    def job(self, job: str) -> Job:
        """A job as it stands."""
        found: Job = self.client.get(f"/jobs/{job}")
        return found

    def until(self, job: str, *states: str) -> None:
        """Wait until a job is in one of these states."""
        what = f"job {job} is {' or '.join(states)}"
        self.stage.wait_for(lambda: self.job(job)["state"] in states, SOON_S, what)

    def moved(self, job: str) -> set[str]:
        """Every state a job has been in."""
        return {str(event["new"]) for event in self.client.every(f"/jobs/{job}/events") if event["new"]}


class Act(NamedTuple):
    """Something to try: `begin` submits and commands and names its jobs, `judge` reads what became of them."""

    what: str
    expected: str
    begin: Callable[[Play], list[str]]
    judge: Callable[[Play, list[Job]], str]


def states(_: Play, jobs: list[Job]) -> str:
    """How the jobs ended, counted."""
    ends = [job["state"] for job in jobs]
    return ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(ends))


# ------------------------------------------------------------ priorities
ORDER = (("low", 10), ("high", 3000), ("first", 2000), ("second", 2000), ("late", 20))


def _queue_up(play: Play) -> list[str]:
    """Submit while the only robot of the lane takes nothing, so that the order is decided by priority alone."""
    play.client.post("/robots/lane-1/drain", {"reason": "the order is being made up"})
    jobs = [play.submit("tick", queue="lane", priority=priority)[0] for _, priority in ORDER]
    play.client.patch(f"/jobs/{jobs[-1]}", {"priority": 5000, "reason": "a truck is waiting"})
    return jobs


def _order(play: Play, jobs: list[Job]) -> str:
    names = {job["id"]: name for job, (name, _) in zip(jobs, ORDER, strict=True)}
    started = sorted((job for job in jobs if job["started_at"]), key=lambda job: str(job["started_at"]))
    return ", ".join(names[job["id"]] for job in started) + f"; {states(play, jobs)}"


def _cancel_queued(play: Play) -> list[str]:
    """The lane still takes nothing; afterwards it may."""
    jobs = play.submit("tick", queue="lane")
    play.client.post(f"/jobs/{jobs[0]}/cancel", {"reason": "not needed"})
    play.client.post("/robots/lane-1/enable", {"reason": "go"})
    return jobs


def _never_started(play: Play, jobs: list[Job]) -> str:
    return f"{states(play, jobs)} after {jobs[0]['attempt_count']} attempts"


# ------------------------------------------------------------ failures
def _inspect_twice(play: Play) -> list[str]:
    first = play.submit("inspect", queue="camera")
    play.until(first[0], *ENDED)
    return first + play.submit("inspect", queue="camera", max_retries=2)


def _attempts(play: Play, jobs: list[Job]) -> str:
    return f"{states(play, jobs)}; attempts {', '.join(str(job['attempt_count']) for job in jobs)}"


def _why(play: Play, jobs: list[Job]) -> str:
    return f"{_attempts(play, jobs)}; {(jobs[0]['reason'] or {}).get('message')}"


# ------------------------------------------------------------ commands
def _cancel_running(play: Play) -> list[str]:
    jobs = play.submit("watch", queue="guard")
    play.until(jobs[0], "running")
    play.stage.wait_for(lambda: play.client.get(f"/jobs/{jobs[0]}/blocks")["items"], SOON_S, "a block runs")
    play.client.post(f"/jobs/{jobs[0]}/cancel", {"reason": "changed my mind"})
    return jobs


def _pause_and_resume(play: Play) -> list[str]:
    jobs = play.submit("two-steps", queue="guard")
    play.until(jobs[0], "running")
    play.client.post(f"/jobs/{jobs[0]}/pause", {"reason": "somebody is in the way"})
    play.until(jobs[0], "paused")
    play.client.post(f"/jobs/{jobs[0]}/resume", {"reason": "the way is free"})
    return jobs


def _was_paused(play: Play, jobs: list[Job]) -> str:
    return f"{'paused' if 'paused' in play.moved(jobs[0]['id']) else 'never paused'}, then {states(play, jobs)}"


# ------------------------------------------------------------ robots, flows, keys
def _on_robots(play: Play, jobs: list[Job]) -> str:
    return f"{states(play, jobs)} on {', '.join(sorted(str(job['robot']) for job in jobs))}"


def _carry(play: Play) -> list[str]:
    ways = [("A1", "B1"), ("A2", "B2"), ("B1", "A2"), ("B2", "A1"), ("A1", "B2"), ("A2", "B1")]
    given = [{"priority": 1000 + 500 * i, "parameters": {"start": a, "end": b}} for i, (a, b) in enumerate(ways)]
    return [job for one in given for job in play.submit("shuttle", None, **one)]


def _tour(play: Play) -> list[str]:
    return play.submit("tour", parameters={"stops": list(STOPS)})


def _visited(play: Play, jobs: list[Job]) -> str:
    runs = play.client.every(f"/jobs/{jobs[0]['id']}/blocks")
    results = [run["outputs"]["result"] for run in runs if run["kind"] == "CAgvOperationBp" and run["outputs"]]
    return f"{states(play, jobs)}; {', '.join(sorted(str(result['site']) for result in results))}"


def _decided(play: Play, jobs: list[Job]) -> str:
    ran = {run["block_name"] for run in play.client.every(f"/jobs/{jobs[0]['id']}/blocks")}
    way = "approve" if "approve" in ran else "book" if "book" in ran else "neither"
    return f"{states(play, jobs)}; {way}"


def _same_key_twice(play: Play) -> list[str]:
    given: dict[str, Any] = {"key": f"demo-{play.stage.data_dir.name}", "queue": "guard"}
    return play.submit("tick", **given) + play.submit("tick", **given)


def _once(_: Play, jobs: list[Job]) -> str:
    return f"{len({job['id'] for job in jobs})} job, {jobs[0]['state']}"


ACTS = (
    Act(
        "priorities on one robot, the last one jumps the queue",
        "late, high, first, second, low; 5 succeeded",
        _queue_up,
        _order,
    ),
    Act("cancelled while it waits", "1 cancelled after 0 attempts", _cancel_queued, _never_started),
    Act("six pallets for three AGVs", "6 succeeded", _carry, states),
    Act(
        "named robots, one job for each",
        f"3 succeeded on {', '.join(AGVS)}",
        lambda play: play.submit("tick", robots=AGVS, priority=4000),
        _on_robots,
    ),
    Act("a loop over stops", f"1 succeeded; {', '.join(sorted(STOPS))}", _tour, _visited),
    Act(
        "an RPA machine decides", "1 succeeded; approve", lambda play: play.submit("invoice", queue="office"), _decided
    ),
    Act(
        "fails by itself, is tried again, fails",
        "1 failed; attempts 2; the label is not readable",
        lambda play: play.submit("broken", max_retries=1),
        _why,
    ),
    Act(
        "a place that is not there",
        "1 failed; attempts 1",
        lambda play: play.submit("nowhere", queue="lane", max_retries=0),
        _attempts,
    ),
    Act("cancelled while it runs", "1 cancelled", _cancel_running, states),
    Act("paused, then resumed", "paused, then 1 succeeded", _pause_and_resume, _was_paused),
    Act("the camera fails every second time", "2 succeeded; attempts 1, 2", _inspect_twice, _attempts),
    Act("submitted twice under one key", "1 job, succeeded", _same_key_twice, _once),
)


def perform(client: Client, stage: Stage) -> tuple[list[Row], str]:
    """Play all acts, wait for every job's end, judge; also the id of the job whose result is worth a look."""
    play = Play(client, stage)
    made = [act.begin(play) for act in ACTS]
    everything = {job for jobs in made for job in jobs}
    stage.wait_for(lambda: _all_ended(play, everything), ALL_S, "all jobs have ended")
    rows = [_judge(play, act, jobs) for act, jobs in zip(ACTS, made, strict=True)]
    stage.wait_for(lambda: _idle(client), SOON_S, "all robots are free again")
    rows.append(Row("robots on hold afterwards", 0, "none", _on_hold(client)))
    return rows, made[[act.judge for act in ACTS].index(_visited)][0]


def _all_ended(play: Play, jobs: set[str]) -> bool:
    return all(play.job(job)["state"] in ENDED for job in jobs)


def _judge(play: Play, act: Act, jobs: list[str]) -> Row:
    try:
        got = act.judge(play, [play.job(job) for job in jobs])
    except (Refused, KeyError, TypeError) as error:
        got = f"cannot be judged: {error!r}"
    return Row(act.what, len(set(jobs)), act.expected, got)


def _idle(client: Client) -> bool:
    return not any(robot["held"] for robot in client.every("/robots"))


def _on_hold(client: Client) -> str:
    return ", ".join(robot["id"] for robot in client.every("/robots") if robot["holds"]) or "none"
