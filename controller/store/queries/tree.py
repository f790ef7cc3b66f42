"""The nested results of a job: the flow's tree, with what became of each block in one attempt."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from controller.store.queries.blocks import block_run, logs_by_block, runs_of
from controller.store.queries.flow_index import BlockDef, FlowIndex, without_passes
from controller.store.queries.jobs import index_of_version, shown_attempt
from schemas.blocks import BLOCK_KINDS
from schemas.flow import ROLLBACK
from schemas.views import BlockNode, BlockRun, FlatResults, Iteration, ResultTree

MAX_NODES = 20_000
"""Nodes of one answer: passes of loops beyond it are left out, and the answer says so."""


@dataclass
class _Tree:
    """One attempt's runs, arranged for looking them up by place and pass."""

    index: FlowIndex
    every_pass: bool
    last: dict[str, BlockRun] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    passes: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    logs: dict[str, int] = field(default_factory=dict)
    nodes: int = 0
    truncated: bool = False

    def learn(self, run: BlockRun) -> None:
        """Take a run in; later ones of the same place and pass replace earlier tries."""
        self.last[run.path] = run
        self.count[without_passes(run.path)] += 1
        parts = run.path.split("#")
        for i in range(1, len(parts)):
            number = parts[i].partition("/")[0]
            if number.isdigit():
                self.passes["#".join(parts[:i])].add(int(number))

    def node(self, block: BlockDef, path: str) -> BlockNode:
        """A block as it stands at a path with passes."""
        self.nodes += 1
        passes = sorted(self.passes.get(path, ()))
        below = f"{path}#{passes[-1]}" if passes else path
        kind = BLOCK_KINDS.get(block.kind)
        return BlockNode(
            block=block.id,
            block_name=block.name,
            kind=block.kind,
            label=kind.name.en if kind else block.kind,
            level=block.level,
            branch=block.branch,
            path=path,
            definition=block.definition,
            run=self.last.get(path),
            runs=self.count.get(block.path, 0),
            logs=self.logs.get(block.path, 0),
            iterations=self._iterations(block, path, passes) if passes and self.every_pass else None,
            children=self._children(block, below) + self._undone(block, path),
        )

    def _children(self, block: BlockDef, path: str) -> list[BlockNode]:
        blocks = [self.index[child] for child in block.children]
        return [self.node(child, f"{path}/{child.id}") for child in blocks if child.branch != ROLLBACK]

    def _undone(self, block: BlockDef, path: str) -> list[BlockNode]:
        """What undoes a block is no step of the flow, and belongs to no pass of it: it is shown once it ran."""
        places = [(self.index[child], f"{path}/{self.index[child].id}") for child in block.children]
        return [self.node(child, at) for child, at in places if child.branch == ROLLBACK and at in self.last]

    def _iterations(self, block: BlockDef, path: str, passes: list[int]) -> list[Iteration]:
        found: list[Iteration] = []
        for number in passes:
            if self.nodes > MAX_NODES:
                self.truncated = True
                break
            found.append(Iteration(index=number, children=self._children(block, f"{path}#{number}")))
        return found


def results(
    db: sqlite3.Connection, job: int, attempt: int | None = None, *, every_pass: bool = False
) -> ResultTree | FlatResults | None:
    """What became of a job's blocks in an attempt (the last that started); None if the job has no such attempt."""
    row = db.execute("select uid, flow_version from jobs where id = ?", (job,)).fetchone()
    chosen = shown_attempt(db, job) if attempt is None else attempt
    if attempt is not None and not belongs(db, job, attempt):
        return None
    index = index_of_version(db, row["flow_version"])
    if index is None:
        items = [] if chosen is None else [block_run(run, None) for run in runs_of(db, chosen)]
        return FlatResults(job=row["uid"], attempt=chosen, items=items)
    tree = _Tree(index, every_pass)
    if chosen is not None:
        tree.logs = logs_by_block(db, chosen)
        for run in runs_of(db, chosen):
            tree.learn(block_run(run, index))
    root: dict[str, Any] = dict(tree.node(index[index.root], index.root))
    return ResultTree(**root, job=row["uid"], attempt=chosen, truncated=tree.truncated)


def belongs(db: sqlite3.Connection, job: int, attempt: int) -> bool:
    """Whether an attempt is one of the job's."""
    return db.execute("select 1 from attempts where number = ? and job = ?", (attempt, job)).fetchone() is not None
