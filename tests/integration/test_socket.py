"""The command socket, both ends: bounded, never waiting, and honest about what is not known."""

import os
import selectors
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import controller.socket
from controller.client import Client, ControllerDown, NoAnswer
from controller.frames import FrameTooLarge, pack, socket_path
from controller.socket import CommandSocket, Request
from schemas.commands import MAX_FRAME, Answer, Caller
from tests.waiting import wait_for


class Server:
    """The controller's end in a thread; `reply` decides what is answered, None: nothing at all."""

    def __init__(self, data_dir: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.door = CommandSocket(socket_path(data_dir), self.selector)
        self.reply: Callable[[Request], Answer | None] = lambda r: Answer(id=r.frame.id, ok=r.frame.args)
        self.kept: list[Request] = []
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop:
            for key, mask in self.selector.select(0.02):
                key.data(mask)
            self.door.sweep()
            for request in self.door.take():
                answer = self.reply(request)
                if answer is None:
                    self.kept.append(request)
                else:
                    self.door.answer(request, answer)

    def close(self) -> None:
        self._stop = True
        self._thread.join(10)
        self.door.close()
        self.selector.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.close()


@pytest.fixture
def raw(server: Server) -> Iterator[socket.socket]:
    """A connection that sends what no client would."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(10)
        made.connect(str(server.door.path))
        yield made


def read_answer(connection: socket.socket) -> Answer:
    """The next frame of a raw connection."""
    stream = connection.makefile("rb")
    return Answer.model_validate_json(stream.read(int.from_bytes(stream.read(4), "big")))


def code_of(answer: Answer) -> str:
    """The code of a refusal."""
    assert answer.error is not None
    return answer.error.code


def test_a_command_is_answered(server: Server, tmp_path: Path) -> None:
    seen: list[Request] = []

    def reply(request: Request) -> Answer:
        seen.append(request)
        return Answer(id=request.frame.id, ok={"so": 1}, replayed=True)

    server.reply = reply
    answer = Client(tmp_path).call("queue.put", {"queue": "q"}, Caller(name="anna", role="operator"), key="k1")
    assert (answer.ok, answer.replayed) == ({"so": 1}, True)
    frame = seen[0].frame
    assert (frame.command, frame.args, frame.key, frame.caller.name) == ("queue.put", {"queue": "q"}, "k1", "anna")


def test_only_the_owner_may_ask(server: Server) -> None:
    assert stat.S_IMODE(server.door.path.stat().st_mode) == 0o600


def test_large_frames_pass_both_ways(server: Server, tmp_path: Path) -> None:
    text = "ä" * (3 * 1024 * 1024)
    assert Client(tmp_path).call("flow.save", {"text": text}).ok == {"text": text}


def test_many_threads_have_a_connection_each(server: Server, tmp_path: Path) -> None:
    client, together = Client(tmp_path), threading.Barrier(32)

    def ask(number: int) -> object:
        together.wait(10)
        answers = [client.call("x", {"n": [number, turn]}).ok for turn in range(20)]
        together.wait(10)
        return answers == [{"n": [number, turn]} for turn in range(20)]

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(32)))
        assert server.door.connections == 32


def test_no_controller_is_told_from_no_answer(tmp_path: Path) -> None:
    client = Client(tmp_path, timeout_s=0.2)
    with pytest.raises(ControllerDown):
        client.call("x")
    server = Server(tmp_path)
    server.reply = lambda _request: None
    try:
        with pytest.raises(NoAnswer):
            client.call("x")
        assert len(server.kept) == 1
        server.reply = lambda r: Answer(id=r.frame.id, ok={})
        for late in server.kept:
            server.door.answer(late, Answer(id=late.frame.id, ok={"late": True}))
        assert client.call("y").ok == {}, "a late answer is not taken for that of the next command"
    finally:
        server.close()


def test_a_new_controller_is_found_without_a_failed_call(tmp_path: Path) -> None:
    client = Client(tmp_path)
    for _ in range(3):
        server = Server(tmp_path)
        assert client.call("x").ok == {}
        server.close()
    with pytest.raises(ControllerDown):
        client.call("x")


def test_a_controller_that_dies_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.reply = lambda _request: None
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(Client(tmp_path).call, "x")
        wait_for(lambda: server.kept, 10, "the command")
        server.close()
        with pytest.raises(NoAnswer):
            asking.result(10)


def test_a_frame_that_is_too_large_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(FrameTooLarge):
        Client(tmp_path).call("x", {"text": "x" * MAX_FRAME})


def test_an_answer_that_is_too_large_is_a_refusal(server: Server, tmp_path: Path) -> None:
    server.reply = lambda r: Answer(id=r.frame.id, ok={"text": "x" * MAX_FRAME})
    assert code_of(Client(tmp_path).call("x")) == "internal"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "request.json"),
        (b"\xff\xfe", "request.json"),
        (b"", "request.json"),
        (b'{"id": NaN, "command": "x"}', "request.json"),
        (b'{"id": 99999999999999999999999, "command": "x"}', "request.number"),
        (b'{"id":1,"command":"x","args":{"a":' + b"[" * 200 + b"]" * 200 + b"}}", "request.depth"),
        (b'{"command": "x"}', "request.invalid"),
        (b'{"id": 1, "command": "x", "more": 1}', "request.invalid"),
        (b"[1]", "request.invalid"),
    ],
)
def test_a_bad_frame_is_refused_and_the_next_one_answered(
    server: Server, raw: socket.socket, body: bytes, code: str
) -> None:
    raw.sendall(pack(body) + pack(b'{"id": 7, "command": "x"}'))
    stream = raw.makefile("rb")
    answers = [Answer.model_validate_json(stream.read(int.from_bytes(stream.read(4), "big"))) for _ in range(2)]
    assert [a.id for a in answers] == [0, 7]
    assert code_of(answers[0]) in (code, "request.invalid" if code == "request.json" else code)
    assert sum(server.door.counters.values()) == 1


def test_a_length_beyond_the_limit_ends_the_connection(server: Server, raw: socket.socket) -> None:
    raw.sendall((MAX_FRAME + 1).to_bytes(4, "big"))
    assert code_of(read_answer(raw)) == "request.size"
    assert raw.recv(1) == b""
    wait_for(lambda: server.door.connections == 0, 10, "the end of the connection")


def test_one_command_is_under_way_at_a_time(server: Server, raw: socket.socket) -> None:
    server.reply = lambda _request: None
    raw.sendall(b"".join(pack(b'{"id": %d, "command": "x"}' % n) for n in range(1, 11)))
    wait_for(lambda: server.kept, 10, "the first command")
    assert [r.frame.id for r in server.kept] == [1]
    server.reply = lambda r: Answer(id=r.frame.id, ok={})
    server.door.answer(server.kept[0], Answer(id=1, ok={}))
    stream = raw.makefile("rb")
    ids = [Answer.model_validate_json(stream.read(int.from_bytes(stream.read(4), "big"))).id for _ in range(10)]
    assert ids == list(range(1, 11))


def test_a_client_that_reads_nothing_stops_itself_only(server: Server, raw: socket.socket, tmp_path: Path) -> None:
    server.reply = lambda r: Answer(id=r.frame.id, ok={"text": "x" * 1_000_000})
    raw.settimeout(0.2)
    frame = pack(b'{"id": 1, "command": "x"}')
    with pytest.raises(TimeoutError):
        raw.sendall(frame * 100_000)
    assert Client(tmp_path).call("y").ok is not None
    assert server.door._buffered < 4_000_000


def test_unfinished_frames_do_not_fill_memory(
    server: Server, raw: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller.socket, "MAX_BUFFERED", 100_000)
    raw.sendall(MAX_FRAME.to_bytes(4, "big") + b"x" * 200_000)
    assert code_of(read_answer(raw)) == "socket.busy"
    assert Client(tmp_path).call("y").ok == {}
    wait_for(lambda: server.door._buffered == 0, 10, "the buffer's end")


def test_a_frame_that_is_never_finished_is_given_up(
    server: Server, raw: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller.socket, "UNFINISHED_S", 0.1)
    raw.sendall(b"\0\0\0\5abc")
    assert code_of(read_answer(raw)) == "request.unfinished"


def test_too_many_connections_are_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller.socket, "MAX_CONNECTIONS", 1)
    first = Client(tmp_path)
    assert first.call("x").ok == {}
    with socket.socket(socket.AF_UNIX) as second:
        second.settimeout(10)
        second.connect(str(server.door.path))
        assert code_of(read_answer(second)) == "socket.busy"
    assert first.call("x").ok == {}


def test_a_client_that_goes_away_is_forgotten(server: Server, raw: socket.socket) -> None:
    server.reply = lambda _request: None
    raw.sendall(pack(b'{"id": 1, "command": "x"}'))
    wait_for(lambda: server.kept, 10, "the command")
    raw.close()
    wait_for(lambda: server.door.connections == 0, 10, "the end of the connection")
    server.door.answer(server.kept[0], Answer(id=1, ok={}))


def test_a_long_path_goes_to_a_folder_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    path = socket_path(deep)
    assert len(os.fsencode(path)) <= 100
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path == socket_path(deep) != socket_path(tmp_path / ("y" * 100))
    server = Server(deep)
    assert Client(deep).call("x").ok == {}
    server.close()
    assert not path.exists()


def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/tmp" if len(str(tmp_path)) > 40 else str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    own = Path("/tmp" if len(str(tmp_path)) > 40 else tmp_path) / "yardmaster-987654"
    try:
        with pytest.raises(PermissionError, match="remove it"):
            socket_path(tmp_path / ("x" * 100))
    finally:
        own.rmdir()
