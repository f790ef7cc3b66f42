"""Which reports are on their way: first sendings, repeats, and how rows become messages."""

import random
from collections.abc import Callable, Iterable

from pydantic_core import to_json

from edge_agent.effects import Send
from edge_agent.journal import Journal
from edge_agent.profile import Timing
from edge_agent.records import OutRow
from schemas.messages import MAX_MESSAGE_BYTES

_ROOM = 1024
"""Bytes of a message that are not rows."""
_ROWS = 400
"""Rows in one message; well below what the wire allows, so one message never holds up the others."""

AskFor = Callable[[int], int | None]
"""A new ask for an attempt in hand, None for any other."""


class Outbox:
    """Sends the rows of a journal in order and again until they are acknowledged.

    What it remembers may be lost at any moment: it only decides when something is sent once more.
    """

    def __init__(self, journal: Journal, timing: Timing, rng: random.Random) -> None:
        self._journal, self._timing, self._rng = journal, timing, rng
        self._sent = 0
        """Highest row sent since sending began anew."""
        self._farthest = 0
        """Highest row ever sent in this boot; beyond it nobody has seen what a row said."""
        self._pause = timing.resend_s
        self.resend_at = float("inf")

    @property
    def known_upto(self) -> int:
        """Rows up to here may be known elsewhere, so they keep their meaning."""
        return self._farthest

    def all_again(self) -> None:
        """Everything unacknowledged is due at once, and repeats begin with the short pause again."""
        self._sent, self._pause, self.resend_at = 0, self._timing.resend_s, float("inf")

    def stop(self) -> None:
        """Nothing can be sent for now."""
        self.resend_at = float("inf")

    def again(self, seq: int) -> None:
        """This row is asked for: it and those after it are due at once."""
        self._sent = min(self._sent, seq - 1)

    def acknowledged(self, now: float) -> None:
        """Some rows are gone; the others have the whole pause again."""
        self._pause = self._timing.resend_s
        waiting = self._sent >= self._journal.first
        self.resend_at = now + self._jittered() if waiting else float("inf")

    def renumbered(self) -> None:
        """The rows have new numbers, and nobody has seen them under these."""
        self._farthest = 0
        self.all_again()

    def tick(self, now: float) -> None:
        """Repeat what was not acknowledged in time; each time a longer pause."""
        if now < self.resend_at:
            return
        self._sent, self.resend_at = 0, float("inf")
        self._pause = min(self._pause * 2, self._timing.resend_max_s)

    def messages(self, boot: str, ask: AskFor, now: float) -> list[Send]:
        """What is to be sent now, as messages of consecutive rows."""
        first, head = self._journal.first, self._journal.head
        last = min(head, first - 1 + self._timing.window_rows)
        sends: list[Send] = []
        while self._sent < last:
            rows = _fitting(self._journal.rows(max(self._sent + 1, first), _ROWS))
            if not rows:
                break
            sends.append(self._message(boot, rows, ask))
            self._sent = rows[-1].seq + rows[-1].span
        if sends:
            self._farthest = max(self._farthest, self._sent)
            if self.resend_at == float("inf"):
                self.resend_at = now + self._jittered()
        return sends

    def _message(self, boot: str, rows: list[OutRow], ask: AskFor) -> Send:
        head = {"v": 1, "journal": self._journal.id, "boot": boot, "first": self._journal.first}
        body = b",".join(_encoded(row, ask) for row in rows)
        payload = to_json(head)[:-1] + b',"rows":[' + body + b"]}"
        return Send(_topic(rows), payload)

    def _jittered(self) -> float:
        return self._pause * self._rng.uniform(0.8, 1.2)


def _topic(rows: Iterable[OutRow]) -> str:
    """One numbering runs over both topics, and a message holds consecutive rows, so mixed ones go with the reports."""
    return "log" if all(row.kind == "log" for row in rows) else "block-status"


def _fitting(rows: list[OutRow]) -> list[OutRow]:
    room = MAX_MESSAGE_BYTES - _ROOM
    for count, row in enumerate(rows):
        room -= len(row.body) + 64
        if room < 0:
            return rows[:count]
    return rows


def _encoded(row: OutRow, ask: AskFor) -> bytes:
    if row.kind == "dropped":
        return b'{"seq":%d,"kind":"dropped","to":%d}' % (row.seq, row.seq + row.span)
    number = ask(row.attempt) if row.kind == "accepted" and row.attempt is not None else None
    if number is not None:
        return b'{"seq":%d,"ask":%d,' % (row.seq, number) + row.body[1:]
    return b'{"seq":%d,' % row.seq + row.body[1:]
