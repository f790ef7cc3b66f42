"""Sample answers of the documents that the record formats come from, and how an answer is held against one."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6})?\Z")
IDS = frozenset({
    "id", "recordId", "logId", "task_id", "task_record_id", "root_task_record_id", "original_task_record_id",
    "new_task_record_id", "new_task_id", "taskId", "processInstanceId", "record_id",
})  # fmt: skip


def sample(name: str) -> Any:
    """A sample by folder and name, like `003/blocks`."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def hold(found: Any, wanted: Any, aside: Collection[str] = (), at: str = "") -> None:
    """The same keys in the same order, the same types and values; of ids and times only how they are written.

    `aside`: paths whose values may differ, like `data.ended_reason`.
    """
    name = at.rpartition(".")[2]
    assert type(found) is type(wanted), f"{at}: {found!r} is not like {wanted!r}"
    if at in aside:
        return
    if isinstance(wanted, Mapping):
        assert list(found) == list(wanted), at
        for key, value in wanted.items():
            hold(found[key], value, aside, f"{at}.{key}".lstrip("."))
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), at
        for one, other in zip(found, wanted, strict=True):
            hold(one, other, aside, at)
    elif isinstance(wanted, str) and TIME.match(wanted):
        assert TIME.match(found), f"{at}: {found!r}"
        assert ("." in found) == ("." in wanted), f"{at}: {found!r}"
    elif name not in IDS:
        assert found == wanted, at


def keys(value: Any) -> Any:
    """Only the keys of an answer, in their order."""
    if isinstance(value, Mapping):
        return {key: keys(part) for key, part in value.items()}
    return [keys(part) for part in value] if isinstance(value, list) else None
