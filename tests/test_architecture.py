"""The walls of the house: floors, one place for each fact, sizes and names."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import ServeSettings

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "config", "controller", "edge_agent", "web", "cli")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 50
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SCRIPTS = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]

ONE_PLACE = {
    "sqlite3": ("controller/store/", "edge_agent/journal", "edge_agent/soundness.py", "cli/probes.py"),
    "sqlite_utils": ("controller/store/",),
    "paho": ("controller/link.py", "edge_agent/link.py"),
    "flask": ("web/",),
    "simpleeval": ("schemas/", "edge_agent/flow/"),
    "httpx": ("cli/client.py", "edge_agent/"),
    "rich": ("cli/",),
    "typer": ("cli/",),
}
"""Library to the files that may import it."""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), place(path))


def imported(path: Path) -> Iterator[str]:
    """First word of everything a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def words_of(path: Path, module: str) -> set[str]:
    """What a file takes from a module that it imports by name."""
    nodes = ast.walk(tree(path))
    found = {
        n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == module
    }
    froms = [n for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom) and n.module == module]
    return found | {alias.name for node in froms for alias in node.names}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_the_floors_hold() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_is_something_to_look_at() -> None:
    assert {place(path).partition("/")[0] for path in SOURCES} == set(PACKAGES)


def test_files_stay_small() -> None:
    too_long = {place(p): n for p in SOURCES if (n := len(p.read_text().splitlines())) > MAX_FILE_LINES}
    assert not too_long


def test_functions_stay_small() -> None:
    too_long = [
        f"{place(path)}: {name} has {lines} lines"
        for path in SOURCES
        for name, lines in functions(path)
        if lines > MAX_FUNCTION_LINES
    ]
    assert not too_long


def test_file_names_say_what_is_inside() -> None:
    assert not [place(path) for path in SOURCES if path.stem in NAMES_THAT_SAY_NOTHING]


def test_every_file_begins_with_one_sentence() -> None:
    for path in SOURCES:
        if path.read_text().strip():
            first = (ast.get_docstring(tree(path)) or "").partition("\n\n")[0]
            assert first.strip().endswith((".", "?", "…", ";", ":")), f"{place(path)}: {first!r}"


SQLITE_WORDS = {"Row", "Connection", "Error", "DatabaseError", "OperationalError", "IntegrityError"}
"""What others may say of SQLite: the types of what they were given, and that something went wrong."""


@pytest.mark.parametrize("library", ONE_PLACE)
def test_each_library_has_its_place(library: str) -> None:
    others = [path for path in SOURCES if not place(path).startswith(ONE_PLACE[library])]
    strays = [place(path) for path in others if library in imported(path)]
    if library == "sqlite3":
        strays = [place(path) for path in others if not words_of(path, library) <= SQLITE_WORDS]
    assert not strays


def test_topics_are_built_and_parsed_in_one_file() -> None:
    # The words of a topic may appear as kinds of messages; what nobody else may do is join them.
    for path in SOURCES:
        if place(path) == "schemas/topics.py":
            continue
        source = path.read_text()
        assert "fleet/v1" not in source, place(path)
        for kind in ("assign", "control", "ack", "block-status", "heartbeat", "presence"):
            assert f'/{kind}"' not in source, f"{place(path)} joins /{kind}"


def test_no_exception_is_swallowed_without_a_word() -> None:
    silent = [
        f"{place(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _only_passes(node, path))
    ]
    assert not silent


def _only_passes(handler: ast.ExceptHandler, path: Path) -> bool:
    if not (len(handler.body) == 1 and isinstance(handler.body[0], ast.Pass)):
        return False
    lines = path.read_text().splitlines()[handler.lineno - 1 : handler.end_lineno]
    return not any("#" in line for line in lines)


def test_every_option_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in ServeSettings.model_fields if f"`{name}`" not in text] == []


def test_nothing_is_left_unfinished() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "raise NotImplemented" + "Error")
    found = [f"{place(p)}: {w}" for p in SOURCES + TESTS + SCRIPTS for w in words if w in p.read_text(errors="replace")]
    assert not found


def test_a_robot_needs_the_base_only() -> None:
    """The agent's command works where the libraries of the box are not installed."""
    blocked = ("flask", "granian", "sqlite_utils", "prometheus_client", "amqtt", "rich", "controller")
    program = (
        f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "sys.argv = ['yardmaster', 'agent', '--help']\nfrom cli.main import run\nrun()"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--driver" in result.stdout
