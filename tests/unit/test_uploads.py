"""Recordings on their way to the box: cut at every step, at every journal write; refused, dropped, kept as wanted."""

import hashlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.box_http import BoxRefused, NotReachable
from edge_agent.effects import DropRecording, Effect, StartUpload
from edge_agent.operations import OperationEvent, Recording, Upload
from edge_agent.protocol import AgentCore
from edge_agent.recorded import YOUNG_S, RecordedFiles
from edge_agent.recordings import Recordings, UploadEnd
from edge_agent.upload_thread import UploadThread
from edge_agent.uploader import CHUNK_BYTES, GivenUp, Later, upload
from schemas.blocks import sentence
from tests.fakes.agent_bench import Bench, Crash
from tests.waiting import wait_for

DATA = os.urandom(2 * CHUNK_BYTES + 5000)


class FakeBox:
    """A box's memory of one artifact; it answers, or the line breaks before or after what it did."""

    def __init__(self) -> None:
        self.opened: dict[str, dict[str, Any]] = {}
        self.data = b""
        self.asked: list[str] = []
        self.cut_at, self.cut_after = 0, False
        self.refuse: dict[str, BoxRefused] = {}
        self.keeps = CHUNK_BYTES
        """Bytes it keeps of a request that is cut."""

    def ask(self, robot: str, method: str, path: str, **parts: Any) -> httpx.Response:
        self.asked.append(method)
        if method in self.refuse:
            raise self.refuse[method]
        now = len(self.asked) == self.cut_at
        if now and not self.cut_after:
            if method == "PATCH" and int(parts["headers"]["Upload-Offset"]) == len(self.data):
                self.data += parts["content"][: self.keeps]
            raise NotReachable("cut")
        answer = getattr(self, f"_{method.lower()}")(path, parts)
        if now:
            raise NotReachable("cut")
        return answer  # type: ignore[no-any-return]

    def _answer(self) -> httpx.Response:
        (about,) = self.opened.values()
        whole = len(self.data) == about["size"] and hashlib.sha256(self.data).hexdigest() == about["sha256"]
        state = {"state": "complete" if whole else "open"}
        return httpx.Response(200, json=state, headers={"Upload-Offset": str(len(self.data))})

    def _post(self, path: str, parts: dict[str, Any]) -> httpx.Response:
        assert path == "/attempts/7/artifacts"
        assert self.opened.setdefault(parts["body"]["id"], parts["body"]) == parts["body"]
        return self._answer()

    def _head(self, path: str, _: dict[str, Any]) -> httpx.Response:
        assert path.removeprefix("/artifacts/") in self.opened
        return self._answer()

    def _patch(self, path: str, parts: dict[str, Any]) -> httpx.Response:
        assert path.removeprefix("/artifacts/") in self.opened
        if int(parts["headers"]["Upload-Offset"]) != len(self.data):
            raise BoxRefused(409, "artifact.offset", "elsewhere")
        self.data += parts["content"]
        return self._answer()


def recording(data: bytes = DATA, kind: Any = "video") -> Recording:
    return Recording("01a1-7", kind, "screen.webm", len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def what() -> Upload:
    return Upload(recording(), 7, "job-1", "-1/1", "2026-01-01T00:00:00Z", due=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "01a1-7"
    path.write_bytes(DATA)
    return path


# ---------------------------------------------------------------- one upload
def test_it_is_announced_and_sent_in_pieces(what: Upload, file: Path) -> None:
    box = FakeBox()
    upload(box, "r1", what, file)
    assert box.asked == ["POST", "PATCH", "PATCH", "PATCH"]
    assert box.data == DATA
    assert box.opened["01a1-7"]["path"] == "-1/1"


@pytest.mark.parametrize("after", [False, True], ids=["before it was done", "after it was done"])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("keeps", [0, 1000, CHUNK_BYTES])
def test_cut_at_any_step_it_goes_on_where_it_was(what: Upload, file: Path, step: int, after: bool, keeps: int) -> None:
    box = FakeBox()
    box.cut_at, box.cut_after, box.keeps = step, after, keeps
    with pytest.raises(Later, match="cut"):
        upload(box, "r1", what, file)
    had = len(box.data)
    upload(box, "r1", what, file)
    assert box.data == DATA
    sent = box.asked[step:].count("PATCH")
    assert sent == max(1, -(-(len(DATA) - had) // CHUNK_BYTES)), "nothing is sent twice"


def test_a_box_that_is_elsewhere_is_followed(what: Upload, file: Path) -> None:
    """Its disk was restored, or another of our requests came late."""
    box = FakeBox()
    real = box._patch

    def once_elsewhere(path: str, parts: dict[str, Any]) -> httpx.Response:
        box.data, box._patch = DATA[:10], real  # type: ignore[method-assign]
        return real(path, parts)

    box._patch = once_elsewhere  # type: ignore[method-assign]
    upload(box, "r1", what, file)
    assert (box.data, box.asked[:3]) == (DATA, ["POST", "PATCH", "HEAD"])


@pytest.mark.parametrize(("status", "code"), [
    (401, "auth.expired"), (403, "auth.role"), (429, "rate.limited"), (500, "internal"), (503, "controller.down"),
    (504, "controller.no_answer"), (507, "artifact.space"), (409, "artifact.busy"), (502, "http.502"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_be_different_later_is_tried_later(
    what: Upload, file: Path, method: str, status: int, code: str
) -> None:
    box = FakeBox()
    box.refuse[method] = BoxRefused(status, code, "not now")
    with pytest.raises(Later, match="not now"):
        upload(box, "r1", what, file)


@pytest.mark.parametrize(("status", "code"), [
    (404, "attempt.not_found"), (409, "artifact.state"), (409, "artifact.count"), (413, "artifact.size"),
    (422, "artifact.mismatch"), (422, "request.invalid"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_will_never_be_taken_is_given_up(what: Upload, file: Path, method: str, status: int, code: str) -> None:
    box = FakeBox()
    box.refuse[method] = BoxRefused(status, code, "never")
    with pytest.raises(GivenUp, match="never"):
        upload(box, "r1", what, file)


def test_a_file_that_is_gone_is_given_up(what: Upload, tmp_path: Path) -> None:
    with pytest.raises(GivenUp, match="cannot be read on the robot"):
        upload(FakeBox(), "r1", what, tmp_path / "none")


def test_a_box_that_never_gets_on_is_left_alone(what: Upload, file: Path) -> None:
    box = FakeBox()
    box._patch = lambda *_: box._answer()  # type: ignore[method-assign]
    with pytest.raises(Later, match="does not get on"):
        upload(box, "r1", what, file)


@pytest.mark.parametrize("answer", [httpx.Response(201, json={}), httpx.Response(201, text="x")])
def test_what_is_no_box_is_no_box(what: Upload, file: Path, answer: httpx.Response) -> None:
    box = FakeBox()
    box._post = lambda *_: answer  # type: ignore[method-assign]
    with pytest.raises(Later, match="no box"):
        upload(box, "r1", what, file)


# ---------------------------------------------------------------- the folder
def test_a_file_is_moved_in_and_measured(tmp_path: Path) -> None:
    source = tmp_path / "x.png"
    source.write_bytes(DATA)
    files = RecordedFiles(tmp_path)
    taken = files.take(source, "screenshot", "x" * 300)
    assert (taken.size, taken.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (files.path(taken.id).read_bytes(), source.exists(), len(taken.name)) == (DATA, False, 200)
    files.drop(taken.id)
    files.drop(taken.id)
    assert not files.path(taken.id).exists()


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    with pytest.raises(OSError, match="is empty"):
        RecordedFiles(tmp_path).take(tmp_path / "x.png", "screenshot", "x")


def test_old_files_that_nobody_knows_are_removed(tmp_path: Path) -> None:
    files = RecordedFiles(tmp_path)
    known, young, old = (files.keep(b"x", "screenshot", name).id for name in ("known", "young", "old"))
    for one in (known, old):
        os.utime(files.path(one), (0, 0))
    assert YOUNG_S > 0
    files.sweep({known})
    assert [files.path(one).exists() for one in (known, young, old)] == [True, True, False]


# ---------------------------------------------------------------- what the journal makes of it
class Recorder(Bench):
    """An agent that keeps recordings, and what it wanted done with them."""

    def boot(self) -> None:
        self.effects: list[Effect] = []
        super().boot()

    def core_class(self, robot: str, journal: Any, *args: Any) -> Any:  # type: ignore[override]
        return partial(AgentCore, recordings=Recordings(self.file, journal, 10_000, lambda: "t"))(robot, journal, *args)

    def perform(self, effect: Effect) -> None:
        self.effects.append(effect)
        super().perform(effect)

    def record(self, name: str = "a.png", size: int = 100, key: Any = None) -> str:
        one = Recording(f"id-{name}", "screenshot", name, size, "0" * 64)
        self.step("operation", OperationEvent(key or self.going(), "recorded", recording=one))
        return one.id

    def started(self) -> list[str]:
        return [effect.upload.recording.id for effect in self.effects if isinstance(effect, StartUpload)]

    def dropped(self) -> list[str]:
        return [effect.id for effect in self.effects if isinstance(effect, DropRecording)]

    def lines(self) -> list[tuple[str, str | None]]:
        """What the log says of recordings: message and artifact."""
        self.answer()
        rows = [row for row in self.rows.values() if row["kind"] == "log" and row["type"] == "artifact"]
        return [(row["message"], row.get("artifact")) for row in rows]


def test_recording_always_uploads_at_once() -> None:
    bench = Recorder()
    bench.begin(recording="always")
    one = bench.record()
    assert (bench.started(), bench.dropped()) == ([one], [])
    assert bench.lines() == [("screenshot_taken", one)]
    row = next(row for row in bench.rows.values() if row.get("artifact"))
    assert (row["job"], row["attempt"], row["path"], row["level"]) == ("job-1", 1, "-1/1", 1)
    assert sentence(row["message"], row["args"], "zh") == "截图 a.png"


def test_recording_never_keeps_nothing() -> None:
    bench = Recorder()
    bench.begin(recording="never")
    one = bench.record()
    assert (bench.started(), bench.dropped(), bench.lines()) == ([], [one], [])


def test_recording_on_failure_is_kept_until_the_attempt_ends_and_uploaded_when_it_failed() -> None:
    bench = Recorder()
    bench.begin(recording="on_failure")
    one = bench.record("1.png")
    assert (bench.started(), bench.dropped(), bench.lines()) == ([], [], [])
    bench.end("succeeded")
    two = bench.record("2.png")
    bench.end("failed", reason="broken")
    assert (bench.started(), bench.dropped()) == ([one, two], [])
    assert bench.lines() == [("screenshot_taken", one), ("screenshot_taken", two)]
    kinds = [row["kind"] for row in bench.rows.values()]
    assert kinds.index("failed") > max(i for i, row in enumerate(bench.rows.values()) if row.get("artifact"))


@pytest.mark.parametrize("how", ["succeeded", "cancelled"])
def test_recording_on_failure_is_dropped_on_the_robot_when_nothing_failed(how: str) -> None:
    bench = Recorder()
    bench.begin(recording="on_failure")
    one = bench.record()
    if how == "cancelled":
        bench.cancel(1)
        bench.settle()
    bench.finish()
    assert how in bench.words()
    assert (bench.started(), bench.dropped(), bench.lines()) == ([], [one], [])


def test_an_interrupted_attempt_counts_as_failed() -> None:
    bench = Recorder()
    bench.begin(recording="on_failure")
    one = bench.record()
    bench.end("unknown")
    assert (bench.started(), bench.lines()) == ([one], [("screenshot_taken", one)])


def test_what_is_recorded_for_nothing_in_hand_is_not_wanted() -> None:
    bench = Recorder()
    assert bench.dropped() == []
    one = bench.record(key=(99, 1))
    assert (bench.started(), bench.dropped()) == ([], [one])


def test_a_robot_keeps_so_much_and_says_so() -> None:
    bench = Recorder()
    bench.begin(recording="always")
    first, second = bench.record("1.png", 9_000), bench.record("2.png", 2_000)
    assert (bench.started(), bench.dropped()) == ([first], [second])
    assert bench.lines() == [("screenshot_taken", first), ("recordings_full", None)]


def test_what_the_box_has_is_removed_here_and_is_not_uploaded_again() -> None:
    bench = Recorder()
    bench.begin(recording="always")
    one = bench.record()
    bench.step("upload_ended", UploadEnd(one))
    bench.step("upload_ended", UploadEnd(one))
    assert bench.dropped() == [one]
    bench.restart()
    assert bench.started() == []


def test_giving_up_is_a_line_of_the_log() -> None:
    bench = Recorder()
    bench.begin(recording="always")
    one = bench.record()
    bench.step("upload_ended", UploadEnd(one, "it is too large"))
    assert bench.dropped() == [one]
    assert bench.lines()[1:] == [("upload_given_up", None)]


@pytest.mark.parametrize("policy", ["always", "on_failure"])
@pytest.mark.parametrize("moment", range(1, 40))
def test_killed_at_any_moment_nothing_is_lost_or_left_over(policy: str, moment: int) -> None:
    """Whatever dies where: in the end all of a failed attempt is due (or was handed over), or is known to nobody."""
    bench = Recorder()
    bench.begin(recording=policy)
    key = bench.going()
    bench.crash_at = moment
    told: list[str] = []
    try:
        told += [bench.record("1.png"), bench.record("2.png")]
        bench.end("failed", reason="broken")
        bench.step("upload_ended", UploadEnd("id-1.png"))
    except Crash:
        pass
    bench.crash_at = -1
    before = bench.started()
    bench.restart()
    bench.settle()
    if key in bench.driver.moving:
        bench.end("failed", reason="broken")
    bench.finish()
    after = set(bench.started()) | set(bench.core.known_recordings)
    assert set(bench.core.known_recordings) <= set(bench.started()), "what is kept is due"
    named = {artifact for message, artifact in bench.lines() if message == "screenshot_taken"}
    assert named >= after, "what is uploaded is named in the log"
    assert set(told) <= named | set(before), "what was journalled is not forgotten"


def test_the_journal_keeps_recordings_of_two_robots_apart() -> None:
    from edge_agent.journal import Journal, JournalFile

    file = JournalFile(":memory:")
    one, two = (Recordings(file, Journal(file, robot)) for robot in ("r1", "r2"))
    with file.transaction():
        one.recorded(Recording("x", "file", "a", 1, "0" * 64), 1, "j", None, "always")
        two.recorded(Recording("x", "file", "b", 1, "0" * 64), 2, "j", None, "always")
    assert [list(Recordings(file, Journal(file, robot)).known) for robot in ("r1", "r2", "r3")] == [["x"], ["x"], []]


# ---------------------------------------------------------------- the thread
class Sluggish(FakeBox):
    """Not reachable for the first few times."""

    def __init__(self, bad: int) -> None:
        super().__init__()
        self.bad = bad

    def ask(self, *args: Any, **parts: Any) -> httpx.Response:
        self.bad -= 1
        if self.bad >= 0:
            raise NotReachable("no network")
        return super().ask(*args, **parts)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.upload_thread.FIRST_S", 0.01)


def run_thread(tmp_path: Path, box: Any, what: Upload) -> list[tuple[str, UploadEnd]]:
    files, ended = RecordedFiles(tmp_path), list[tuple[str, UploadEnd]]()
    files.path(what.recording.id).write_bytes(DATA)
    thread = UploadThread(box, files, lambda robot, end: ended.append((robot, end)))
    thread.put("r1", what)
    thread.put("r1", what)
    thread.start({what.recording.id})
    wait_for(lambda: ended, 20, "the end of the upload")
    thread.close()
    return ended


@pytest.mark.usefixtures("quick")
def test_the_thread_tries_again_until_the_box_has_it(tmp_path: Path, what: Upload) -> None:
    box = Sluggish(3)
    assert run_thread(tmp_path, box, what) == [("r1", UploadEnd("01a1-7"))]
    assert box.data == DATA


@pytest.mark.usefixtures("quick")
def test_the_thread_gives_up_what_the_box_will_never_take(tmp_path: Path, what: Upload) -> None:
    box = FakeBox()
    box.refuse["POST"] = BoxRefused(413, "artifact.size", "too large")
    assert run_thread(tmp_path, box, what) == [("r1", UploadEnd("01a1-7", "too large"))]


def test_every_line_about_recordings_has_words_in_both_languages() -> None:
    from schemas.agent_words import OF_AGENTS

    args = {"name": "a", "reason": "b", "count": 1, "most": 2, "characters": 3}
    for message in OF_AGENTS:
        english, chinese = sentence(message, args), sentence(message, args, "zh")
        assert message not in (english, chinese)
        assert json.dumps(english) != json.dumps(chinese)
