"""Our own PUBLISH and PUBACK against those of a whole library, and packets that arrive in any pieces."""

import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as some
from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion

from controller.packets import (
    KIND,
    PUBACK,
    PUBLISH,
    NotMqtt,
    next_mid,
    puback,
    publish,
    read_puback,
    read_publish,
    span,
)
from controller.wire import BufferedSocket

V311 = MQTTProtocolVersion.MQTTv311
Pair = tuple[BufferedSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    own = BufferedSocket(near, 1 << 20)
    yield own, far
    own.close()
    far.close()


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16_000, 16_384, 2_100_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_what_we_publish_is_what_a_library_reads(size: int, qos: int) -> None:
    packet = publish("fleet/v1/rö/assign", b"x" * size, qos, 513)
    body = span(packet, 0)
    assert body is not None
    assert body[1] == len(packet)
    read = _packet.decode_publish(packet[0], packet[body[0] :], V311)
    assert (read.topic.decode(), read.payload, read.qos, read.retain) == ("fleet/v1/rö/assign", b"x" * size, qos, False)
    assert read.mid == (513 if qos else 0)
    assert read_publish(packet[0], packet[body[0] :]) == ("fleet/v1/rö/assign", b"x" * size, False, 513 * qos, qos)


def test_an_acknowledgement_is_what_a_library_reads() -> None:
    assert _packet.decode_puback(PUBACK, puback(40_000)[2:], V311).mid == read_puback(puback(40_000)[2:]) == 40_000


def test_numbers_go_round_without_the_one_that_means_none() -> None:
    assert [next_mid(mid) for mid in (0, 1, 65_534, 65_535)] == [1, 2, 65_535, 1]


def test_a_retained_message_says_so_and_a_topic_that_is_no_text_is_none_of_ours() -> None:
    assert read_publish(PUBLISH | 1, b"\0\1tx").retained
    assert read_publish(PUBLISH, b"\0\2\xff\xfex").topic == ""


@given(some.integers(PUBLISH, PUBLISH + 15), some.binary(max_size=12))
def test_whatever_a_message_holds_it_is_read_as_a_library_does_or_refused(header: int, body: bytes) -> None:
    try:
        ours = read_publish(header, body)
    except NotMqtt:
        return
    theirs = _packet.decode_publish(header, body, V311)
    assert (ours.payload, ours.mid, ours.qos, ours.retained) == (theirs.payload, theirs.mid, theirs.qos, theirs.retain)


BROKEN = (
    (0x30, b""), (0x30, b"\0"), (0x30, b"\0\5t"), (0x32, b"\0\1tx"), (0x32, b"\0\1t\0\0x"), (0x34, b"\0\1t\0\1x"),
    (0x36, b"\0\1t\0\1x"),
)  # fmt: skip


@pytest.mark.parametrize(("header", "body"), BROKEN)
def test_a_message_that_breaks_the_protocol_is_refused(header: int, body: bytes) -> None:
    with pytest.raises(NotMqtt):
        read_publish(header, body)


@pytest.mark.parametrize("body", [b"", b"\1", b"\0\1\0"])
def test_an_acknowledgement_of_another_size_is_refused(body: bytes) -> None:
    with pytest.raises(NotMqtt):
        read_puback(body)


def test_a_length_of_more_than_four_bytes_is_refused(pair: Pair) -> None:
    own, far = pair
    far.sendall(b"\x30\xff\xff\xff\xff")
    with pytest.raises(NotMqtt):
        own.take()


@pytest.mark.parametrize("seed", range(20))
def test_packets_come_whole_however_they_are_cut(seed: int, pair: Pair) -> None:
    """Ours are taken; every other one is left for paho from its first byte to its last."""
    own, far = pair
    rng = random.Random(seed)
    sent = [
        rng.choice((publish("t", bytes(rng.randint(0, 300)), 1, 7), puback(9), b"\xd0\0", b"\x90\3\0\1\1"))
        for _ in range(60)
    ]
    stream = b"".join(sent)
    got: list[bytes] = []
    while stream:
        size = rng.choice((1, 2, 3, 50, 1000))
        far.sendall(stream[:size])
        stream = stream[size:]
        while (front := own.take()) is not None:
            whole = sent[len(got)]
            body = own.recv(len(whole)) if front.body is None else whole[: -len(front.body) or None] + front.body
            got.append(body)
            assert front.header == whole[0]
        assert own.dry
        assert not own.unread, "no turn of the loop is spent on half a packet"
    assert got == sent


def test_reading_that_stops_early_is_not_forgotten(pair: Pair) -> None:
    own, far = pair
    far.sendall(puback(1) + puback(2))
    front = own.take()
    assert front is not None
    assert front.header & KIND == PUBACK
    assert own.unread


def test_the_end_of_a_connection_is_told_after_what_came_before(pair: Pair) -> None:
    own, far = pair
    far.sendall(puback(1))
    far.close()
    assert own.take() is not None
    assert not own.ended
    assert own.take() is None
    assert own.ended
    assert own.recv(1) == b""
