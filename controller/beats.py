"""Heartbeats: contact, what a robot holds against what the store says, journals that change hands."""

from controller.desk import Desk, encode
from controller.domain.lifecycle import LIFE, Cell, Event
from controller.memory import Live, Robot
from controller.moves import Moves
from controller.payload import assign_payload
from controller.reports import Reports
from controller.store import jobs, reports, robots
from schemas.messages import Ack, FailedRun, Heartbeat, Held
from schemas.status import JobState

_OF_JOURNAL = ("new_journal", "two_agents")
MOST_FOREIGN = 256
"""Holds and letters for what a robot says that it holds; a robot that makes up more is on hold anyway."""
_UNTIL_IDLE = ("restored", "unreadable")


class Beats:
    """Applies heartbeats."""

    def __init__(self, desk: Desk, moves: Moves, reports: Reports) -> None:
        self.desk = desk
        self.moves = moves
        self.reports = reports

    def receive(self, robot: Robot, beat: Heartbeat) -> None:
        """A heartbeat may move a job only when it is settled: nothing on its way, and not an old one."""
        if robot.journal is None:
            self.desk.change_robot(robot, journal=beat.journal)
        if beat.journal != robot.journal and not self._adopt(robot, beat):
            self._strange(robot, beat)
        else:
            self._known(robot, beat)
        self._answer(robot, beat)

    # ------------------------------------------------------------ another journal
    def _adopt(self, robot: Robot, beat: Heartbeat) -> bool:
        """An idle robot whose old journal was silent long enough came back with a new disk."""
        others = [h for h in robot.holds if h.reason not in _OF_JOURNAL]
        if robot.slots or others or self.desk.now.mono - robot.silent_from < self.desk.settings.silent_s:
            return False
        for hold in list(robot.holds):
            self.desk.end_hold(robot, hold, "its new journal was adopted")
        self.desk.tell("robot", "journal adopted", robot=robot.id, old=robot.journal, new=beat.journal)
        self.desk.change_robot(robot, journal=beat.journal)
        return True

    def _strange(self, robot: Robot, beat: Heartbeat) -> None:
        """A new disk or a second agent with one name: no work and no lease until it is clear which."""
        silent = self.desk.now.mono - robot.silent_from >= self.desk.settings.silent_s
        if not any(h.reason in _OF_JOURNAL for h in robot.holds):
            reason = "new_journal" if silent else "two_agents"
            self.desk.hold(robot, reason, None, f"journal {beat.journal} beside {robot.journal}")
        for held in self._not_its_own(robot, beat):
            self.moves.revoke(robot.id, held.job, held.attempt)

    def _not_its_own(self, robot: Robot, beat: Heartbeat) -> list[Held]:
        """What it holds though it was not given to it; no more than is bearable, however much a robot makes up."""
        found = [held for held in beat.holds if held.attempt not in robot.slots.values()]
        if not found:
            return []
        letters = sum(letter.robot == robot.id for letter in self.desk.memory.letters.values())
        return found[: max(0, MOST_FOREIGN - max(letters, len(robot.holds)))]

    # ------------------------------------------------------------ its own journal
    def _known(self, robot: Robot, beat: Heartbeat) -> None:
        self._contact(robot, beat)
        self.reports.skip_gap(robot, beat.journal, beat.first)
        self._ahead(robot, beat)
        settled = beat.head == self.reports.journal(robot, beat.journal)[1]
        held = {h.attempt: h for h in beat.holds}
        for number in list(robot.slots.values()):
            if settled and number in self.desk.memory.live:
                self._compare(self.desk.memory.live[number], held.get(number), beat)
        if settled:
            self._foreign(robot, beat)
            self._end_holds(robot, beat, held)

    def _contact(self, robot: Robot, beat: Heartbeat) -> None:
        now = self.desk.now
        if now.mono - robot.heard > self.desk.settings.heard_s:
            self._heard_again(robot)
        robot.heard = robot.silent_from = now.mono
        robot.beat, robot.beat_us = beat, now.utc_us
        robot.strange = any(self._is_strange(robot, held) for held in beat.holds)
        told = {
            "kind": beat.kind,
            "capabilities": frozenset(beat.capabilities),
            "capacity": beat.capacity,
            "version": beat.version,
        }
        changed = {name: value for name, value in told.items() if getattr(robot, name) != value}
        if changed:
            self.desk.change_robot(robot, **changed)
            self.desk.memory.capable_again(robot.id)
        self.desk.memory.refresh(robot)

    def _is_strange(self, robot: Robot, held: Held) -> bool:
        """An attempt that was never given to it, of another life of this box: settled or not, it may be moving."""
        if held.attempt in robot.slots.values():
            return False
        known = self.reports.attempt(held.attempt)
        return known is None or known[2] != robot.id

    def _heard_again(self, robot: Robot) -> None:
        """Letters leave at once, and from the start of their intervals."""
        for letter in self.desk.memory.letters.values():
            if letter.robot == robot.id:
                self.desk.memory.sending.pop(letter.key, None)
                self.desk.fresh[letter.key] = None

    def _ahead(self, robot: Robot, beat: Heartbeat) -> None:
        """A robot that has seen numbers we never gave belongs to another life of this box."""
        ahead = beat.highest > self.desk.store.newest_number
        stands = [h for h in robot.holds if h.reason == "ahead"]
        if ahead and not stands:
            self.desk.hold(robot, "ahead", None, f"it has seen number {beat.highest}")
        elif not ahead and stands:
            self.desk.end_hold(robot, stands[0], "its numbers are known again")

    def _compare(self, live: Live, held: Held | None, beat: Heartbeat) -> None:
        """What the robot says it holds against what the store says it has."""
        if held is not None and (live.journal == beat.journal or live.state == JobState.ASSIGNED):
            event = Event.HELD
        elif held is None and beat.highest >= live.number:
            event = Event.NOT_HELD
        else:
            return
        cell = LIFE[live.state, event]
        if cell == Cell.ITS_WORD and held is not None:
            word = JobState.PAUSED if held.activity == "paused" else JobState.RUNNING
            self.moves.move(live, word, event, why="its own word")
            if live.debug:
                self._waits(live, held.failed if word == JobState.PAUSED else None)
        elif cell == Cell.AGAIN and f"assign:{live.number}" not in self.desk.memory.letters:
            self._again(live)
        elif cell == Cell.AGAIN:
            self._mark_again(live)

    def _waits(self, live: Live, failed: FailedRun | None) -> None:
        """Which failed block waits for a person is its word, too: after a restore the rows that said so are a gap."""
        known = jobs.by_id(self.desk.db, live.job)["failed_path"]
        is_new = failed is not None and self._is_run_new(live, failed)
        if failed is None:
            if known is not None:
                jobs.change(self.desk.db, live.job, failed_path=None, reason_code=None, reason=None)
        elif is_new or known != failed.path:
            changes = {"failed_path": failed.path, "reason_code": "debug", "reason": failed.reason}
            jobs.change(self.desk.db, live.job, **changes)

    def _is_run_new(self, live: Live, failed: FailedRun) -> bool:
        """Whether the run that failed was not known as the last try of its block; from now on it is."""
        desk = self.desk
        if failed.n is None or failed.try_ is None:
            return False
        if reports.failed_run(desk.db, desk.pending, live.number, failed.n) == (failed.path, failed.try_, True):
            return False
        run = (live.number, failed.n, failed.path, failed.try_, failed.reason)
        reports.failed(desk.pending, *run, desk.now.utc_us)
        return True

    def _again(self, live: Live) -> None:
        payload = assign_payload(self.desk, live, jobs.to_assign(self.desk.db, live.job), again=True)
        self.desk.post(f"assign:{live.number}", live.robot, "assign", live.number, 0, payload)

    def _mark_again(self, live: Live) -> None:
        """The robot has seen the number, so the letter that still stands becomes a question."""
        letter = self.desk.memory.letters[f"assign:{live.number}"]
        if b'"again":true' not in letter.payload[-64:]:
            self._again(live)

    def _foreign(self, robot: Robot, beat: Heartbeat) -> None:
        """It holds something that is not its own: no new work, and it is told to end it."""
        for held in self._not_its_own(robot, beat):
            self.desk.hold(robot, "foreign", held.attempt, "it holds an attempt that is not its own")
            self.moves.revoke(robot.id, held.job, held.attempt)

    def _end_holds(self, robot: Robot, beat: Heartbeat, held: dict[int, Held]) -> None:
        """Proven idle: what a settled heartbeat of the right journal ends."""
        own = set(held) <= set(robot.slots.values())
        for hold in list(robot.holds):
            if hold.reason in _UNTIL_IDLE and hold.attempt is None:
                if hold.reason == "restored" and not self.desk.is_of_now(beat):
                    self.desk.ask_now(robot.id)  # it may have been said before the restore
                elif own:
                    self.desk.end_hold(robot, hold, "it said what it holds")
            elif hold.attempt is not None and hold.attempt not in held and self.proves(beat, hold.attempt):
                self.desk.end_hold(robot, hold, "it does not hold the attempt")

    def proves(self, beat: Heartbeat, attempt: int) -> bool:
        """The journal that accepted the attempt (or the robot's own) has seen its number and does not hold it."""
        known = self.reports.attempt(attempt)
        bound = known[3] if known else None
        return beat.highest >= attempt and bound in (None, beat.journal)

    # ------------------------------------------------------------ the answer
    def _answer(self, robot: Robot, beat: Heartbeat) -> None:
        """Every ask gets a verdict of its own; a robot that holds something learns that it was heard."""
        known_journal = beat.journal == robot.journal
        self.reports.journal(robot, beat.journal)
        asked = False
        for held in beat.holds:
            if held.ask is not None:
                verdict = self.reports.verdict(robot, beat.journal, held.attempt)
                number = beat.beat if known_journal else None
                self.desk.answer_ask(robot.id, beat.journal, beat.boot, held.attempt, held.ask, verdict, number)
                asked = True
        if beat.holds and not asked and known_journal:
            upto = self.desk.memory.journals[(robot.id, beat.journal)][1]
            ack = Ack(journal=beat.journal, boot=beat.boot, upto=upto, beat=beat.beat)
            self.desk.send(robot.id, "ack", encode(ack))


def introduce(desk: Desk, robot: str, beat: Heartbeat) -> None:
    """Add a robot that nobody declared, as its first heartbeat describes it (setting `auto_accept`)."""
    for queue in beat.queues:
        if queue not in desk.memory.queues:
            robots.put_queue(desk.db, queue, "", None)
            desk.memory.queues.add(queue)
    robots.insert(desk.db, robot, beat.name or robot, beat.kind, beat.queues, beat.tags, desk.now.utc_us)
    desk.tell("robot", "added", robot=robot, why="heard for the first time")
    desk.memory.add_robot(robot)
