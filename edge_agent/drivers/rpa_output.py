"""What a process prints and puts out, bounded: lines for the log, the last of it for the record, its JSON object."""

import codecs
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from config.clock import steady
from edge_agent.mask import NO_MASK, Mask
from schemas.decode import BadJson, check_bounds, parse

KEPT_BYTES = 65_536
SHOWN_BYTES = 12 * 1024
"""Of stdout and stderr each, as JSON: with 16 KiB of outputs and the inputs they fit a row of 64 KiB."""
OUTPUT_BYTES, OUTPUT_DEPTH = 16 * 1024, 16
LINE_CHARS = 2000
LINES_AT_ONCE, LINES_A_SECOND = 100, 20.0


class BadOutput(ValueError):
    """The output file is not what it should be; the message is a sentence for people."""


class LineGate:
    """Lets so many lines a second through to the log, and counts the rest. Shared by both streams of a process."""

    def __init__(self, say: Callable[[int, str], None], say_left_out: Callable[[int], None]) -> None:
        self._say, self._say_left_out, self._lock = say, say_left_out, threading.Lock()
        self._tokens, self._at, self._left_out = float(LINES_AT_ONCE), steady(), 0

    def line(self, level: int, text: str) -> None:
        with self._lock:
            now = steady()
            self._tokens = min(LINES_AT_ONCE, self._tokens + (now - self._at) * LINES_A_SECOND)
            self._at = now
            if self._tokens < 1:
                self._left_out += 1
                return
            self._tokens -= 1
            self._tell_left_out()
            self._say(level, text)

    def close(self) -> None:
        """Say what was left out last."""
        with self._lock:
            self._tell_left_out()

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._say_left_out(self._left_out)
            self._left_out = 0


class Stream:
    """One stream of a process: feeds lines to the gate and keeps the last 64 KiB."""

    def __init__(self, level: int, encoding: str, gate: LineGate, mask: Mask = NO_MASK) -> None:
        self._level, self._gate, self._hidden = level, gate, mask.stream()
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._kept, self._line, self._last = "", "", ""
        self.cut = False

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take what was read."""
        text = self._hidden.feed(self._decoder.decode(data, final), final=final)
        self._kept += text
        if len(self._kept) > KEPT_BYTES:
            self._kept, self.cut = self._kept[-KEPT_BYTES:], True
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._pass(line)
        while len(self._line) > LINE_CHARS:  # a line without an end must not fill the memory
            self._pass(self._line[:LINE_CHARS])
            self._line = self._line[LINE_CHARS:]
        if final and self._line:
            self._pass(self._line)

    def last_line(self) -> str:
        """The last line that holds anything."""
        return self._last

    def shown(self) -> tuple[str, bool]:
        """The end of it that fits a row, and whether anything is missing before."""
        text = _fit(self._kept)
        return text, self.cut or len(text) < len(self._kept)

    def _pass(self, line: str) -> None:
        line = line.rstrip("\r")
        if line.strip():
            self._last = line[:LINE_CHARS].strip()
            self._gate.line(self._level, line if len(line) <= LINE_CHARS else line[:LINE_CHARS] + " …")


def _fit(text: str) -> str:
    """The longest end of a text whose JSON is at most SHOWN_BYTES (escapes make some characters six bytes)."""
    text = text[-SHOWN_BYTES:]
    while len(data := to_json(text)) > SHOWN_BYTES:
        text = text[len(text) - len(text) * SHOWN_BYTES // len(data) + 1 :]
    return text


def read_output(path: Path) -> dict[str, Any]:
    """The JSON object a process wrote, {} if none; raises `BadOutput`."""
    try:
        with path.open("rb") as file:
            data = file.read(OUTPUT_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadOutput(f"the output file cannot be read: {error.strerror}") from error
    if len(data) > OUTPUT_BYTES:
        raise BadOutput(f"the output file is larger than {OUTPUT_BYTES} bytes")
    if not data.strip():
        return {}
    try:
        check_bounds(data, OUTPUT_BYTES, OUTPUT_DEPTH)
        value = parse(data)
    except BadJson as error:
        raise BadOutput(f"the output file is not acceptable JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadOutput("the output file holds no JSON object")
    return value
