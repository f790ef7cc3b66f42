"""What nobody should ever send: malformed, deep, huge and impossible payloads."""

import json
import random
from typing import Any

DEEP = 100_000
WORTHLESS: tuple[bytes, ...] = (
    b"", b"\x00", b"{", b"[]", b"null", b"nul", b'"', b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"{}", b'{"v":1}',
    b'{"v":2}', b'{"v":"1"}', b"[" * DEEP, b'{"a":' * DEEP, b"9" * 5000, b'{"v":1,"beat":' + b"9" * 5000 + b"}",
    b'{"v":1,"highest":9223372036854775808}', b'{"v":1,"highest":-1}', b'{"v":1,"battery":NaN}',
    b'{"v":1,"battery":1e999}', b'{"v":1,"journal":"\\ud800"}', b'{"v":1,"v":1,"v":[]}', b'{"v":1,"rows":[]}',
    '{"v":1,"journal":"é"}'.encode("utf-16"), b'{"v":1,"rows":' + b"[{}" + b",{}" * 60_000 + b"]}",
    b'{"v":1,"journal":"' + b"x" * 300_000 + b'"}', b"x" * 1_000_000, b'{"v":1,"rows":[{"seq":1e3}]}',
    b'{"v":1,"holds":[null,1,"a",{}]}', b"\x80\x81\x82", b'{"v":true}',
)  # fmt: skip
"""None of these is a message."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**53, 2**63, -(2**63), 10**400, 0.5, float("inf"), float("nan"), "", "x" * 5000, "\x00",
    "../../etc", "'; drop table jobs; --", "<script>alert(1)</script>", [], [[]], {}, {"$secret": "x"}, ["a"] * 3000,
)  # fmt: skip


def bent(message: dict[str, Any], dice: random.Random) -> bytes:
    """A good message with one field at any depth replaced, taken away or doubled."""
    whole = json.loads(json.dumps(message))
    place: Any = whole
    while True:
        key = dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if isinstance(place[key], (dict, list)) and place[key] and dice.random() < 0.6:
            place = place[key]
            continue
        if dice.random() < 0.2:
            del place[key]
        else:
            place[key] = dice.choice(VALUES)
        return json.dumps(whole).encode()
