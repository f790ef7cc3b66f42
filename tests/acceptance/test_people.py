"""Accounts and tokens of a real box: the first password, and the terminal beside a box that runs or does not."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
PASSWORD = "a horse that hums"
SHOWN_ONCE = re.compile(r"^    ([a-z0-9]{5}(?:-[a-z0-9]{5}){3})$", re.MULTILINE)


class Box:
    """`yardmaster serve`, again and again on one data directory."""

    def __init__(self, data_dir: Path, mosquitto: str) -> None:
        self.data_dir, self.env = data_dir, os.environ | {"YARDMASTER_MOSQUITTO": mosquitto}
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data_dir.with_suffix(".log")

    def start(self) -> str:
        """Its address; what it says goes to a log of its own."""
        command = [sys.executable, "-m", "cli.main", "serve", "--data-dir", str(self.data_dir), "--log-format", "json"]
        with self.log.open("wb") as log:
            where = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
            self.process = subprocess.Popen([*command, *where], cwd=ROOT, env=self.env, stdout=log, stderr=log)
        ready = self.data_dir / "ready.json"
        wait_for(lambda: ready.exists() or self.ended(), 60, "the box")
        return str(json.loads(ready.read_text())["http"])

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """SIGTERM."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def first_password(self) -> str | None:
        """What the last start showed."""
        found = SHOWN_ONCE.search(self.log.read_text())
        return None if found is None else found[1]

    def type(self, *words: str, given: str = "", code: int = 0) -> list[str]:
        """A command on the box, as the terminal runs it; the lines it prints."""
        done = CliRunner().invoke(app, [*words, "--data-dir", str(self.data_dir)], input=given)
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return (done.stderr if code else done.stdout).splitlines()

    def run(self, *words: str) -> list[str]:
        """The same as a process of its own."""
        command = [sys.executable, "-m", "cli.main", *words, "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.splitlines()


@pytest.fixture
def box(tmp_path: Path, mosquitto: str) -> Iterator[Box]:
    made = Box(tmp_path / "data", mosquitto)
    yield made
    made.stop()


def role_of(url: str, token: str) -> str:
    answer = httpx.get(f"{url}/api/v1/me", headers={"X-Auth-Token": token})
    return str(answer.json().get("role") or answer.json()["code"])


def signs_in(url: str, user: str, password: str) -> int:
    return httpx.post(f"{url}/api/v1/session", json={"user": user, "password": password}).status_code


def test_a_new_box_shows_its_administrators_password_once_and_never_in_its_log(box: Box) -> None:
    url = box.start()
    password = box.first_password()
    assert password is not None
    assert signs_in(url, "admin", password) == 204
    logged = [line for line in box.log.read_text().splitlines() if line.startswith("{")]
    assert logged
    assert [line for line in logged if password in line] == []
    token = box.data_dir / "cli.token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert (box.data_dir / "yardmaster.db").stat().st_mode & 0o077 == 0, "hashes are for nobody else either"
    before = token.read_text().strip()
    assert role_of(url, before) == "admin"
    box.stop()
    url = box.start()
    assert box.first_password() is None
    assert signs_in(url, "admin", password) == 204
    assert role_of(url, before) == "auth.invalid", "the command line has a token of its own for each start"
    assert role_of(url, token.read_text().strip()) == "admin"


@pytest.mark.parametrize("running", [True, False], ids=["while the box runs", "while it does not"])
def test_accounts_and_tokens_from_the_terminal(box: Box, running: bool) -> None:
    if running:
        box.start()
    else:
        box.data_dir.mkdir()
    token = box.run("token", "create", "wms", "--role", "operator", "--area", "jobs", "--days", "9")[-1]
    other = box.type("token", "create", "old", "--role", "admin")[-1]
    listed = json.loads("\n".join(box.type("token", "list", "--json")))
    ids = {one["name"]: one["id"] for one in listed}
    assert {"wms", "old"} <= set(ids)
    assert token not in str(listed)
    assert any("operator" in line and "jobs" in line for line in box.type("token", "list"))
    box.type("token", "revoke", ids["old"])
    assert "token.not_found" in box.type("token", "revoke", "none", code=3)[0]

    box.type("user", "add", "ann", "--role", "admin", "--name", "Ann", given=f"{PASSWORD}\n")
    assert "usage" in box.type("user", "add", "bob", "--role", "viewer", given="short\n", code=2)[0]
    assert "user.exists" in box.type("user", "add", "ann", "--role", "viewer", given=f"{PASSWORD}\n", code=1)[0]
    made = box.type("user", "add", "bob", "--role", "viewer", "--random")[-1]
    changed = box.type("user", "password", "bob", "--random")[-1]
    box.type("user", "add", "gone", "--role", "viewer", "--random")
    box.type("user", "disable", "gone")
    assert "request.invalid" in box.type("user", "role", "bob", "king", code=1)[0]
    users = {one["id"]: one for one in json.loads("\n".join(box.type("user", "list", "--json")))}
    assert (users["ann"]["role"], users["bob"]["role"], users["gone"]["enabled"]) == ("admin", "viewer", False)
    assert any("locked" in line for line in box.type("user", "list"))

    url = str(json.loads((box.data_dir / "ready.json").read_text())["http"]) if running else box.start()
    assert (role_of(url, token), role_of(url, other)) == ("operator", "auth.expired")
    assert signs_in(url, "ann", PASSWORD) == 204
    assert (signs_in(url, "bob", made), signs_in(url, "bob", changed)) == (401, 204)
    assert (box.first_password() is None) is not running, "a box that has accounts makes no other"
    rows = httpx.get(
        f"{url}/api/v1/audit?limit=200",
        headers={"X-Auth-Token": box.type("token", "create", "x", "--role", "admin")[-1]},
    )
    mine = [row for row in rows.json()["items"] if row["who"].startswith("box:")]
    assert {"token.create", "token.revoke", "user.add", "user.change"} <= {row["action"] for row in mine}
    assert [secret for secret in (token, made, changed, PASSWORD) if secret in rows.text] == []
