"""What is recorded around one run of an RPA machine: its screen, a picture after a failure, what the program left."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edge_agent.drivers.rpa_commands import OUR_PREFIX, RpaSettings
from edge_agent.drivers.rpa_runs import RunFolder
from edge_agent.drivers.windows_job import Job
from edge_agent.operations import Operation, OperationEvent
from edge_agent.recorded import RecordedFiles
from schemas.artifact import ArtifactKind

ARTIFACTS = "YARDMASTER_ARTIFACTS"
"""Variable that names the folder in which a command may leave pictures and videos."""
MOST_FILES = 20
FINISH_S, PICTURE_S = 10.0, 10.0
_KINDS: dict[str, ArtifactKind] = {".png": "screenshot", ".jpg": "screenshot", ".jpeg": "screenshot", ".webm": "video"}
_ROOT = str(Path(__file__).resolve().parents[2])
_LAUNCH = f"import sys; sys.path.append({_ROOT!r}); from edge_agent.drivers.recorder_launcher import main; main()"
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
logger = logging.getLogger(__name__)


class RunRecording:
    """Records one run; without a folder for recordings, or for a job that wants none, it does nothing."""

    def __init__(
        self,
        operation: Operation,
        folder: RunFolder,
        settings: RpaSettings,
        files: RecordedFiles | None,
        say: Callable[[OperationEvent], None],
    ) -> None:
        self._operation, self._settings, self._say = operation, settings, say
        self._files = files if operation.wanted != "never" else None
        self._folder, self._screen = folder.path / "artifacts", folder.path / "screen.webm"
        self._picture = folder.path / "failure.png"
        self._recorder: subprocess.Popen[bytes] | None = None
        self._job: Job | None = None

    def environment(self) -> Mapping[str, str]:
        """What the command is told; the folder is always there, so that commands need not ask."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return {ARTIFACTS: str(self._folder)}

    def begin(self) -> None:
        """Start the recorder; without it the run goes on all the same."""
        if self._files is None or not self._settings.recorder:
            return
        try:
            self._recorder = subprocess.Popen(
                [sys.executable, "-I", "-c", _LAUNCH],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=_environment(), cwd=self._folder.parent, start_new_session=True, creationflags=_NO_WINDOW,
            )  # fmt: skip
            self._job = Job()
            self._job.adopt(self._recorder.pid)
            self._tell(_words(self._settings.recorder, self._screen))
        except OSError as error:
            self._complain(f"the recorder cannot be started: {error}")

    def end(self, end: OperationEvent) -> None:
        """The run is over and nothing of it lives: finish, and hand over what is wanted."""
        failed = end.what == "failed"
        drop = self._operation.wanted == "on_failure" and not failed
        self._finish(hurry=drop)
        if self._files is None or end.what == "refused":
            return
        if failed and self._settings.screenshot:
            self._take_picture()
        self.collect()

    def collect(self) -> None:
        """Hand over all that is there, the screen first."""
        if self._files is None:
            return
        found = list(self._found())
        for file, kind, name in found[: MOST_FILES + 2]:
            try:
                recording = self._files.take(file, kind, name)
            except OSError as error:
                self._complain(f"{name}: {error}")
            else:
                self._say(OperationEvent(self._operation.key, "recorded", recording=recording))
        if len(found) > MOST_FILES + 2:
            args = {"count": len(found) - MOST_FILES - 2, "most": MOST_FILES}
            self._log("artifacts_left_out", args)

    def _found(self) -> Iterator[tuple[Path, ArtifactKind, str]]:
        if self._screen.is_file():
            yield self._screen, "video", self._screen.name
        if self._picture.is_file():
            yield self._picture, "screenshot", self._picture.name
        if self._folder.is_dir():
            for file in sorted(self._folder.iterdir()):
                # A link could name any file of this machine.
                if file.suffix.lower() in _KINDS and file.is_file() and not file.is_symlink():
                    yield file, _KINDS[file.suffix.lower()], file.name

    # ------------------------------------------------------------ recorder and picture
    def _tell(self, argv: list[str]) -> None:
        if self._recorder is not None and self._recorder.stdin is not None:
            self._recorder.stdin.write(json.dumps(argv).encode() + b"\n")
            self._recorder.stdin.flush()

    def _finish(self, *, hurry: bool) -> None:
        """Have the recorder finish its file; one that does not is ended."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            if hurry:
                recorder.kill()
            if recorder.stdin is not None:
                recorder.stdin.close()
            if recorder.wait(FINISH_S) and not hurry:
                self._complain("the recorder ended with an error")
        except (OSError, subprocess.TimeoutExpired) as error:
            recorder.kill()
            recorder.wait()
            self._complain(str(error))
        finally:
            if self._job is not None:
                self._job.end()

    def _take_picture(self) -> None:
        argv = _words(self._settings.screenshot, self._picture)
        try:
            subprocess.run(
                argv, timeout=PICTURE_S, check=True, env=_environment(), creationflags=_NO_WINDOW,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            self._complain(f"no picture could be taken: {error}")

    def _complain(self, reason: str) -> None:
        logger.warning("run %s: %s", self._operation.key, reason)
        self._log("recorder_failed", {"reason": reason[:500]})

    def _log(self, message: str, args: Mapping[str, object]) -> None:
        self._say(OperationEvent(self._operation.key, "log", level=2, message=message, args=args))


def _words(argv: tuple[str, ...], output: Path) -> list[str]:
    return [word.replace("{output}", str(output)) for word in argv]


def _environment() -> dict[str, str]:
    """The agent's, without its own settings: they may hold its password."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(OUR_PREFIX)}
