"""Identifiers and the bounded numbers that every record and message shares."""

import os
import time
import uuid
from typing import Annotated

from pydantic import Field, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""An id chosen by its maker: robot, queue, flow, deployment."""
OpaqueId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""Any other id; clients never look inside."""
Text = Annotated[str, StringConstraints(max_length=2000)]
"""A sentence for people."""
Number = Annotated[int, Field(ge=0, lt=2**53)]
"""Attempts, commands, moves, sequence numbers: exact in every JSON reader."""
Priority = Annotated[int, Field(ge=0, le=5000)]
"""Larger is more urgent."""
MaxRetries = Annotated[int, Field(ge=0, le=10)]
"""Further attempts after the first."""
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
"""A duration of at most a day."""

DEFAULT_PRIORITY = 2000
DEFAULT_MAX_RETRIES = 3
INCARNATION_STEP = 10**10
"""A number is incarnation x 10^10 + count, so it stays readable and never repeats after a restore."""


def uuid7(milliseconds: int | None = None) -> str:
    """Make a time-ordered UUID (RFC 9562, version 7) from a Unix time in milliseconds (now if absent)."""
    stamp = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    noise = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (2**48 - 1)) << 80 | 0x7 << 76 | (noise >> 68 & 0xFFF) << 64
    return str(uuid.UUID(int=value | 0b10 << 62 | noise & (2**62 - 1)))
