"""Values of parameters, variables and outputs as people read them: short ones in the line, long ones folded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web.console.language import ngettext

IN_LINE, SHOWN = 80, 20_000


@dataclass(frozen=True)
class Value:
    """A named value: `text` in the line, and `whole` below it where that is not all; `cut`: not even that is all."""

    name: str
    text: str
    whole: str | None = None
    cut: bool = False


def values(given: Mapping[str, Any] | None) -> list[Value]:
    """Every value of an object, in its order."""
    return [value(str(name), one) for name, one in (given or {}).items()]


def value(name: str, given: Any) -> Value:
    """One value; texts stand as they are, everything else as JSON."""
    if isinstance(given, str):
        short = len(given) <= IN_LINE and "\n" not in given
        return Value(name, given) if short else _folded(name, " ".join(given.split()), given)
    line = json.dumps(given, ensure_ascii=False)
    if len(line) <= IN_LINE:
        return Value(name, line)
    return _folded(name, _count(given) or line, json.dumps(given, ensure_ascii=False, indent=2))


def _folded(name: str, line: str, whole: str) -> Value:
    short = line if len(line) <= IN_LINE else line[:IN_LINE] + "…"
    return Value(name, short, whole[:SHOWN], len(whole) > SHOWN)


def _count(given: Any) -> str:
    if isinstance(given, list):
        return ngettext("list of %(n)s value", "list of %(n)s values", len(given))
    if isinstance(given, dict):
        return ngettext("object with %(n)s value", "object with %(n)s values", len(given))
    return ""
