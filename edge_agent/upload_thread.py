"""Uploads what is due, one after the other, on a thread of its own, so that no robot waits for a network."""

import heapq
import logging
import random
import threading
from collections.abc import Callable, Collection

from config.clock import steady
from edge_agent.operations import Upload
from edge_agent.recorded import RecordedFiles
from edge_agent.recordings import UploadEnd
from edge_agent.uploader import Box, GivenUp, Later, upload

_LOG = logging.getLogger(__name__)

FIRST_S, LONGEST_S = 2.0, 300.0
"""Waits before an upload is begun again, doubling."""

Done = Callable[[str, UploadEnd], None]
"""Told of a robot's upload that has come to an end; called on the thread."""


class UploadThread:
    """Serves all robots of a process."""

    def __init__(self, box: Box, files: RecordedFiles, done: Done) -> None:
        self._box, self._files, self._done = box, files, done
        self._change = threading.Condition()
        self._heap: list[tuple[float, int, str, Upload, int]] = []
        self._ids: set[str] = set()
        self._count = 0
        self._closed, self._is_well = False, True
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def start(self, known: Collection[str]) -> None:
        """Begin; what was put before waits. `known`: ids of recordings that a journal knows; other old files go."""
        self._files.sweep(known)
        self._thread.start()

    def put(self, robot: str, what: Upload) -> None:
        """Have something uploaded; what waits already is not put twice."""
        with self._change:
            if what.recording.id not in self._ids:
                self._ids.add(what.recording.id)
                self._push(steady(), robot, what, 0)

    def drop(self, recording: str) -> None:
        """Remove a recording from this robot."""
        self._files.drop(recording)

    def close(self) -> None:
        """Begin nothing more; an upload that is under way ends with the process, and goes on after its next start."""
        with self._change:
            self._closed = True
            self._change.notify()

    def _push(self, when: float, robot: str, what: Upload, tries: int) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, robot, what, tries))
        self._change.notify()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            robot, what, tries = found
            self._carry_out(robot, what, tries)

    def _next(self) -> tuple[str, Upload, int] | None:
        """The next that is due; None once it is closed."""
        with self._change:
            while not self._closed:
                left = self._heap[0][0] - steady() if self._heap else None
                if left is not None and left <= 0:
                    _, _, robot, what, tries = heapq.heappop(self._heap)
                    return robot, what, tries
                self._change.wait(left)
            return None

    def _carry_out(self, robot: str, what: Upload, tries: int) -> None:
        one = what.recording
        try:
            upload(self._box, robot, what, self._files.path(one.id))
        except Later as later:
            self._tell_trouble(robot, str(later))
            wait = min(LONGEST_S, FIRST_S * 2.0 ** min(tries, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            with self._change:
                self._push(steady() + wait, robot, what, tries + 1)
            return
        except GivenUp as error:
            _LOG.warning("%s: %s of attempt %s is not uploaded: %s", robot, one.name, what.attempt, error)
            end = UploadEnd(one.id, str(error))
        else:
            self._is_well = True
            end = UploadEnd(one.id)
        with self._change:
            self._ids.discard(one.id)
        self._done(robot, end)

    def _tell_trouble(self, robot: str, why: str) -> None:
        """Once, until something works again."""
        _LOG.log(logging.WARNING if self._is_well else logging.DEBUG, "%s: uploads wait: %s", robot, why)
        self._is_well = False
