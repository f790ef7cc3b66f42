"""How a block leaves its parent other than by its ordinary end."""

INTERRUPTED = "interrupted"
"""Reason of a block run of which nobody can tell how it ended."""
ABORTED = "stopped at the robot"
"""Reason of an operation that was stopped although the flow did not want it to."""


class Signal(Exception):
    """Leaves blocks outwards until one of them takes it."""


class Failed(Signal):
    """A block failed. fatal: no block may catch it · abort: stopped at the robot · cut: a run that was cut off."""

    def __init__(
        self, reason: str, path: str | None = None, *, fatal: bool = False, abort: bool = False, cut: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason[:2000]
        self.path = path
        self.fatal = fatal
        self.abort = abort
        self.cut = cut


class Interrupted(Signal):
    """An operation was cut off and may not be tried again: the attempt ends."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self.path = path
        self.reason = f"block '{name}' was cut off, and nobody can tell what became of it"


class Stopped(Signal):
    """A cancel, or the failure of a parallel branch, ended the block."""


class Returned(Signal):
    """The flow ends here, successfully."""


class Broke(Signal):
    """The innermost loop ends here."""


class Beyond(Signal):
    """The journal knows nothing further of a block run that has ended: it was never reached."""
