"""Every text of the console is there in Chinese, and no catalogue keeps one that nobody shows."""

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from web.console.language import CATALOGUES, Clashing, _, merged, ngettext, speaking

WEB = Path(__file__).parent.parent.parent / "web"
HOW = [("console/**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}


def _shown() -> set[object]:
    found = extract_from_dir(WEB, HOW, {"templates/**.html": {"silent": "false"}}, keywords=KEYWORDS)
    return {message for _file, _line, message, _comments, _context in found}


def test_every_text_has_its_chinese() -> None:
    chinese = {m.id: m for m in merged(CATALOGUES / "zh") if m.id}
    assert {text for text in _shown() if text not in chinese} == set()
    assert {text for text, message in chinese.items() if not all(_strings(message.string))} == set()


def test_catalogues_hold_nothing_that_is_not_shown() -> None:
    assert {m.id for m in merged(CATALOGUES / "zh") if m.id} - _shown() == set()


def _strings(value: object) -> list[str]:
    return [str(value)] if isinstance(value, str) else [str(one) for one in value]  # type: ignore[attr-defined]


def test_a_placeholder_that_is_lost_or_misspelt_would_break_the_page() -> None:
    for message in merged(CATALOGUES / "zh"):
        if message.id and message.python_format:
            problems = [str(error) for error in message.check(merged(CATALOGUES / "zh"))]
            assert problems == [], message.id


def test_the_language_of_the_page_decides() -> None:
    assert _("Queued") == "Queued"
    with speaking("zh"):
        assert _("Queued") == "等待"
        assert ngettext("needs a person", "need a person", 2) == "件待人处理"


def test_two_translations_of_one_text_are_refused(tmp_path: Path) -> None:
    for name, word in (("a", "甲"), ("b", "乙")):
        (tmp_path / f"{name}.po").write_text(f'msgid "Queued"\nmsgstr "{word}"\n', encoding="utf-8")
    with pytest.raises(Clashing, match="Queued"):
        merged(tmp_path)
