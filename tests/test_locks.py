"""The locks: every requirement pinned and hashed, no index named, development on top of what runs in production."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("run", "dev")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def entries(name: str) -> list[str]:
    """Requirement lines with their continuation lines joined."""
    text = lock(name).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    assert len(entries(name)) > 10
    for entry in entries(name):
        assert PIN.match(entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_is_named(name: str) -> None:
    # Where packages come from is the business of each machine's own pip configuration.
    text = lock(name)
    for word in ("http:", "https:", "file:", "--index", "--extra-index", "--find-links", "--trusted-host"):
        assert word not in text


def test_development_uses_what_runs_in_production() -> None:
    run, dev = dict(PIN.findall(lock("run"))), dict(PIN.findall(lock("dev")))
    assert run.items() <= dev.items()


def test_what_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, declared in (("run", project["dependencies"] + extras["box"]), ("dev", extras["dev"])):
        names = {re.split(r"[\[<>=~! ]", one)[0].lower() for one in declared} - {"yardmaster"}
        assert names <= set(dict(PIN.findall(lock(name)))), name


def test_the_build_backend_is_locked() -> None:
    # The project is installed without build isolation, so nothing unlocked may be needed.
    assert "setuptools" in dict(PIN.findall(lock("run")))
