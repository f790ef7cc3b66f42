"""How every process of the box logs: to standard error, as lines for people or as one JSON object a line."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Json(logging.Formatter):
    """One object a line: time, level, part, logger, message, the record's extras, and the traceback if there is one."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        """Make the line; what JSON cannot carry is shown as text."""
        entry = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "part": self._part,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in record.__dict__.items() if name not in _OWN and name not in entry}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class Plain(logging.Formatter):
    """Time, level, part and message; a line break in a message cannot pass for a line of its own."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        """Make the line, followed by the traceback if there is one."""
        message = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_when(record)} {record.levelname.lower():7} {self._part}: {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(part: str, level: str = "info", style: Literal["plain", "json"] = "plain") -> None:
    """Send everything that is logged in this process to standard error, in the name of one part of the box."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json(part) if style == "json" else Plain(part))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
