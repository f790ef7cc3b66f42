"""A tape of every change that a process makes to the files of a folder, and of what it had acknowledged by then.

The process is the product's own code with its own SQLite, watched from outside by strace. So the tape has every write,
sync, cut, renaming and removal in order, with its bytes.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ACKNOWLEDGED = "acknowledged"
"""The file into which a scene writes how far it has come, after a commit has returned."""
_CALLS = "openat,write,pwrite64,fsync,fdatasync,ftruncate,unlink,rename,renameat,renameat2,unlinkat,lseek"
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
_FILE = re.compile(r"^\d+<([^>]*)>")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Step(NamedTuple):
    """One change: what, of which file (its name in the folder), where, and with which bytes or to which name."""

    what: str
    name: str
    at: int = 0
    content: bytes = b""
    to: str = ""


def record(module: str, folder: Path, *arguments: str) -> list[Step]:
    """Run `python -m MODULE FOLDER ARGUMENTS…` and return what it did to the folder's files, in order."""
    folder.mkdir(parents=True)
    raw = folder.with_name(folder.name + ".strace")
    strace = ["strace", "-f", "-y", "-xx", "-s", "20000000", "-qq", "-e", f"trace={_CALLS}", "-o", str(raw)]
    command = [*strace, sys.executable, "-m", module, str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    with raw.open(encoding="ascii") as lines:
        tape = list(_Reader(folder).steps(lines))
    raw.unlink()
    return tape


class _Reader:
    """Makes steps from strace's lines; keeps where each file is written next, and how long it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder.resolve()}/"
        self._place: dict[str, int] = {}

    def steps(self, lines: Iterator[str]) -> Iterator[Step]:
        for line in lines:
            found = _LINE.match(line)
            if found is None or int(found[3]) < 0:
                if "unfinished" in line and self._folder in _text(line):
                    raise ValueError(f"two threads at once: {line[:200]}")
                continue
            yield from self._step(found[1], found[2], int(found[3]))

    def _step(self, call: str, given: str, result: int) -> Iterator[Step]:
        if call in ("unlink", "unlinkat", "rename", "renameat", "renameat2", "openat"):
            yield from self._named(call, given)
            return
        name = self._name(_FILE.match(given))
        if name is None:
            return
        if call in ("fsync", "fdatasync"):
            yield Step("sync", name)
        elif call == "ftruncate":
            yield Step("cut", name, int(given.rpartition(",")[2]))
        elif call == "lseek":
            self._place[name] = result
        elif call == "pwrite64":
            yield Step("write", name, int(given.rpartition(",")[2]), _bytes(given)[:result])
        else:
            place = self._place.get(name, 0)
            self._place[name] = place + result
            yield Step("write", name, place, _bytes(given)[:result])

    def _named(self, call: str, given: str) -> Iterator[Step]:
        paths = [bytes.fromhex(found.replace("\\x", "")).decode() for found in _BYTES.findall(given)]
        names = [path.removeprefix(self._folder) for path in paths if path.startswith(self._folder)]
        if not names:
            return
        if call == "openat":
            self._place[names[0]] = 0
            if "O_CREAT" in given:
                yield Step("make", names[0])
            if "O_TRUNC" in given:
                yield Step("cut", names[0], 0)
        elif call.startswith("rename"):
            yield Step("rename", names[0], to=names[1])
        else:
            yield Step("remove", names[0])

    def _name(self, found: re.Match[str] | None) -> str | None:
        path = _text(found[1]) if found is not None else ""
        if path == self._folder.rstrip("/"):
            return "."
        return path.removeprefix(self._folder) if path.startswith(self._folder) else None


def _text(escaped: str) -> str:
    """Paths may be written in hexadecimal, too."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), escaped)


def _bytes(given: str) -> bytes:
    found = _BYTES.search(given)
    return bytes.fromhex(found[1].replace("\\x", "")) if found is not None else b""
