"""What is said about numbers that are not, or no longer, in hand."""

from edge_agent.hands import Hands
from edge_agent.journal import Journal
from edge_agent.records import Ended
from edge_agent.sender import Sender
from schemas.decode import BadJson, parse
from schemas.messages import MAX_ASSIGN_BYTES, Assign, Cancel


def named_in(payload: bytes) -> Assign | None:
    """Job and attempt of an assign that cannot be read as a whole, without its flow."""
    if len(payload) > 2 * MAX_ASSIGN_BYTES:
        return None
    try:
        raw = parse(payload)
        named = {name: raw[name] for name in ("job", "attempt", "again") if raw.get(name) is not None}
        return Assign(flow={}, **named)
    except (BadJson, AttributeError, TypeError, ValueError):
        return None  # nobody to answer to; the caller has counted it


class Answers:
    """Each question about an old number has one answer, however often it is asked."""

    def __init__(self, journal: Journal, hands: Hands, sender: Sender) -> None:
        self._journal, self._hands, self._sender = journal, hands, sender

    def seen(self, job: str, attempt: int) -> None:
        """Answer an assign whose number was seen before."""
        hand = self._hands.get(attempt)
        known = None if hand else self._journal.ended(attempt)
        if (hand and hand.held.job != job) or (known and known.job != job):
            self._hands.report(Ended(attempt, job, "rejected", "stale"), counts=False)
        elif not self._said_already(attempt):
            if hand:
                hand.desk.about("accepted")
            else:
                self._hands.report(known or Ended(attempt, job, "interrupted", "unknown"))

    def cancel(self, cancel: Cancel) -> None:
        """Answer a cancel of what is not held by its stored end; what was never seen is void from now on."""
        job, attempt = cancel.job, cancel.attempt
        known = self._journal.ended(attempt)
        self._journal.raise_highest(attempt)
        if known and known.job == job:
            if not self._said_already(attempt):
                self._hands.report(known)
            return
        not_held = Ended(attempt, job, "cancelled", "not held")
        if known or self._hands.get(attempt):
            # The number belongs to another job here, and its own record stays.
            self._hands.report(not_held, counts=False)
        else:
            self._hands.end_unheld(not_held)

    def _said_already(self, attempt: int) -> bool:
        """The answer waits for its acknowledgement: it is sent once more instead of written twice."""
        waiting = self._journal.answer(attempt)
        if waiting is not None:
            self._sender.outbox.again(waiting)
        return waiting is not None
