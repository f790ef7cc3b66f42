"""What a simulated robot records instead of a photograph: the floor from above, and where the robot stands."""

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 240, 150, 12
_FLOOR, _NODE, _ROBOT = 0, 1, 2
_PALETTE = bytes((245, 246, 248, 150, 156, 166, 214, 69, 61))
Point = tuple[float, float]


def picture(nodes: Sequence[Point], robot: Point | None) -> bytes:
    """A PNG: nodes as small dots, the robot as a large one; points in metres, y upwards."""
    rows = [bytearray(WIDTH) for _ in range(HEIGHT)]
    scale = _Scale([*nodes, *([robot] if robot else [])])
    for node in nodes:
        _dot(rows, *scale.at(node), 1, _NODE)
    if robot is not None:
        _dot(rows, *scale.at(robot), 5, _ROBOT)
    return _png(rows)


class _Scale:
    """Fits the floor into the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        xs, ys = [x for x, _ in points] or [0.0], [y for _, y in points] or [0.0]
        self._left, self._top = min(xs), max(ys)
        wide, high = max(xs) - self._left, self._top - min(ys)
        room = (WIDTH - 2 * MARGIN) / wide if wide else float("inf")
        self._by = min(room, (HEIGHT - 2 * MARGIN) / high if high else float("inf"))
        self._by = 0.0 if self._by == float("inf") else self._by
        self._in = round((WIDTH - wide * self._by) / 2), round((HEIGHT - high * self._by) / 2)

    def at(self, point: Point) -> tuple[int, int]:
        x, y = point
        return self._in[0] + round((x - self._left) * self._by), self._in[1] + round((self._top - y) * self._by)


def _dot(rows: list[bytearray], x: int, y: int, radius: int, colour: int) -> None:
    for down in range(-radius, radius + 1):
        half = int((radius**2 - down**2) ** 0.5)
        if 0 <= y + down < HEIGHT:
            start, end = max(0, x - half), min(WIDTH, x + half + 1)
            rows[y + down][start:end] = bytes([colour]) * max(0, end - start)


def _png(rows: list[bytearray]) -> bytes:
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    chunks = (_chunk(b"IHDR", head), _chunk(b"PLTE", _PALETTE), _chunk(b"IDAT", data), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
