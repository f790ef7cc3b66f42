"""Times as people type them."""

import re
from datetime import UTC, datetime, timedelta

from cli.client import usage

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def since_when(since: str | None, now: datetime | None = None) -> str | None:
    """`30m`, `2h`, `1d` before now, or a time as it is, in RFC 3339 UTC."""
    if since is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([smhd])", since)
    try:
        if ago:
            moment = (now or datetime.now(UTC)) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(since)
    except (ValueError, OverflowError) as error:
        raise usage(f"--since {since}: give 30m, 2h, 1d, or a time like 2026-01-31T08:00:00Z") from error
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
