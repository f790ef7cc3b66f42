"""How values are written in the database as text."""

import json
from typing import Any

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> str:
    """How JSON is written in the database: compact, readable, never NaN."""
    return _JSON.encode(value)
