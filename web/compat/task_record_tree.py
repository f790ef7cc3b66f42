"""Nested results of an AGV task record: the definition's tree with what became of each block.

Plain values in the document's order, because there may be thousands; `schemas.views.task_records` describes them.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from controller.store.queries.flow_index import without_passes
from schemas.blocks import BLOCK_KINDS, sentence
from schemas.codes import BLOCK_CODES
from schemas.flow import ROOT_ID
from schemas.status import BlockState
from schemas.views import BlockNode, BlockRun, FlatResults, Iteration, LogRow, ResultTree
from web.compat.task_record_shape import block_kind, block_name, definitions, local, outcome, outputs, values

Node = dict[str, Any]
Logs = dict[str, list[dict[str, Any]]]
_NOTHING = BLOCK_CODES[BlockState.NOT_EXECUTED]
_WORST = (BlockState.RUNNING, BlockState.FAILED, BlockState.CANCELLED, BlockState.SUCCEEDED)
"""What a pass is, from its children: the first of these that one of them is."""


def results(found: ResultTree | FlatResults, logs: list[LogRow], zone: str, *, passes: bool = False) -> Node:
    """The root with all below it; `passes`: loops carry each of theirs. A flat list hangs below the root."""
    tree = _Tree(_by_path(logs, zone), zone, passes)
    return tree.flat(found.items) if isinstance(found, FlatResults) else tree.node(found, 0)


def _by_path(logs: list[LogRow], zone: str) -> Logs:
    """Log lines of each block run's path; what belongs to no block is the root's."""
    found: Logs = defaultdict(list)
    for row in logs:
        found[row.path or ROOT_ID].append({
            "logId": str(row.id),
            "level": row.level,
            "createdAt": local(row.recorded_at, zone),
            "message": _message(row),
            "output": row.output,
        })  # fmt: skip
    return found


def _message(row: LogRow) -> str:
    """The sentence of a message key in Chinese; a text as it was printed."""
    if row.message is None:
        return row.text or ""
    return sentence(row.message, row.args if isinstance(row.args, dict) else {}, "zh")


class _Tree:
    def __init__(self, logs: Logs, zone: str, passes: bool) -> None:
        self.logs = logs
        self.zone = zone
        self.passes = passes

    def node(self, block: BlockNode, level: int) -> Node:
        """A block of the definition."""
        run = block.run
        execution = _execution(run, values(run, block.definition) if run else {}, self.zone)
        node = _node((block.block, block.block_name, block.kind), level, execution)
        node["inputParams"] = definitions(block.kind, block.definition)
        node["logs"] = self.logs.get(block.path, []) if run else []
        node["children"] = [self.node(child, level + 1) for child in _below(block.children)]
        kind = BLOCK_KINDS.get(block.kind)
        if self.passes and kind is not None and kind.loop:
            node["iterations"] = [self._pass(one, level) for one in block.iterations or ()]
        return node

    def _pass(self, found: Iteration, level: int) -> Node:
        states = {child.run.state for child in found.children if child.run is not None}
        state = next((one for one in _WORST if one in states), BlockState.NOT_EXECUTED)
        return {
            "iterationIndex": found.index,
            "executionStatus": BLOCK_CODES[state].nested,
            "children": [self.node(child, level + 1) for child in _below(found.children)],
        }

    def flat(self, runs: list[BlockRun]) -> Node:
        """The last run of every block that has one, all below the root: the definition cannot be read."""
        last = {without_passes(run.path): run for run in runs}
        root = last.pop(ROOT_ID, None)
        node = _node((ROOT_ID, ROOT_ID, "RootBp"), 0, _execution(root, values(root, {}) if root else {}, self.zone))
        node["logs"] = self.logs.get(ROOT_ID, [])
        node["children"] = [self._leaf(run) for run in sorted(last.values(), key=lambda run: run.started_at or "")]
        return node

    def _leaf(self, run: BlockRun) -> Node:
        named = (run.block, block_name(run), block_kind(run))
        node = _node(named, 1, _execution(run, values(run, {}), self.zone))
        node["logs"] = self.logs.get(run.path, [])
        return node


def _node(named: tuple[str, str, str], level: int, execution: dict[str, Any]) -> Node:
    """A node without parameters, logs and children."""
    block, name, kind = named
    row = BLOCK_KINDS.get(kind)
    return {
        "blockId": block,
        "blockName": name,
        "blockType": kind,
        "blockTypeName": row.name.zh if row else kind,
        "level": level,
        "inputParams": {},
        "executionStatus": execution["status"],
        "executionRecord": execution,
        "logs": [],
        "children": [],
    }


def _below(children: list[BlockNode]) -> Iterator[BlockNode]:
    """Children of a block; another flow's root, which is never run itself, stands for what is below it."""
    for child in children:
        if child.block == ROOT_ID:
            yield from _below(child.children)
        else:
            yield child


def _execution(run: BlockRun | None, given: dict[str, Any], zone: str) -> dict[str, Any]:
    if run is None or run.state == BlockState.NOT_EXECUTED:
        return {
            "recordId": None,
            "status": _NOTHING.nested,
            "startedOn": None,
            "endedOn": None,
            "endedReason": _NOTHING.sentence,
            "inputParamsValue": None,
            "outputParamsValue": None,
            "remark": _NOTHING.sentence,
        }
    reason, remark = outcome(run)
    return {
        "recordId": run.id,
        "status": BLOCK_CODES[run.state].nested,
        "startedOn": local(run.started_at, zone),
        "endedOn": local(run.ended_at, zone),
        "endedReason": reason,
        "inputParamsValue": given,
        "outputParamsValue": outputs(run),
        "remark": remark,
    }
