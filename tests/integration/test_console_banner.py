"""The banner on every page: what is not as it should be with the box, in both languages, and gone when it is gone."""

import re

import pytest

from tests.fakes.box import Box
from web.console.troubles import TROUBLES

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def say(box: Box, *codes: str) -> None:
    """Have the controller say that these stand."""
    reasons = [{"part": "x", "code": code, "message": "m", "since": "2026-01-01T00:00:00Z"} for code in codes]
    parts = {"broker": {"state": "ok"}}
    box.controller.says["system.health"] = {"state": "degraded", "parts": parts, "reasons": reasons}


def banner(box: Box, path: str = "/", lang: str = "en") -> tuple[bool, list[str]]:
    """Whether it is shown, and its lines."""
    page = box.http.get(path, headers={"Accept-Language": lang}).text
    (found,) = re.findall(r'<aside class="amiss" id="wrong"([^>]*)>(.*?)</aside>', page, re.DOTALL)
    lines = [re.sub(r"<[^>]+>", "", line).strip() for line in re.findall(r"<p.*?</p>", found[1], re.DOTALL)]
    return "hidden" not in found[0], lines


@pytest.mark.parametrize("path", ["/", "/jobs", "/robots", "/schedules", "/assets", "/people", "/audit"])
def test_every_page_has_it(box: Box, path: str) -> None:
    assert banner(box, path) == (False, [])


@pytest.mark.parametrize("path", ["/", "/jobs", "/robots"])
def test_what_stands_is_said_on_every_page(box: Box, path: str) -> None:
    say(box, "box.drained")
    words = TROUBLES["box.drained"]
    assert banner(box, path) == (True, [f"{words.head} {words.text}"])


@pytest.mark.parametrize("code", sorted(TROUBLES))
def test_every_code_has_words_in_both_languages(box: Box, code: str) -> None:
    say(box, code)
    assert banner(box)[1] == [f"{TROUBLES[code].head} {TROUBLES[code].text}"]
    (line,) = banner(box, lang="zh")[1]
    assert len(CHINESE.findall(line)) >= 8, line
    assert TROUBLES[code].text not in line


def test_what_it_says_is_text(box: Box) -> None:
    say(box, "<b>of a later version</b>")
    assert "<b>of a later" not in box.http.get("/").text


def test_three_are_shown_and_the_rest_is_counted(box: Box) -> None:
    say(box, *list(TROUBLES)[:5])
    shown = banner(box)[1]
    assert len(shown) == 4
    assert shown[-1] == "And 2 more of the box."
