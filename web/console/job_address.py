"""What the address of a job's page says: which attempt, which log lines, which loops are open."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from web.errors import ApiError, invalid

MAX_OPEN, MAX_TEXT = 50, 200
INFO, LEVELS = 1, 4
TYPES = ("system", "block", "print", "driver", "artifact")
"""Of log lines."""


@dataclass(frozen=True)
class Address:
    """`attempt`: the k-th of the job, None: the last; `every`: lines of all attempts; `level`: at least this level;
    `type`: lines of one type."""

    attempt: int | None = None
    every: bool = False
    level: int = INFO
    type: str = ""
    q: str = ""
    block: str = ""
    opened: frozenset[str] = frozenset()

    def query(self, **changes: object) -> str:
        """The query of the same page with changes; what is as usual is left out."""
        other = replace(self, **changes)  # type: ignore[arg-type]
        given = {
            "attempt": "all" if other.every else other.attempt,
            "level": None if other.level == INFO else other.level,
            "type": other.type or None,
            "q": other.q or None,
            "block": other.block or None,
            "open": " ".join(sorted(other.opened)) or None,
        }
        text = urlencode({name: value for name, value in given.items() if value is not None})
        return f"?{text}" if text else "?"


def read(args: "MultiDict[str, str] | Mapping[str, str]") -> Address:
    """Raises `ApiError` for an address that makes no sense."""
    attempt = args.get("attempt") or None
    every = attempt == "all"
    opened = frozenset((args.get("open") or "").split(" ")) - {""}
    if len(opened) > MAX_OPEN:
        raise invalid("query", "/open", "too_many", f"At most {MAX_OPEN}.")
    return Address(
        attempt=None if attempt is None or every else _number("attempt", attempt, 1, 10_000),
        every=every,
        level=_number("level", args.get("level") or str(INFO), 0, LEVELS - 1),
        type=_type(args.get("type") or ""),
        q=_text("q", args),
        block=_text("block", args),
        opened=opened,
    )


def _number(name: str, text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
        raise _wrong(name, f"A number from {least} to {most}.")
    return int(text)


def _type(given: str) -> str:
    if given and given not in TYPES:
        raise _wrong("type", f"One of {', '.join(TYPES)}.")
    return given


def _text(name: str, args: "MultiDict[str, str] | Mapping[str, str]") -> str:
    text = (args.get(name) or "").strip()
    if len(text) > MAX_TEXT:
        raise _wrong(name, f"At most {MAX_TEXT} characters.")
    return text


def _wrong(name: str, message: str) -> ApiError:
    return invalid("query", f"/{name}", "invalid", message)
