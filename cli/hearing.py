"""Whether a part that runs still answers: asked now and then, and given up after many silences in a row."""

from collections.abc import Callable
from dataclasses import dataclass

from config.clock import steady

ASK_S = 15.0
"""Between two questions."""
ANSWER_S = 10.0
"""So long an answer may take: a slow disk and a busy machine are no hang."""
SILENCES = 8
"""In a row: two minutes at least. They are counted, and no time is, because a box that was paused has heard nobody."""


@dataclass
class Hearing:
    """Of one part; one that has not answered yet since its start is starting, however long that takes."""

    answers: Callable[[], bool]
    silences: int = 0
    heard: bool = False
    _ask_at: float = 0.0

    def begin(self) -> None:
        """The part was started."""
        self.silences, self.heard, self._ask_at = 0, False, steady() + ASK_S

    def due_in(self) -> float:
        """Seconds until it is to be asked."""
        return max(0.0, self._ask_at - steady())

    def ask(self) -> None:
        """Ask it, if it is time to."""
        if self.due_in() > 0:
            return
        if self.answers():
            self.silences, self.heard = 0, True
        else:
            self.silences += self.heard
        self._ask_at = steady() + ASK_S

    @property
    def hangs(self) -> bool:
        """It ran, and does nothing any more."""
        return self.silences >= SILENCES
