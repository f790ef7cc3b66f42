"""What systemd hears of the box: ready, alive often enough, stopping; and nothing where it does not listen."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.notify import READY, Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Somebody who listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "ear"))
        ear.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "ear"))
        yield ear


def test_it_says_that_it_lives_three_times_in_the_time_it_has(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    notifier = Notifier()
    assert notifier.every_s == 20
    notifier.say(READY)
    notifier.alive()
    notifier.alive()
    assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
    assert 19 < notifier.due_in() <= 20
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


def test_the_parts_of_the_box_do_not_inherit_it(systemd: socket.socket) -> None:
    import os

    Notifier()
    assert "NOTIFY_SOCKET" not in os.environ


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    quiet = Notifier()
    quiet.say(READY)
    quiet.alive()
    assert quiet.due_in() == 60
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().say(READY)
