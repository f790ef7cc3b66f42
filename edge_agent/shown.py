"""What agents show to the broker: a password from settings, from a file, or from a file of several robots."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Secrets:
    """Read anew at each connection, so that a new password needs no restart."""

    password: str | None = field(default=None, repr=False)
    file: Path | None = None

    def of(self, robot: str) -> str | None:
        """The password of a robot, None if there is none; what the file holds is in no message."""
        if self.file is None:
            return self.password
        try:
            text = self.file.read_text(encoding="utf-8").strip()
            found = json.loads(text).get(robot) if text.startswith("{") else text
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not what a file of passwords looks like"
            _LOG.warning("%s: the password file %s cannot be read: %s", robot, self.file, why)
            return None
        return found if isinstance(found, str) and found else None
