"""Leaving debug mode: the rollback blocks of what has finished are run, last first, until one of them fails."""

from contextlib import suppress

from edge_agent.flow.debug import Debug, Finished, names
from edge_agent.flow.engine import Engine
from edge_agent.flow.frame import Place
from edge_agent.flow.recall import FOREVER
from edge_agent.flow.signals import Failed, Returned, Signal
from edge_agent.flow.steps import Runner
from edge_agent.operations import BlockReport
from schemas.status import LogLevel, Phase

CUT_SHORT = "it was cut short"


async def roll_back(engine: Engine, debug: Debug, runner: Runner) -> str | None:
    """Undo; answers what could not be undone as a sentence. Raises signals other than failures."""
    to_undo = debug.to_undo()
    for place, item in enumerate(to_undo):
        trouble = await _undo(item, engine, runner)
        if trouble is not None:
            # What was done before it was built on by it: undoing that now would happen in a place it was not made for.
            left = to_undo[place + 1 :]
            after = f"; not undone: {names(left)}" if left else ""
            return f"'{item.block.name}' could not be undone: {trouble}{after}"
    return None


async def _undo(item: Finished, engine: Engine, runner: Runner) -> str | None:
    """Run the rollback blocks of one finished run; answers why that failed."""
    if item.after is None:
        await engine.gate(item.path)
        _report(engine, item, Phase.ROLLBACK_BEGIN)
        args = {"name": item.block.name}
        engine.host.log(item.path, LogLevel.INFO, "block", message="rollback", args=args)
    try:
        await _run(item, runner)
    except Failed as failure:
        if not item.is_undone:
            _report(engine, item, Phase.ROLLBACK_FAILED, failure.reason)
        return failure.reason
    except Signal:
        if not item.is_undone:
            _report(engine, item, Phase.ROLLBACK_FAILED, CUT_SHORT)
        raise
    if not item.is_undone:
        await engine.replayed()
        _report(engine, item, Phase.ROLLBACK_SUCCESS)
    return None


async def _run(item: Finished, runner: Runner) -> None:
    place = Place(item.frame, item.path, FOREVER, closed=item.is_undone)
    with suppress(Returned):
        for block in item.block.rollback:
            await runner.block(block, place)


def _report(engine: Engine, item: Finished, phase: Phase, reason: str | None = None) -> None:
    engine.host.block(BlockReport(item.path, item.n, item.try_, phase, reason=reason))
