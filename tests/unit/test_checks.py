"""doctor: every check is good on a good machine, and each is broken once."""

import errno
import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import checks, probes
from cli.checks import GIB, Finding
from cli.main import app
from cli.probes import free_port
from config.settings import Address

GOOD = [
    checks.disk_sync(0.4),
    checks.sqlite((3, 51, 3)),
    checks.broker("/usr/sbin/mosquitto", (2, 0, 11), None),
    checks.clock(2026, 0.05, 0.05, synchronised=True),
    checks.clock(2026, 0.05, 0.05, synchronised=None),
    checks.port("http", "127.0.0.1:8080", None),
    checks.port("http", "127.0.0.1:8080", "Address already in use", ours=True),
    checks.free_space("/data", 2 * GIB),
    checks.writable("/data", None),
    checks.open_files(65536),
]
NOTES = [
    checks.disk_sync(0.001),
    checks.sqlite((3, 40, 1)),
    checks.clock(2026, 0.05, 0.05, synchronised=False),
    checks.open_files(2048),
]
BAD = [
    checks.disk_sync(180.0),
    checks.sqlite((3, 34, 0)),
    checks.broker(None, None, None),
    checks.broker("/usr/sbin/mosquitto", (1, 6, 9), None),
    checks.broker("/usr/sbin/mosquitto", None, None),
    checks.broker("/usr/sbin/mosquitto", (2, 0, 11), "Error: no such user"),
    checks.clock(1970, 0.05, 0.05, synchronised=True),
    checks.clock(2026, -1.0, 0.05, synchronised=True),
    checks.clock(2026, 0.0, 0.05, synchronised=True),
    checks.port("mqtt", "127.0.0.1:1883", "Address already in use"),
    checks.free_space("/data", GIB // 2),
    checks.writable("/data", "not writable by this user"),
    checks.open_files(256),
]


@pytest.mark.parametrize("finding", GOOD)
def test_good_needs_no_remedy(finding: Finding) -> None:
    assert finding.verdict == "good"
    assert not finding.remedy


@pytest.mark.parametrize(("finding", "verdict"), [(f, "note") for f in NOTES] + [(f, "bad") for f in BAD])
def test_each_check_can_be_broken_and_says_what_to_do(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict
    assert finding.value
    assert finding.limit
    assert finding.remedy


def test_a_taken_port_is_seen_and_a_free_one_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert probes.port_trouble(Address("127.0.0.1", port))
    assert probes.port_trouble(Address("127.0.0.1", probes.free_port())) is None


def test_a_ready_file_counts_only_while_its_box_runs(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    assert not probes.running_box(ready)
    ready.write_text(json.dumps({"pid": os.getpid()}))
    assert probes.running_box(ready)
    ready.write_text(json.dumps({"pid": 2**22 + 1}))
    assert not probes.running_box(ready)


def test_sync_is_measured_where_the_data_will_be_and_leaves_nothing(tmp_path: Path) -> None:
    assert probes.sync_ms(tmp_path / "not" / "there" / "yet") > 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert probes.write_trouble(tmp_path / "file" / "data")
    assert probes.write_trouble(tmp_path / "new") is None


def test_a_program_that_is_no_broker_has_no_version(tmp_path: Path) -> None:
    assert probes.mosquitto_version("/bin/true") is None
    assert probes.mosquitto_version(str(tmp_path / "absent")) is None
    assert probes.mosquitto_trouble("/bin/false") == "no answer"


def test_the_real_broker_starts(mosquitto: str) -> None:
    assert (probes.mosquitto_version(mosquitto) or ()) >= checks.MOSQUITTO_NEEDED
    assert probes.mosquitto_trouble(mosquitto) is None


def test_doctor_exits_1_when_one_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "file_limit", lambda: 64)
    monkeypatch.setattr(probes, "mosquitto_trouble", lambda _: None)
    asked = ["doctor", "--data-dir", str(tmp_path), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 1
    assert "BAD   open files: 64 (at least 1024, better 4096)" in result.output
    items = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)["items"]
    assert [item["check"] for item in items if item["verdict"] == "bad"] == ["open files"]


def test_doctor_refuses_settings_that_cannot_be(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path), "--mqtt", "0.0.0.0:1883"])
    assert result.exit_code == 2
    assert "loopback" in result.output


def test_doctor_says_of_a_full_disk_that_it_is_full_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> float:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(probes, "sync_ms", full)
    monkeypatch.setattr(probes, "mosquitto_trouble", lambda _: None)
    result = CliRunner().invoke(
        app, ["doctor", "--data-dir", str(tmp_path), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
    )
    assert result.exit_code == 1
    assert "BAD   disk sync: not measured: No space left on device" in result.output
    assert "open files" in result.output


def test_a_free_port_is_none_that_the_system_gives_away_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", free_port()))
        taken = held.getsockname()[1]
        assert taken < 32_768
        monkeypatch.setattr(probes, "_BELOW_EPHEMERAL", range(taken, taken + 1))
        with pytest.raises(OSError, match="no free port"):
            free_port()
