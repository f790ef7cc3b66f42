"""The blocks of a flow version by their path, sub-flows included, as block runs name them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.flow import ROLLBACK, ROOT_ID, SUB_TASK, SUB_TASK_PREFIX

_PASS = re.compile(r"#\d+")
_NOT_SHOWN = frozenset({"id", "name", "blockType", "children", "rollback"})
_SPEAKING = frozenset({"SetTaskVariableBp", "TaskStateBp"})
MAX_DEPTH, MAX_BLOCKS = 64, 20_000


@dataclass(frozen=True)
class BlockDef:
    """A block as the definition has it; `path` is without passes."""

    id: str
    name: str
    kind: str
    path: str
    branch: str | None
    level: int
    definition: dict[str, Any]
    children: tuple[str, ...]


class FlowIndex:
    """Every block of a flow by its path."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self._flows = bundle.get("subFlows") or {}
        self._blocks: dict[str, BlockDef] = {}
        self.root = self._add(bundle["rootBlock"], "", None, 0)
        self.kinds = frozenset(block.kind for block in self._blocks.values())
        self.speaks = bool(self.kinds & _SPEAKING)
        """Whether some block sets variables or the job's state message."""

    def __getitem__(self, path: str) -> BlockDef:
        return self._blocks[path]

    def at(self, path: str) -> BlockDef | None:
        """The block that a run's path names."""
        return self._blocks.get(without_passes(path))

    def _add(self, block: dict[str, Any], parent: str, branch: str | None, level: int) -> str:
        if level > MAX_DEPTH or len(self._blocks) > MAX_BLOCKS:
            raise ValueError("the definition is too large")
        # A root's id is fixed, however editors write it.
        name = ROOT_ID if branch is None else str(block["id"])
        path = f"{parent}/{name}" if parent else name
        children = tuple(self._add(child, path, where, level + 1) for where, child in self._below(block))
        self._blocks[path] = BlockDef(
            id=name,
            name=str(block.get("name") or name),
            kind=_kind(block),
            path=path,
            branch=branch,
            level=level,
            definition={key: value for key, value in block.items() if key not in _NOT_SHOWN},
            children=children,
        )
        return path

    def _below(self, block: dict[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """Children in the definition's order, the other flow's root below a SubTaskBp, then what rolls it back."""
        for branch, blocks in (block.get("children") or {}).items():
            for child in blocks or ():
                yield ("default" if branch == "submodules" else str(branch)), child
        if _kind(block) == SUB_TASK:
            flow = self._flows.get(_called(block))
            if flow is not None:
                yield None, flow["rootBlock"]
        for child in block.get("rollback") or ():
            yield ROLLBACK, child


def _kind(block: dict[str, Any]) -> str:
    """The kind; imported files write `SubTask::<flow id>` for a SubTaskBp."""
    written = str(block.get("blockType") or "")
    return SUB_TASK if written.startswith(SUB_TASK_PREFIX) else written


def _called(block: dict[str, Any]) -> str:
    """Which flow a SubTaskBp names."""
    written = str(block.get("blockType") or "")
    if written.startswith(SUB_TASK_PREFIX):
        return written.removeprefix(SUB_TASK_PREFIX)
    given = (block.get("inputParams") or {}).get("flow")
    value = given.get("value") if isinstance(given, dict) else given
    return str(value or "").removeprefix(SUB_TASK_PREFIX)


def without_passes(path: str) -> str:
    """The place in the definition that a run's path names."""
    return _PASS.sub("", path)


@lru_cache(maxsize=64)
def flow_index(bundle: str) -> FlowIndex | None:
    """The index of a bundle, kept because a saved version never changes; None if it is not readable."""
    try:
        return FlowIndex(json.loads(bundle))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
