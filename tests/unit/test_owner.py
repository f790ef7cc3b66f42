"""Whoever works in a data directory is its owner: root becomes him, anybody else is told who that is."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from cli import people
from cli.client import NOT_REACHABLE, REFUSED
from controller import owner
from controller.direct import DATABASE, has_people
from controller.owner import NotTheOwner, become_owner

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def of_another() -> Iterator[Path]:
    """The data directory of another user, where he can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="yardmaster-owner-", dir="/tmp"))
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


LOAD = """
import codecs, importlib, pkgutil, sys, argon2, config, controller, schemas
from pathlib import Path
from cli import backup, main, restore, serve, token, user, verify
from config.settings import ServeSettings
for name in ("ascii", "idna", "latin-1"):
    codecs.lookup(name)
for room in (config, controller, schemas):
    for found in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        importlib.import_module(found.name)
"""
"""Everything is loaded before: where this machine keeps its Python another user may not be let in."""


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A program as root, in a process of its own: there is no way back."""
    command = [sys.executable, "-c", LOAD + program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def owners(folder: Path) -> set[int]:
    """Whose everything in a folder is."""
    return {path.lstat().st_uid for path in folder.rglob("*")}


@as_root
def test_what_root_does_in_a_data_directory_belongs_to_its_owner(of_another: Path) -> None:
    where = ("--data-dir", str(of_another))
    for words in (
        ("user", "add", "boss", "--role", "admin", "--random"),
        ("verify",),
        ("backup",),
    ):
        done = run("main.run()", *words, *where)
        assert done.returncode == 0, done.stderr
        assert owners(of_another) == {NOBODY}, words
    (backup,) = (path for path in (of_another / "backups").iterdir() if path.is_dir())
    done = run("main.run()", "restore", str(backup), "--yes", *where)
    assert done.returncode == 0, done.stderr
    assert owners(of_another) == {NOBODY}


@as_root
def test_a_box_that_root_starts_is_its_owners(of_another: Path) -> None:
    program = """
def stop(_):
    raise serve.NotStarted("far enough")
serve.check_restored = stop
sys.exit(serve.run(ServeSettings(data_dir=Path(sys.argv[1]))))
"""
    done = run(program, str(of_another))
    assert "far enough" in done.stderr
    assert owners(of_another) == {NOBODY}


def test_anybody_else_is_refused_and_told_who_the_owner_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(NotTheOwner, match=f"sudo -u {mine} yardmaster"):
        become_owner(tmp_path)
    with pytest.raises(NotTheOwner):
        has_people(tmp_path)

    @people.plain
    def command() -> None:
        people.folder(tmp_path)

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    assert f"belongs to {mine}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_root_that_may_not_become_him_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(owner, "ROOT", 4321)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    for name in ("initgroups", "setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, forbidden)
    with pytest.raises(NotTheOwner, match="may not become him"):
        become_owner(tmp_path)


def test_the_owner_himself_and_a_directory_that_is_to_be_made_pass(tmp_path: Path) -> None:
    become_owner(tmp_path)
    become_owner(tmp_path / "new")


def test_files_that_cannot_be_opened_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not has_people(tmp_path)
    (tmp_path / DATABASE).unlink()
    (tmp_path / DATABASE).mkdir()

    @people.plain
    def command() -> None:
        people.ask(people.folder(tmp_path), "token.revoke", {"token": "x"})

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code in (REFUSED, NOT_REACHABLE)
    assert capsys.readouterr().err.startswith("error: ")
