"""What was recorded of attempts: kept until its attempt ends, then uploaded or dropped as the job wants it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from config.clock import instant
from edge_agent.effects import DropRecording, StartUpload
from edge_agent.journal import Journal, JournalFile
from edge_agent.operations import Recording, Upload
from edge_agent.records import Ended
from edge_agent.rows import log_row, stamp
from schemas.status import LogLevel

MOST_BYTES = 500_000_000
_ADD = "insert into recordings values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DUE = "update recordings set due = 1 where robot = ? and id = ?"
_REMOVE = "delete from recordings where robot = ? and id = ?"
_ALL = "select id, attempt, job, path, kind, name, size, sha256, at, due from recordings where robot = ? order by id"
_UPLOADED = frozenset({"failed", "interrupted"})
"""Ends of an attempt that `on_failure` is about."""
SENTENCES = {"screenshot": "screenshot_taken", "video": "video_recorded", "file": "file_recorded"}


@dataclass(frozen=True)
class UploadEnd:
    """What became of an upload; `problem`: why it was given up."""

    id: str
    problem: str | None = None


class Recordings:
    """The recordings of one robot: all calls happen inside the agent's journal transaction.

    A log line names a recording by its id from the moment when it is known that it will be uploaded; that may be long
    before the box has it.
    """

    def __init__(
        self,
        file: JournalFile,
        journal: Journal,
        most_bytes: int = MOST_BYTES,
        wall: Callable[[], str] = lambda: stamp(instant().utc_us),
    ) -> None:
        self._file, self._journal, self._wall, self._most = file, journal, wall, most_bytes
        self._waiting = {upload.recording.id: upload for upload in _read(file, journal.robot)}
        self._effects: list[StartUpload | DropRecording] = []

    def boot(self) -> None:
        """Whatever was due before is due again."""
        self._effects += [StartUpload(upload) for upload in self._waiting.values() if upload.due]

    @property
    def known(self) -> Collection[str]:
        """The ids of all that is kept."""
        return self._waiting.keys()

    def take(self) -> list[StartUpload | DropRecording]:
        """What is to be done now that the journal has committed."""
        effects, self._effects = self._effects, []
        return effects

    # ------------------------------------------------------------ what happens
    def recorded(self, recording: Recording, attempt: int, job: str, path: str | None, wanted: str) -> None:
        """A driver has recorded something; `wanted` is the job's policy."""
        if wanted == "never":
            self._effects.append(DropRecording(recording.id))
            return
        upload = Upload(recording, attempt, job, path, self._wall(), due=wanted == "always")
        if self._bytes() + recording.size > self._most:
            self._effects.append(DropRecording(recording.id))
            self._say(upload, LogLevel.WARNING, "recordings_full", {"name": recording.name}, self._wall())
            return
        self._add(upload)
        if upload.due:
            self._release(upload)

    def ended(self, end: Ended) -> None:
        """An attempt is over: what was kept for its failure is due, or not wanted any more."""
        kept = [one for one in self._waiting.values() if one.attempt == end.attempt and not one.due]
        for upload in kept:
            if end.kind in _UPLOADED:
                due = self._waiting[upload.recording.id] = replace(upload, due=True)
                self._file.write(self._journal, _DUE, upload.recording.id)
                self._release(due)
            else:
                self._forget(upload)

    def uploaded(self, end: UploadEnd) -> None:
        """The box has it, or will never take it."""
        upload = self._waiting.get(end.id)
        if upload is None:
            return
        if end.problem is not None:
            args = {"name": upload.recording.name, "reason": end.problem}
            self._say(upload, LogLevel.WARNING, "upload_given_up", args, self._wall())
        self._forget(upload)

    # ------------------------------------------------------------ journal and effects
    def _bytes(self) -> int:
        return sum(upload.recording.size for upload in self._waiting.values())

    def _add(self, upload: Upload) -> None:
        one = upload.recording
        self._waiting[one.id] = upload
        self._file.write(
            self._journal, _ADD, one.id, upload.attempt, upload.job, upload.path, one.kind, one.name, one.size,
            one.sha256, upload.at, upload.due,
        )  # fmt: skip

    def _release(self, upload: Upload) -> None:
        self._effects.append(StartUpload(upload))
        args = {"name": upload.recording.name}
        self._say(
            upload, LogLevel.INFO, SENTENCES[upload.recording.kind], args, upload.at, artifact=upload.recording.id
        )

    def _forget(self, upload: Upload) -> None:
        del self._waiting[upload.recording.id]
        self._file.write(self._journal, _REMOVE, upload.recording.id)
        self._effects.append(DropRecording(upload.recording.id))

    def _say(
        self, upload: Upload, level: int, message: str, args: dict[str, Any], time: str, artifact: str | None = None
    ) -> None:
        fields = {
            "job": upload.job, "attempt": upload.attempt, "time": time, "path": upload.path, "level": level,
            "type": "artifact", "message": message, "args": args, "artifact": artifact,
        }  # fmt: skip
        self._journal.append("log", upload.attempt, log_row(fields))


def _read(file: JournalFile, robot: str) -> Iterator[Upload]:
    for id_, attempt, job, path, kind, name, size, sha256, at, due in file.read(_ALL, robot):
        yield Upload(Recording(id_, kind, name, size, sha256), attempt, job, path, at, due=bool(due))
