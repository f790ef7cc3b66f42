"""Every decision that docs/formats.md names is shown by a test, which says so in its name or its first lines."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "formats.md"
NUMBERS = set(range(1, 42)) - {34}
"""C34 was never given."""
_ROW = re.compile(r"^\| (C\d+(?:, C\d+)*) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_IN_NAME, _IN_TEXT = re.compile(r"_c(\d+)(?=_)"), re.compile(r"\bC(\d+)\b")


def decided() -> dict[int, str]:
    """Number to what is done here."""
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8").partition("\n## Decisions ")[2])
    return {int(number[1:]): here for numbers, _clash, here in rows for number in numbers.split(", ")}


def _of_file(file: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def claimed() -> dict[int, list[str]]:
    """Number to the tests that say that they show it."""
    found: dict[int, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for test in _of_file(file):
            said = ast.get_docstring(test) or ""
            for number in {*_IN_NAME.findall(test.name), *_IN_TEXT.findall(said)}:
                found.setdefault(int(number), []).append(f"{file.relative_to(TESTS)}::{test.name}")
    return found


def test_every_clash_of_the_documents_has_its_row_and_says_what_is_done() -> None:
    assert set(decided()) == NUMBERS
    assert [number for number, here in decided().items() if len(here.strip()) < 4] == []


def test_every_decision_is_shown_by_a_test() -> None:
    assert sorted(NUMBERS - set(claimed())) == []


def test_no_test_speaks_of_a_decision_that_there_is_not() -> None:
    assert {number: tests for number, tests in claimed().items() if number not in NUMBERS} == {}
