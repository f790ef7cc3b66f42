"""The agent's buffered socket: many small reads and writes, few system calls, nothing lost in between."""

import socket
from collections.abc import Iterator

import pytest

from edge_agent import wire
from edge_agent.wire import BufferedSocket

Pair = tuple[BufferedSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    own = BufferedSocket(near)
    yield own, far
    own.close()
    far.close()


def test_pieces_of_any_size_come_in_order_and_then_it_is_dry(pair: Pair) -> None:
    own, far = pair
    far.send(b"abcdef")
    assert [own.recv(1), own.recv(3), own.recv(9)] == [b"a", b"bcd", b"ef"]
    assert not own.dry
    with pytest.raises(BlockingIOError):
        own.recv(1)
    assert own.dry


def test_what_comes_later_is_read_later(pair: Pair) -> None:
    own, far = pair
    for text in (b"one", b"two"):
        far.send(text)
        assert own.recv(100) == text
        with pytest.raises(BlockingIOError):
            own.recv(1)


def test_more_than_one_chunk_is_read_to_its_end(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    own, far = pair
    monkeypatch.setattr(wire, "_CHUNK", 4)
    far.send(b"0123456789")
    assert [own.recv(3) for _ in range(5)] == [b"012", b"3", b"456", b"7", b"89"]


def test_the_end_of_the_connection_is_told_after_what_came_before(pair: Pair) -> None:
    own, far = pair
    far.send(b"last")
    far.close()
    assert own.recv(10) == b"last"
    with pytest.raises(BlockingIOError):
        own.recv(10)
    assert own.recv(10) == b""
    assert own.recv(10) == b""


def test_nothing_leaves_before_flush_and_all_of_it_then(pair: Pair) -> None:
    own, far = pair
    far.setblocking(False)
    assert own.send(b"a") + own.send(bytearray(b"bc")) == 3
    with pytest.raises(BlockingIOError):
        far.recv(10)
    own.flush()
    assert far.recv(10) == b"abc"
    assert own.unsent == 0


def test_what_the_system_does_not_take_waits_and_too_much_is_refused(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, far = pair
    monkeypatch.setattr(wire, "_MOST_UNSENT", 2_000_000)
    sent = bytes(range(256)) * 16_384
    assert own.send(sent) == len(sent)
    own.flush()
    assert own.unsent > 2_000_000
    with pytest.raises(BlockingIOError):
        own.send(b"more")
    found = b""
    while len(found) < len(sent):
        found += far.recv(1 << 20)
        own.flush()
    assert found == sent
    assert own.send(b"more") == 4


def test_a_lost_connection_shows_at_flush(pair: Pair) -> None:
    own, far = pair
    far.close()
    with pytest.raises(OSError):  # noqa: PT011 - which one differs by system
        _send_twice(own)


def _send_twice(own: BufferedSocket) -> None:
    """Of the first one a system may not know yet."""
    for _ in range(2):
        own.send(b"x")
        own.flush()
