"""Broken variants of what persons decide: blocks that failed in debug mode, and jobs that they end as failed."""

from collections.abc import Callable
from typing import Any

import pytest

from controller.beats import Beats
from controller.domain.lifecycle import Event
from controller.moves import Moves
from controller.reports import Reports
from edge_agent.hands import Hands
from edge_agent.protocol import AgentCore
from schemas.record import SET_ERROR
from schemas.status import JobState

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


# ---------------------------------------------------------------- debug mode
def rerun_twice(patch: Patch) -> None:
    """A repeated command to run a block again is carried out again, whatever has failed since."""
    real_new, real_again = AgentCore._is_new, Hands.run_again
    patch.setattr(AgentCore, "_is_new", lambda self, command, hand: hand.assign.debug or real_new(self, command, hand))

    def run_again(self: Hands, hand: Any, run: Any, command: int, now: float) -> None:
        failed = hand.flow.failed
        real_again(self, hand, failed.key if failed else run, command, now)

    patch.setattr(Hands, "run_again", run_again)


def rollback_retries(patch: Patch) -> None:
    """A job that was undone has failed like any other."""
    real = Reports._live

    def live(self: Reports, robot: Any, live: Any, row: Any) -> None:
        real(self, robot, live, row.model_copy(update={"rolled_back": False}))

    patch.setattr(Reports, "_live", live)


def debug_pause_forgotten(patch: Patch) -> None:
    """After a restart an agent takes the failure that waited for an ordinary one."""
    real = Hands._open

    def open_(self: Hands, held: Any, assign: Any, now: float) -> Any:
        return real(self, held, assign.model_copy(update={"debug": False}) if held.started else assign, now)

    patch.setattr(Hands, "_open", open_)


def decision_forgotten(patch: Patch) -> None:
    """What a person has decided about a failed block dies with the agent."""
    real = Hands.keep

    def keep(self: Hands, hand: Any, now: float) -> None:
        again, rolling = hand.held.again, hand.held.rolling
        hand.held.again, hand.held.rolling = (), False
        real(self, hand, now)
        hand.held.again, hand.held.rolling = again, rolling

    patch.setattr(Hands, "keep", keep)


def failed_block_unseen(patch: Patch) -> None:
    """The controller does not keep which block waits."""
    real = Moves.apply

    def apply(self: Moves, live: Any, event: Any, **more: Any) -> Any:
        more.pop("failed_path", None)
        return real(self, live, event, **more)

    patch.setattr(Moves, "apply", apply)


def waiting_block_untold(patch: Patch) -> None:
    """Heartbeats do not say which block waits."""
    patch.setattr(Beats, "_waits", lambda *_args: None)


# ---------------------------------------------------------------- jobs that are ended as failed
def set_error_cancels(patch: Patch) -> None:
    """A job that somebody ends as failed is first of all cancelled, and that is how it ends."""
    real = Moves._cancelling

    def cancelling(
        self: Moves, live: Any, event: Any, who: str, why: Any, reason: Any, intention: str, code: Any
    ) -> None:
        real(self, live, event, who, why, reason, "cancelled" if code == SET_ERROR else intention, code)

    patch.setattr(Moves, "_cancelling", cancelling)


def set_error_at_once(patch: Patch) -> None:
    """It is shown as failed before its robot has stopped."""
    real = Moves._cancelling

    def cancelling(self: Moves, live: Any, event: Any, who: str, why: Any, *rest: Any) -> None:
        real(self, live, event, who, why, *rest)
        if event == Event.SET_ERROR:
            self.move(live, JobState.FAILED, event, who=who, code=SET_ERROR, why=why)
            self.hold_and_revoke(live, "forced")

    patch.setattr(Moves, "_cancelling", cancelling)


def forced_without_hold(patch: Patch) -> None:
    """A robot that never answered is free as soon as its job has ended without it."""

    def force(self: Moves, live: Any, new: JobState, who: str, why: str) -> None:
        self.move(live, new, Event.FORCE, who=who, code="forced", why=why)
        self.revoke(live.robot, live.uid, live.number)

    patch.setattr(Moves, "force", force)


OF_PERSONS: tuple[Mutant, ...] = (
    rerun_twice, rollback_retries, debug_pause_forgotten, decision_forgotten, failed_block_unseen,
    waiting_block_untold, set_error_cancels, set_error_at_once, forced_without_hold,
)  # fmt: skip
