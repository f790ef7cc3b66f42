"""The documents: links lead somewhere, commands exist, and what is made from the code is up to date."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli.main import SUBCOMMANDS, load
from config.agent import AgentSettings
from schemas.reading import read
from schemas.topics import Topics
from scripts.cli_docs import commands, options
from scripts.write_docs import made

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
COMMANDS = dict(commands())


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def typed(page: Path) -> list[str]:
    """Commands in a page's console blocks, comments left out."""
    lines = [line.strip() for block in CONSOLE.findall(page.read_text()) for line in block.splitlines()]
    return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


def test_every_document_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    named = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(index)}
    assert [name_of(page) for page in PAGES if page.resolve() not in named and page.name != "README.md"] == []


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_what_is_made_from_the_code_is_up_to_date(path: Path) -> None:
    assert path.read_text() == made()[path], "run scripts/docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    text = (DOCS / "cli.md").read_text()
    heading = re.search(
        rf"^### `yardmaster {re.escape(name)}( [^`]*)?`\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert heading, name
    for option in options(COMMANDS[name]):
        assert any(f"`{word}`" in heading[2] for word in option.opts), f"{name} {option.opts}"
        assert option.help, f"{name} {option.opts} says nothing"


def test_no_command_is_documented_that_does_not_exist() -> None:
    text = (DOCS / "cli.md").read_text()
    for words in re.findall(r"^### `yardmaster ([^`]+)`", text, re.MULTILINE):
        assert words == "--version" or any(words == name or words.startswith(f"{name} ") for name in COMMANDS), words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_documents_exist(page: Path) -> None:
    for line in typed(page):
        if line.startswith(("scripts/", ".ci/")):
            assert (ROOT / line.split()[0]).is_file(), line
        elif line.startswith("yardmaster "):
            _check_command(shlex.split(line)[1:], line)


def _check_command(words: list[str], line: str) -> None:
    if words[0].startswith("--"):
        assert words[0] in ("--version", "--help"), line
        return
    assert words[0] in SUBCOMMANDS, line
    found: Any = load(words[0])
    if hasattr(found, "commands"):
        assert words[1] in found.commands, line
        found = found.commands[words[1]]
    known = {word for option in options(found) for word in option.opts} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


def test_every_option_of_the_agent_is_documented() -> None:
    text = (DOCS / "robots.md").read_text()
    assert [name for name in AgentSettings.model_fields if f"| `{name}` |" not in text] == []


def test_the_first_commands_are_there() -> None:
    assert typed(ROOT / "README.md")[:2] == ["scripts/demo", "scripts/test"]


def test_the_recorded_conversation_is_what_the_types_say() -> None:
    lines = [json.loads(line) for line in (DOCS / "wire-conversation.jsonl").read_text().splitlines()]
    kinds = [Topics().parse(line["topic"])[1] for line in lines]
    assert kinds[0] == "assign"
    assert kinds[-1] == "ack"
    assert {"block-status", "heartbeat"} <= set(kinds)
    for kind, line in zip(kinds, lines, strict=True):
        read(kind, json.dumps(line["payload"]).encode())


def test_the_way_to_install_without_the_internet_names_what_is_there() -> None:
    """And it asks for hashes, and never goes out on the box."""
    commands = [line for line in typed(DOCS / "operations.md") if "pip " in line and "…" not in line]
    assert len(commands) == 3, commands
    named = {word for line in commands for word in line.split() if word.endswith(".txt")}
    assert named == {"requirements/run.txt"}
    assert "--hash=sha256:" in (ROOT / "requirements" / "run.txt").read_text()
    gathered, locked, own = commands
    assert all("--require-hashes" in line for line in (gathered, locked))
    assert all("--no-index" in line for line in (locked, own))
    assert (ROOT / "pyproject.toml").exists(), "what `.` is"
    assert "-d wheels" in gathered
    assert "--find-links wheels" in locked
