"""Key-set pagination that never walks far: every list follows one index from a key on, for a bounded number of rows."""

import base64
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

SCAN_ROWS = 10_000
"""So many rows are looked at for one page; if they hold fewer that fit, the page is short and has a `next`."""
_LOW, _HIGH = -(2**62), 2**62
Key = tuple[int, ...]


class BadCursor(ValueError):
    """The cursor is not one of ours, or belongs to other filters."""


@dataclass(frozen=True)
class Where:
    """A condition with its values."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Walk:
    """One way along an index: where it starts (`arm`), by which columns it is ordered, what must fit besides.

    `table` names the index. With `sort_all` the arm is known to be short: it is sorted whatever its own order.
    Keys lie between `low` and `high`, both excluded.
    """

    table: str
    arm: Where
    key: tuple[str, ...]
    columns: tuple[str, ...] = ()
    filters: tuple[Where, ...] = ()
    descending: bool = True
    after: Key | None = None
    sort_all: bool = False
    low: Key | None = None
    high: Key | None = None
    parts: int = 1

    @property
    def rows(self) -> int:
        """How many rows are looked at: several walks for one page share the bound."""
        return max(1, SCAN_ROWS // self.parts)


@dataclass(frozen=True)
class Found:
    """Keys that fit, in order, and the key to go on from if the walk was cut short."""

    keys: list[Key]
    stop: Key | None


def bind(*parts: Any) -> str:
    """A short name for a set of filters; a cursor carries it."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _pack(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _unpack(text: str, binding: str) -> list[Any]:
    try:
        parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise BadCursor("the cursor is not readable") from error
    if not isinstance(parts, list) or len(parts) < 2 or parts[0] != binding:
        raise BadCursor("the cursor belongs to another list or other filters")
    return parts[1:]


def cursor(binding: str, sort: str, key: Key) -> str:
    """An opaque place in a list."""
    return _pack([binding, sort, *key])


def read_cursor(text: str, binding: str, sorts: dict[str, int]) -> tuple[str, Key]:
    """Sort and key of a cursor; `sorts` says how long a key each sort has. Raises `BadCursor`."""
    sort, *key = _unpack(text, binding)
    if sorts.get(str(sort)) != len(key) or any(type(k) is not int or not _LOW <= k <= _HIGH for k in key):
        raise BadCursor("the cursor is not readable")
    return str(sort), tuple(key)


def name_cursor(binding: str, name: str) -> str:
    """An opaque place in a list that is ordered by id."""
    return _pack([binding, name])


def read_name_cursor(text: str | None, binding: str) -> str:
    """The id to go on after, "" at the start. Raises `BadCursor`."""
    if text is None:
        return ""
    name = _unpack(text, binding)[0]
    if not isinstance(name, str):
        raise BadCursor("the cursor is not readable")
    return name


def _range(walk: Walk) -> Where:
    """Bounds on the key; one of them may be where the last page ended."""
    low: Key = walk.low or (_LOW,) * len(walk.key)
    high: Key = walk.high or (_HIGH,) * len(walk.key)
    if walk.after is not None:
        low, high = (low, walk.after) if walk.descending else (walk.after, high)
    names, marks = ", ".join(walk.key), ", ".join("?" * len(walk.key))
    return Where(f"({names}) > ({marks}) and ({names}) < ({marks})", (*low, *high))


def _sql(walk: Walk, limit: int) -> tuple[str, tuple[Any, ...]]:
    bounds, way = _range(walk), "desc" if walk.descending else "asc"
    order = ", ".join(f"{name} {way}" for name in walk.key)
    columns = ", ".join(dict.fromkeys((*walk.key, *walk.columns)))
    inner = f"select {columns} from {walk.table} where {walk.arm.sql} and {bounds.sql} order by {order}"  # noqa: S608
    keys = ", ".join(walk.key)
    fit = " and ".join(where.sql for where in walk.filters) or "true"
    sql = f"select {keys} from ({inner} limit {walk.rows + 1}) where {fit} limit {limit}"  # noqa: S608
    return sql, (*walk.arm.values, *bounds.values, *chain.from_iterable(where.values for where in walk.filters))


def _cut_at(db: sqlite3.Connection, walk: Walk) -> Key | None:
    """The last key looked at, if there are more rows behind it."""
    bounds, way = _range(walk), "desc" if walk.descending else "asc"
    order = ", ".join(f"{name} {way}" for name in walk.key)
    row = db.execute(
        f"select {', '.join(walk.key)} from {walk.table} where {walk.arm.sql} and {bounds.sql}"  # noqa: S608
        f" order by {order} limit 1 offset {walk.rows}",
        (*walk.arm.values, *bounds.values),
    ).fetchone()
    return None if row is None else tuple(row)


def take(db: sqlite3.Connection, walks: Sequence[Walk], limit: int) -> tuple[list[Key], Key | None]:
    """The first keys of several walks of one order together, and the key to go on after (None: that was all)."""
    found = [_follow(db, walk, limit) for walk in walks]
    if not found:
        return [], None
    down = walks[0].descending
    keys = sorted(set(chain.from_iterable(one.keys for one in found)), reverse=down)
    stops = [one.stop for one in found if one.stop is not None]
    if stops:  # behind the nearest stop a walk that was cut short might have had keys
        stop = max(stops) if down else min(stops)
        keys = [key for key in keys if (key >= stop if down else key <= stop)]
    if len(keys) > limit:
        return keys[:limit], keys[limit - 1]
    return keys, stop if stops else None


def _follow(db: sqlite3.Connection, walk: Walk, limit: int) -> Found:
    sql, values = _sql(walk, limit + 1)
    keys: list[Key] = [tuple(row) for row in db.execute(sql, values)]
    all_of_it = walk.sort_all or (not walk.filters and walk.rows > limit)
    cut = None if len(keys) > limit or all_of_it else _cut_at(db, walk)
    return Found(keys, cut)


def count_to(db: sqlite3.Connection, table: str, arm: Where, limit: int) -> int:
    """How many rows an index arm has, counted up to `limit`."""
    row = db.execute(
        f"select count(*) from (select 1 from {table} where {arm.sql} limit {limit})",  # noqa: S608
        arm.values,
    ).fetchone()
    return int(row[0])
