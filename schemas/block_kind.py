"""What a block kind is: names, parameters, branches, outputs and log sentences, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ParamType = Literal["String", "Boolean", "Long", "Double", "JSONObject", "JSONArray", "Any"]
Group = Literal["flow", "data", "task", "robot", "rpa"]

ONE = ("default",)
"""Branches of a block that simply has children."""


@dataclass(frozen=True)
class Words:
    """One text in both languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class Param:
    """One parameter of a block; `low` and `high` bound numbers."""

    name: str
    type: ParamType
    label: Words
    required: bool = False
    default: Any = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class BlockKind:
    """One row of the table of kinds.

    operation: needs the robot's driver · loop: its children run in passes, `#n` in their path · extra: the label of
    further parameters, which are passed on as they are · one_of: at least one of these parameters must be given ·
    early: outputs that are readable while the children run · reads: an operation that only asks the robot something.
    """

    kind: str
    name: Words
    group: Group
    params: tuple[Param, ...] = ()
    branches: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    operation: bool = False
    loop: bool = False
    early: bool = False
    reads: bool = False
    extra: Words | None = None
    one_of: tuple[str, ...] = ()
    sentences: Mapping[str, Words] = field(default_factory=dict)

    def param(self, name: str) -> Param | None:
        """The parameter of that name, if the table knows it."""
        return next((param for param in self.params if param.name == name), None)


def _describe_param(param: Param) -> dict[str, Any]:
    return {
        "name": param.name,
        "type": param.type,
        "label": {"en": param.label.en, "zh": param.label.zh},
        "required": param.required,
        "default": param.default,
        "minimum": param.low,
        "maximum": param.high,
    }


def describe(kind: BlockKind) -> dict[str, Any]:
    """One kind as plain data, for editors."""
    return {
        "kind": kind.kind,
        "name": {"en": kind.name.en, "zh": kind.name.zh},
        "group": kind.group,
        "operation": kind.operation,
        "parameters": [_describe_param(param) for param in kind.params],
        "extra": None if kind.extra is None else {"en": kind.extra.en, "zh": kind.extra.zh},
        "one_of": list(kind.one_of),
        "branches": list(kind.branches),
        "loop": kind.loop,
        "outputs": list(kind.outputs),
    }
