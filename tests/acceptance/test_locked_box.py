"""A box with its doors locked: robots by TLS with what they were given, people and programs by HTTPS."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.certificates import Authority
from edge_agent.box_http import BoxHttp, BoxRefused, NotReachable
from tests.acceptance.test_serve import ROOT, Box, start  # noqa: F401 - a fixture
from tests.waiting import wait_for

LOCKED = {
    "YARDMASTER_HTTPS": "true",
    "YARDMASTER_MQTTS": "127.0.0.1:0",
    "YARDMASTER_MQTTS_CERTIFICATES": "127.0.0.1:0",
}
ONLY_HERE = ("YARDMASTER_DATA_DIR", "YARDMASTER_URL", "YARDMASTER_TOKEN", "YARDMASTER_CA_FILE")


def yardmaster(box: Box, *arguments: str) -> str:
    """What a command on the box prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ONLY_HERE}
    command = [sys.executable, "-m", "cli.main", *arguments, "--data-dir", str(box.data_dir)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Starts agents by the settings they were given, each with a journal of its own; gives the file of its log."""
    running: list[subprocess.Popen[bytes]] = []

    def run(settings: Path) -> Path:
        log = settings.with_name("log")
        command = [sys.executable, "-m", "cli.main", "agent", "--config", str(settings), "--driver", "none"]
        with log.open("wb") as file:
            folder = str(settings.with_name("journal"))
            running.append(subprocess.Popen([*command, "--data-dir", folder], cwd=ROOT, stdout=file, stderr=file))
        return log

    yield run
    for process in running:
        process.terminate()
        process.wait(30)


def state(box: Box, robot: str) -> Any:
    """How a robot is; None: there is none of this name."""
    robots = json.loads(yardmaster(box, "robot", "list", "--json"))["items"]
    return next((one["state"] for one in robots if one["id"] == robot), None)


def is_free(box: Box, robot: str) -> bool:
    """Whether a robot waits for work."""
    return bool(state(box, robot) == "free")


@pytest.mark.timeout(240)
def test_robots_come_in_by_tls_with_what_they_were_given(
    start: Callable[..., Box],  # noqa: F811
    agent: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    box = start(**LOCKED)
    ready = box.up()
    assert ready["http"].startswith("https://")
    wait_for(lambda: state(box, "station") == "free", 30, "the station, with the password it was given at the start")
    logs = {}
    for name, how in (("p1", ()), ("c1", ("--certificate",))):
        yardmaster(box, "robot", "add", name)
        yardmaster(box, "robot", "enrol", name, *how, "--into", str(tmp_path / name))
        logs[name] = agent(tmp_path / name / "agent.toml")
    for name, log in logs.items():
        wait_for(partial(is_free, box, name), 60, f"{name} ({log})")
    yardmaster(box, "robot", "revoke", "p1", "--reason", "stolen")
    wait_for(lambda: "robot enrol p1" in logs["p1"].read_text(), 60, "what p1 says about it")
    yardmaster(box, "robot", "revoke", "c1")
    wait_for(lambda: "was the certificate revoked" in logs["c1"].read_text(), 60, "what c1 says about it")
    wait_for(lambda: state(box, "station") == "free", 60, "the station, on the broker that was started again")
    assert {state(box, name) for name in logs} <= {"offline", "disabled"}
    secrets = [file.read_text().strip() for file in (tmp_path / "p1" / "password", tmp_path / "c1" / "key.pem")]
    kept = b"".join(file.read_bytes() for file in box.data_dir.rglob("*") if file.is_file()) + box.log.read_bytes()
    assert [secret for secret in secrets if secret.encode() in kept] == [], "the box keeps nothing that opens its doors"


@pytest.mark.timeout(120)
def test_people_and_programs_come_in_by_https_only(start: Callable[..., Box], tmp_path: Path) -> None:  # noqa: F811
    box = start(YARDMASTER_HTTPS="true", YARDMASTER_STATION="false")
    ready = box.up()
    trusted = ssl.create_default_context(cafile=ready["ca_file"])
    answer = httpx.get(f"{ready['http']}/sign-in", verify=trusted)
    assert answer.status_code == 200
    assert "Strict-Transport-Security" in answer.headers
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{ready['http']}/sign-in")
    with pytest.raises(httpx.HTTPError):
        httpx.get(ready["http"].replace("https", "http") + "/sign-in")
    old = ssl.create_default_context(cafile=ready["ca_file"])
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert httpx.get(f"{ready['http']}/api/v1/health", verify=old).status_code == 200
    token = tmp_path / "token"
    made = yardmaster(box, "token", "create", "uploads of r1", "--role", "robot", "--robot", "r1")
    token.write_text(made.splitlines()[-1])
    with pytest.raises(BoxRefused, match="role"):  # it got there, and is known
        BoxHttp(ready["http"], token, ca_file=Path(ready["ca_file"])).get("r1", "/me")
    with pytest.raises(NotReachable):
        BoxHttp(ready["http"], token).get("r1", "/me")
    assert json.loads(yardmaster(box, "robot", "list", "--json"))["items"] == [], (
        "commands on the box know it by themselves"
    )


@pytest.mark.timeout(120)
def test_commands_on_a_box_with_a_companys_certificate_know_it(start: Callable[..., Box], tmp_path: Path) -> None:  # noqa: F811
    certificate, key = Authority.load(tmp_path / "company").for_box(["box.plant.example"])
    files = {"YARDMASTER_TLS_CERTIFICATE": str(certificate), "YARDMASTER_TLS_KEY": str(key)}
    box = start(YARDMASTER_STATION="false", **LOCKED, **files)
    ready = box.up()
    with pytest.raises(httpx.HTTPError):
        httpx.get(ready["http"], verify=ssl.create_default_context(cafile=tmp_path / "company" / "ca.pem"))
    yardmaster(box, "robot", "add", "p1")
    yardmaster(box, "robot", "enrol", "p1", "--into", str(tmp_path / "p1"))
    yardmaster(box, "robot", "revoke", "p1", "--reason", "stolen")
    assert state(box, "p1") in ("disabled", "offline")
