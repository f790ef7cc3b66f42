"""MQTT 3.1.1's two packets of the hot path, PUBLISH and PUBACK, as plain bytes; all others are paho's."""

import struct
from typing import NamedTuple

PUBLISH, PUBACK = 0x30, 0x40
KIND = 0xF0
_LAST_MID = 0xFFFF
_MOST_LENGTH_BYTES = 4


class NotMqtt(ValueError):
    """The bytes break the protocol, so that nothing behind them can be trusted."""


class Published(NamedTuple):
    """A message as it came; `mid` is 0 with QoS 0."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int


def publish(topic: str, payload: bytes, qos: int, mid: int) -> bytes:
    """A PUBLISH packet of QoS 0 or 1."""
    name = topic.encode()
    number = mid.to_bytes(2, "big") if qos else b""
    size = _length(2 + len(name) + len(number) + len(payload))
    return b"".join((bytes((PUBLISH | qos << 1,)), size, len(name).to_bytes(2, "big"), name, number, payload))


def _length(size: int) -> bytes:
    found = bytearray()
    while size > 127:
        found.append(size & 127 | 128)
        size >>= 7
    found.append(size)
    return bytes(found)


def puback(mid: int) -> bytes:
    """The acknowledgement of a PUBLISH packet."""
    return struct.pack("!BBH", PUBACK, 2, mid)


def span(buffer: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """(start, end) of the body of the packet that begins there, None while that is not known. Raises `NotMqtt`."""
    size = shift = 0
    for place in range(at + 1, min(len(buffer), at + 1 + _MOST_LENGTH_BYTES)):
        size |= (buffer[place] & 127) << shift
        if buffer[place] < 128:
            return place + 1, place + 1 + size
        shift += 7
    if len(buffer) > at + _MOST_LENGTH_BYTES:
        raise NotMqtt("a length of more than four bytes")
    return None


def read_publish(header: int, body: bytes) -> Published:
    """A PUBLISH packet; a topic that is no text is empty, so that it is none of ours. Raises `NotMqtt`."""
    qos, start = header >> 1 & 3, 2 + int.from_bytes(body[:2], "big")
    end = start + 2 if qos else start
    if len(body) < max(end, 2) or qos > 1:
        raise NotMqtt("a message that is cut off, or of a quality of service that was not asked for")
    mid = int.from_bytes(body[start:end], "big")
    if qos and not mid:
        raise NotMqtt("a message without its number")
    try:
        topic = body[2:start].decode()
    except UnicodeDecodeError:
        topic = ""
    return Published(topic, body[end:], bool(header & 1), mid, qos)


def read_puback(body: bytes) -> int:
    """Which PUBLISH is acknowledged. Raises `NotMqtt`."""
    if len(body) != 2:
        raise NotMqtt("an acknowledgement of the wrong size")
    return int.from_bytes(body, "big")


def next_mid(mid: int) -> int:
    """The number behind this one; 0 is none."""
    return mid % _LAST_MID + 1
