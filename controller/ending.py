"""Certificates that end soon, or have ended: the box's own, that of its authority, and those of its robots."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from config.certificates import CA, FOLDER, SERVER, end_of
from config.settings import ServeSettings
from controller.degraded import Condition
from controller.store.credentials import Ending

SOON_US = 30 * 86_400_000_000
NAMED = 3
"""So many robots are named, the rest are counted."""


class Shown(NamedTuple):
    """A certificate that the box shows: where it is, what it is called in a sentence, what to do about its end."""

    path: Path
    name: str
    remedy: str


def shown_by(settings: ServeSettings) -> tuple[Shown, ...]:
    """Every certificate that others know this box by, as it was set up."""
    folder, found = settings.data_dir / FOLDER, []
    if settings.uses_own_authority:
        found.append(
            Shown(folder / SERVER, "The certificate of the box", "it is renewed by itself; the log says why if not")
        )
    elif settings.speaks_tls and settings.tls_certificate is not None:
        remedy = "put a newer one there"
        found.append(Shown(settings.tls_certificate, f"The certificate {settings.tls_certificate}", remedy))
    if settings.uses_own_authority or settings.mqtts_certificates is not None:
        remedy = "the manual says how to change it (Certificates of the box)"
        found.append(Shown(folder / CA, "The authority of the box", remedy))
    return tuple(found)


class Endings:
    """Looks when each certificate ends; a file that was changed is read anew, since the box shows it soon by itself."""

    def __init__(self, shown: Sequence[Shown], robots: Callable[[int], Sequence[Ending]]) -> None:
        """`robots` gives the certificates of robots that end before a moment, in UTC microseconds."""
        self._shown, self._robots = shown, robots
        self._ends: dict[Path, tuple[int, int]] = {}
        """With when the file was changed."""

    def conditions(self) -> Iterable[Condition]:
        """At most one, of all that end within 30 days."""
        now = time.time_ns() // 1000
        said = [*self._of_box(now), *self._of_robots(now)]
        if said:
            yield Condition("box", "certificate.ending", " ".join(said))

    def _of_box(self, now: int) -> Iterator[str]:
        for shown in self._shown:
            try:
                ends = self._end(shown.path)
            except (OSError, ValueError) as error:
                yield f"{shown.name} cannot be read ({error}): the box cannot be started without it."
                continue
            if ends - now <= SOON_US:
                yield f"{shown.name} {_says(ends, now)}: {shown.remedy}."

    def _end(self, path: Path) -> int:
        changed = path.stat().st_mtime_ns
        if self._ends.get(path, (0, 0))[0] != changed:
            self._ends[path] = changed, end_of(path)
        return self._ends[path][1]

    def _of_robots(self, now: int) -> Iterator[str]:
        found = self._robots(now + SOON_US)
        if found:
            named = ", ".join(f"{one.robot} {_says(one.ends_us, now)}" for one in found[:NAMED])
            more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
            yield f"Certificates of robots: {named}{more}: enrol these robots again."


def _says(ends_us: int, now: int) -> str:
    day = datetime.fromtimestamp(ends_us // 1_000_000, UTC).date().isoformat()
    return f"{'ended' if ends_us <= now else 'ends'} on {day}"
