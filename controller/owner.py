"""Who works in a data directory: its owner and nobody else, or files appear there that the box cannot open."""

import os
import pwd
from pathlib import Path

ROOT = 0


class NotTheOwner(PermissionError):
    """Nothing was opened; the message is a sentence for people."""


def become_owner(data_dir: Path) -> None:
    """Have this process be the owner of a data directory: root turns into him for good, others are refused.

    A directory that is not there yet will be whoever's makes it. Raises `NotTheOwner`, `OSError`.
    """
    try:
        found = data_dir.stat()
    except FileNotFoundError:
        return
    if os.geteuid() == found.st_uid:
        return
    name = _name(found.st_uid)
    if os.geteuid() != ROOT:
        raise NotTheOwner(f"{data_dir} belongs to {name}: only he works in it; use `sudo -u {name} yardmaster …`")
    try:
        _become(found.st_uid, found.st_gid)
    except PermissionError as error:
        raise NotTheOwner(f"{data_dir} belongs to {name}, and this process may not become him: {error}") from error


def check_owner(data_dir: Path) -> None:
    """Raises `NotTheOwner` where what is made would belong to another than the directory does."""
    if data_dir.exists() and data_dir.stat().st_uid != os.geteuid():
        raise NotTheOwner(f"{data_dir} belongs to {_name(data_dir.stat().st_uid)}, and this process is another's")


def _become(user: int, group: int) -> None:
    """Groups first: afterwards it may not change them any more."""
    try:
        entry = pwd.getpwuid(user)
    except KeyError:  # a number without a name, as in containers
        os.setgroups([])
        os.setgid(group)
    else:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
    os.setuid(user)


def _name(user: int) -> str:
    """As `sudo -u` takes it."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
