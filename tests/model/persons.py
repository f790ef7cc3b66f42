"""What persons do in a history: cancel, end as failed, pause, decide about failed blocks, force, release."""

import random
import sqlite3
from functools import cached_property

from tests.model.world import World


class Persons(World):
    """A world with people; what decides about debug mode and set-error are dice of their own, so others stay."""

    @property
    def is_debugging(self) -> bool:
        """In one history of five most jobs are debugged."""
        return self.seed % 5 == 4

    @cached_property
    def luck(self) -> random.Random:
        """What decides about debug mode."""
        return random.Random(f"debug {self.seed}")

    @cached_property
    def blame(self) -> random.Random:
        """What decides about set-error."""
        return random.Random(f"set error {self.seed}")

    @cached_property
    def blames(self) -> float:
        """How often somebody ends a job as failed, at each step."""
        return self.blame.choice((0, 0.01, 0.02, 0.05))

    def cancel(self) -> None:
        """A person cancels some job."""
        jobs = self.jobs()
        if jobs:
            uid = self.random.choice(jobs)["uid"]
            if self.is_debugging:
                self.wanted.pop(uid, None)
            self.word.pop(uid, None)
            self.ask("job.cancel", job=uid)

    def set_error(self) -> str | None:
        """A person ends some job as failed, mostly one that has not ended; the robot that now has to stop, if any."""
        jobs = (self.open_jobs() if self.blame.random() < 0.9 else None) or self.jobs()
        if not jobs or not self.up:
            return None
        state = self.blame.choice(sorted({job["state"] for job in jobs}))  # rare states as often as common ones
        uid = self.blame.choice([job["uid"] for job in jobs if job["state"] == state])
        self.wanted.pop(uid, None)
        self.word.pop(uid, None)
        answer = self.ask("job.set_error", job=uid, reason="the pallet is lost")
        if answer is not None and answer.ok is not None:
            self.word[uid] = "failed"
        row = self.row(uid)
        return row["robot"] if row and row["state"] == "cancelling" else None

    def operate(self) -> None:
        """Pause and resume; decide about blocks that failed in debug mode."""
        for row in self.open_jobs():
            if row["failed_path"] is not None and row["state"] == "paused" and self.luck.random() < 0.6:
                self.decide(row)
                return
            if self.is_debugging and self.luck.random() < 0.8:
                continue  # who debugs seldom pauses
            if row["state"] in ("running", "paused") and self.random.random() < 0.5:
                what = "pause" if row["state"] == "running" else "resume"
                if what == "resume" or self.chaos:
                    answer = self.ask(f"job.{what}", job=row["uid"])
                    if answer is not None and answer.ok is not None:
                        self.wanted[row["uid"]] = what
                return

    def decide(self, row: sqlite3.Row) -> None:
        """The failed block is run again, or everything undone; sometimes the person presses twice."""
        rerun = self.luck.random() < 0.6
        run = self.connection.execute(
            "select n, try from block_runs where attempt = ? and path = ? order by n desc",
            (row["attempt"], row["failed_path"]),
        ).fetchone()
        if rerun:
            self.to_run_again.add((row["attempt"], row["failed_path"], run["try"]))
        for _ in range(self.luck.choice((1, 1, 2))):
            self.wanted.pop(row["uid"], None)
            if rerun:
                answer = self.ask("job.rerun_block", job=row["uid"], run=f"{row['attempt']}.{run['n']}")
            else:
                answer = self.ask("job.rollback", job=row["uid"])
            if answer is not None and answer.ok is not None:
                self.wanted[row["uid"]] = f"{row['attempt']} {row['failed_path']} {run['try']}"

    def force(self) -> None:
        """A person's word where no robot answers."""
        for row in self.open_jobs():
            if row["state"] in ("uncertain", "cancelling") and self.random.random() < 0.4:
                outcome = self.random.choice(("cancelled", "failed"))
                self.forced.add(row["uid"])
                answer = self.ask("job.force", job=row["uid"], outcome=outcome, reason="seen on site")
                if answer is not None and answer.error is not None:
                    self.forced.discard(row["uid"])
                return

    def person(self) -> None:
        """Decides what only a person may."""
        self.force()
        self.operate()
        for row in self.connection.execute("select distinct robot from holds").fetchall():
            bodies = [m for m in self.machines.values() if m.robot == row["robot"]]
            if not any(m.body.moving or len(m.core.hands) for m in bodies):
                self.ask("robot.release", robot=row["robot"], reason="looked at it")
        for job in self.open_jobs():
            if job["parked"]:
                self.by_person.add(job["uid"])
                self.ask("job.release", job=job["uid"], reason="it did not run")
