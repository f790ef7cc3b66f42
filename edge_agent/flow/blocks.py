"""What each kind of block does, one function a kind, and the table that finds them."""

from contextlib import suppress
from functools import partial
from typing import Any

from edge_agent.flow.debug import ALL, BUT_STOPS
from edge_agent.flow.engine import Body, Outputs, Step
from edge_agent.flow.frame import Frame, Place, TooMany
from edge_agent.flow.signals import Beyond, Broke, Failed, Interrupted, Returned, Signal, Stopped
from edge_agent.flow.tasks import Task
from schemas.expression import BadExpression
from schemas.flow_bind import bind_inputs
from schemas.flow_check import OWN_PARAMS
from schemas.flow_params import value_of
from schemas.values import BadValue, convert, plain, text_of

_RANKS: tuple[tuple[type[Signal], ...], ...] = ((Interrupted,), (Failed, Returned, Broke), (Stopped,), (Beyond,))


async def serial(step: Step) -> Outputs:
    """Children one after the other; also the root of a flow."""
    await step.branch()
    return None


async def parallel(step: Step) -> Outputs:
    """All children at once; the first that fails makes the others end."""
    place = step.inside()
    children = step.block.branches.get("default", [])
    tasks = await step.engine.beside_all([partial(step.child, child, place) for child in children])
    if (signal := strongest(tasks)) is not None:
        raise signal
    return None


def strongest(tasks: list[Task]) -> Signal | None:
    """The signal that counts: an interruption before all else, then the first in the order of writing."""
    signals = [task.signal for task in tasks if task.signal is not None]
    for rank in _RANKS:
        for signal in signals:
            if isinstance(signal, rank):
                return signal
    return None


async def if_(step: Step) -> Outputs:
    """Children, if the condition holds."""
    if step.inputs.get("condition"):
        await step.branch()
    return None


async def if_else(step: Step) -> Outputs:
    """One of two or three branches; the log says which."""
    name = "else"
    if step.inputs.get("conditionIf"):
        name = "if"
    elif step.inputs.get("conditionElseIf"):
        name = "else_if"
    await step.branch(name)
    step.note(message="branch_done", args={"branch": name}, output={"executed": True, "branch": name})
    return None


async def while_(step: Step) -> Outputs:
    """Passes as long as the condition holds; `max` passes without an end are a failure."""
    limit, number = step.inputs.get("max"), 0
    while await _holds(step, number):
        if limit is not None and number >= limit:
            raise Failed(f"the condition still holds after {limit} passes", step.run.path)
        if not await _pass(step, number):
            break
        number += 1
    return None


async def _holds(step: Step, number: int) -> bool:
    """Whether there is a pass; one that the journal knows of was decided before, whatever the scope holds by now."""
    place, engine = step.place, step.engine
    if engine.recall.has_pass(f"{step.run.path}#{number}", step.run.n, place.until):
        return True
    if place.closed:
        return False
    if number:
        await engine.sleep(step.inputs.get("retryPeriod"))
    await engine.gate(step.run.path)
    source = engine.parts.program.source(step.block, "loopCondition")
    try:
        return bool(value_of(source, place.frame.scope))
    except (BadExpression, BadValue) as error:
        raise Failed(str(error), step.run.path) from error


async def _pass(step: Step, number: int) -> bool:
    """One pass of a loop; answers whether the loop goes on."""
    step.engine.count_pass(step.run.path)
    try:
        await step.branch("default", number)
    except Broke:
        return False
    return True


async def repeat(step: Step) -> Outputs:
    """So many passes; `index` counts from 0."""
    index = None
    for index in range(step.inputs["num"]):
        step.publish(index=index)
        if not await _pass(step, index):
            break
    return {"index": index}


async def iterate(step: Step) -> Outputs:
    """A pass for each item; `size` is readable in the loop only."""
    outputs: dict[str, Any] = {"index": None, "item": None}
    items = step.inputs["list"]
    for index, item in enumerate(items):
        outputs = {"index": index, "item": item}
        step.publish(**outputs, size=len(items))
        if not await _pass(step, index):
            break
    return outputs


async def break_(_: Step) -> Outputs:
    """Leave the innermost loop."""
    raise Broke


async def return_(_: Step) -> Outputs:
    """End this flow successfully."""
    raise Returned


async def try_catch(step: Step) -> Outputs:
    """The branch `catch` runs when `try` failed; then the failure goes on, unless it is swallowed."""
    ignores_stops = bool(step.inputs.get("ignoreAbort"))
    try:
        await step.branch("try", caught=BUT_STOPS if ignores_stops else ALL)
    except Failed as failure:
        if failure.fatal or (failure.abort and ignores_stops):
            raise
        step.publish(error=failure.reason)
        await step.branch("catch")
        step.note(message="caught", args={"reason": failure.reason})
        if not step.inputs.get("swallowError"):
            raise
        return {"error": failure.reason}
    return {"error": None}


async def throw(step: Step) -> Outputs:
    """Fail with a message."""
    raise Failed(step.inputs["message"], step.run.path)


async def delay(step: Step) -> Outputs:
    """Wait; after a restart of the agent the whole time again, since nobody knows how much of it had passed."""
    await step.engine.sleep(step.inputs["timeMillis"])
    return None


async def set_variable(step: Step) -> Outputs:
    """Set a variable of the task."""
    try:
        step.place.frame.variables.set(step.inputs["varName"], step.inputs.get("varValue"), step.run.n)
    except TooMany as error:
        raise Failed(str(error), step.run.path) from error
    return None


async def print_(step: Step) -> Outputs:
    """A line for the log, passed through as it is."""
    step.note(type_="print", text=text_of(step.inputs.get("message"))[:32_768])
    return None


async def timestamp(step: Step) -> Outputs:
    """Milliseconds since 1970, UTC; recorded, so a replay reads the same."""
    return {"timestamp": step.engine.parts.world.utc_ms()}


async def uuid(step: Step) -> Outputs:
    """A new id; recorded, so a replay reads the same."""
    return {"createUuid": step.engine.parts.world.fresh_id()}


async def to_object(step: Step) -> Outputs:
    """The object that a text of JSON holds."""
    try:
        return {"convertObject": plain(convert(step.inputs["convertString"], "JSONObject"))}
    except BadValue as error:
        raise Failed(f"convertString: {error}", step.run.path) from error


async def note_only(_: Step) -> Outputs:
    """The row itself, with its inputs, is all there is to it."""
    return None


async def select_agv(step: Step) -> Outputs:
    """Choose this robot if it fits, and run the children on it."""
    robot, asked = step.engine.parts.robot, step.inputs
    reasons = (
        (robot.kind == "station", f"'{robot.id}' is a station, and no child job can be made for another robot"),
        (asked.get("vehicle") not in (None, robot.id), f"'{asked.get('vehicle')}' is asked for, this is '{robot.id}'"),
        (asked.get("group") not in (None, *robot.queues), f"'{robot.id}' is not in the queue '{asked.get('group')}'"),
        (asked.get("tag") not in (None, *robot.tags), f"'{robot.id}' has no tag '{asked.get('tag')}'"),
    )
    for holds, reason in reasons:
        if holds:
            raise Failed(f"no robot was selected: {reason}", step.run.path)
    outputs = {"selectedAgvId": robot.id}
    step.publish(**outputs)
    await step.branch()
    step.note(message="agv_selected", args={"block_name": step.block.name}, output=outputs)
    return outputs


async def sub_task(step: Step) -> Outputs:
    """Another flow in place; answers what that flow hands out."""
    routine = step.engine.parts.program.sub(step.block)
    given = {name: value for name, value in step.inputs.items() if name not in OWN_PARAMS and value is not None}
    inputs, problems = bind_inputs(routine.definition, given)
    if problems:
        raise Failed(f"{problems[0].path}: {problems[0].message}", step.run.path)
    here = step.place
    frame = Frame(routine, inputs, here.frame.variables, here.frame.task)
    place = Place(frame, f"{step.run.path}/{routine.root.id}", here.until, here.closed, here.caught)
    with suppress(Returned):
        for child in routine.root.branches.get("default", []):
            await step.child(child, place)
    return frame.outputs()


WORK: dict[str, Body] = {
    "RootBp": serial,
    "SerialFlowBp": serial,
    "ParallelFlowBp": parallel,
    "IfBp": if_,
    "IfElseBp": if_else,
    "IfElseIfBp": if_else,
    "WhileBp": while_,
    "RepeatNumBp": repeat,
    "IterateListBp": iterate,
    "BreakBp": break_,
    "ReturnBp": return_,
    "TryCatchBp": try_catch,
    "ThrowExceptionBp": throw,
    "DelayBp": delay,
    "SetTaskVariableBp": set_variable,
    "PrintBp": print_,
    "TimestampBp": timestamp,
    "CreateUuidBp": uuid,
    "StringToJsonObjectBp": to_object,
    "SubTaskBp": sub_task,
    "TaskStateBp": note_only,
    "WorkTypesBp": note_only,
    "CSelectAgvBp": select_agv,
}
"""Every pure kind; operations are the driver's."""
REPEATED = frozenset({"SetTaskVariableBp", "BreakBp", "ReturnBp"})
"""Kinds without children whose effect on the flow a replay must repeat."""
