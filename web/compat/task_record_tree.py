"""Nested results of an AGV task record: the definition's tree with what became of each block."""

from collections import defaultdict
from collections.abc import Iterator

from controller.store.queries.flow_index import without_passes
from schemas.blocks import BLOCK_KINDS, sentence
from schemas.codes import BLOCK_CODES
from schemas.flow import ROOT_ID
from schemas.status import BlockState
from schemas.views import BlockNode, BlockRun, FlatResults, Iteration, LogRow, ResultTree
from schemas.views.task_records import Execution, NodeLog, ParamDefinition, Pass, ResultNode
from web.compat.task_record_shape import block_kind, block_name, definitions, local, outcome, outputs, values

Logs = dict[str, list[NodeLog]]
_NOTHING = BLOCK_CODES[BlockState.NOT_EXECUTED]
_WORST = (BlockState.RUNNING, BlockState.FAILED, BlockState.CANCELLED, BlockState.SUCCEEDED)
"""What a pass is, from its children: the first of these that one of them is."""


def results(found: ResultTree | FlatResults, logs: list[LogRow], zone: str, *, passes: bool = False) -> ResultNode:
    """The root with all below it; `passes`: loops carry each of theirs. A flat list hangs below the root."""
    tree = _Tree(_by_path(logs, zone), zone, passes)
    return tree.flat(found.items) if isinstance(found, FlatResults) else tree.node(found, 0)


def _by_path(logs: list[LogRow], zone: str) -> Logs:
    """Log lines of each block run's path; what belongs to no block is the root's."""
    found: Logs = defaultdict(list)
    for row in logs:
        found[row.path or ROOT_ID].append(
            NodeLog.model_construct(
                log_id=str(row.id),
                level=row.level,
                created_at=local(row.recorded_at, zone),
                message=_message(row),
                output=row.output,
            )
        )
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

    def node(self, block: BlockNode, level: int) -> ResultNode:
        """A block of the definition."""
        params = block.definition
        node = self._made(
            (block.block, block.block_name, block.kind),
            level,
            definitions(block.kind, params),
            _execution(block.run, values(block.run, params) if block.run else {}, self.zone),
            self.logs.get(block.path, []) if block.run else [],
            [self.node(child, level + 1) for child in _below(block.children)],
        )
        kind = BLOCK_KINDS.get(block.kind)
        if self.passes and kind is not None and kind.loop:
            passes = [self._pass(one, level) for one in block.iterations or ()]
            return node.model_copy(update={"iterations": passes})
        return node

    def _pass(self, found: Iteration, level: int) -> Pass:
        states = {child.run.state for child in found.children if child.run is not None}
        state = next((one for one in _WORST if one in states), BlockState.NOT_EXECUTED)
        return Pass.model_construct(
            iteration_index=found.index,
            execution_status=BLOCK_CODES[state].nested,
            children=[self.node(child, level + 1) for child in _below(found.children)],
        )

    def flat(self, runs: list[BlockRun]) -> ResultNode:
        """The last run of every block that has one, all below the root: the definition cannot be read."""
        last = {without_passes(run.path): run for run in runs}
        root = last.pop(ROOT_ID, None)
        children = [self._leaf(run) for run in sorted(last.values(), key=lambda run: (run.started_at or "", run.path))]
        execution = _execution(root, dict(root.inputs or {}) if root else {}, self.zone)
        return self._made((ROOT_ID, ROOT_ID, "RootBp"), 0, {}, execution, self.logs.get(ROOT_ID, []), children)

    def _leaf(self, run: BlockRun) -> ResultNode:
        named = (run.block, block_name(run), block_kind(run))
        return self._made(named, 1, {}, _execution(run, values(run, {}), self.zone), self.logs.get(run.path, []), [])

    def _made(
        self,
        named: tuple[str, str, str],
        level: int,
        params: dict[str, ParamDefinition],
        execution: Execution,
        logs: list[NodeLog],
        children: list[ResultNode],
    ) -> ResultNode:
        block, name, kind = named
        row = BLOCK_KINDS.get(kind)
        return ResultNode.model_construct(
            block_id=block,
            block_name=name,
            block_type=kind,
            block_type_name=row.name.zh if row else kind,
            level=level,
            input_params=params,
            execution_status=execution.status,
            execution_record=execution,
            logs=logs,
            children=children,
        )


def _below(children: list[BlockNode]) -> Iterator[BlockNode]:
    """Children of a block; another flow's root, which is never run itself, stands for what is below it."""
    for child in children:
        if child.block == ROOT_ID:
            yield from _below(child.children)
        else:
            yield child


def _execution(run: BlockRun | None, given: dict[str, object], zone: str) -> Execution:
    if run is None or run.state == BlockState.NOT_EXECUTED:
        return Execution.model_construct(
            record_id=None,
            status=_NOTHING.nested,
            started_on=None,
            ended_on=None,
            ended_reason=_NOTHING.sentence,
            input_params_value=None,
            output_params_value=None,
            remark=_NOTHING.sentence,
        )
    reason, remark = outcome(run)
    return Execution.model_construct(
        record_id=run.id,
        status=BLOCK_CODES[run.state].nested,
        started_on=local(run.started_at, zone),
        ended_on=local(run.ended_at, zone),
        ended_reason=reason,
        input_params_value=given,
        output_params_value=outputs(run),
        remark=remark,
    )
