"""The systemd units: what they promise is in them, and systemd itself finds nothing wrong."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
NAMES = ("yardmaster.service", "yardmaster-agent@.service")
WANTED = (
    "Restart=always", "ProtectSystem=strict", "NoNewPrivileges=yes", "KillMode=mixed", "StateDirectory=",
    "LimitNOFILE=", "TimeoutStopSec=", "UMask=0077", "Wants=network-online.target", "After=network-online.target",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_has_what_it_must_have(name: str) -> None:
    text = (UNITS / name).read_text()
    assert [wanted for wanted in WANTED if wanted not in text] == []


def test_the_box_may_ask_for_the_addresses_of_its_machine() -> None:
    """Else `serve` cannot make its certificate nor know its own names, and ends at once, for ever."""
    text = (UNITS / "yardmaster.service").read_text()
    (allowed,) = [line.partition("=")[2].split() for line in text.splitlines() if "RestrictAddressFamilies=" in line]
    assert {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"} <= set(allowed)


@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd): the units were NOT checked by it")
    there = name.replace("@.", "@r1.")
    text = (UNITS / name).read_text().replace("/opt/yardmaster/.venv/bin/yardmaster", "/bin/true")
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("User=", "Group=", "Documentation=")))
    (tmp_path / there).write_text(text + "\n")
    done = subprocess.run([program, "verify", str(tmp_path / there)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
