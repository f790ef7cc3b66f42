"""The overview over a real box in the present, read as people read it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest

from tests.fakes.box import Box

YARD_BEGAN_S = 1_790_000_000


@contextmanager
def box_now(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A box in the present, whose screens look anew each time, with the flow `hello` and the queue `main`."""
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    monkeypatch.setattr("web.console.estimates.KEPT_S", 0.0)
    made = Box(folder)
    made.yard.now = time.time() - YARD_BEGAN_S - 600
    made.yard.flow()
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def until_now(box: Box) -> None:
    """The yard's clock catches up with ours while its robots go on saying what they last held."""
    box.yard.now = time.time() - YARD_BEGAN_S


def html(box: Box, lang: str = "en") -> str:
    """The page as it is sent."""
    response = box.http.get("/", headers={"Accept-Language": lang})
    assert response.status_code == 200
    return response.text


def read(text: str) -> str:
    """What people read of a piece of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def part(text: str, begin: str, end: str) -> str:
    """From the element of an id to what ends it."""
    found = re.search(rf'id="{begin}".*?{end}', text, re.DOTALL)
    assert found is not None, begin
    return found[0]


def needs(box: Box, lang: str = "en") -> list[tuple[str, str, list[str]]]:
    """What is listed: head, sentence, and where the buttons lead."""
    page = html(box, lang)
    rows = re.findall(r'<li id="need-.*?</li>', page, re.DOTALL)
    found = [
        (
            read(re.findall(r"<h3>(.*?)</h3>", row, re.DOTALL)[0]),
            read(re.findall(r"<p>(.*?)</p>", row, re.DOTALL)[0]),
            [unescape(path) for path in re.findall(r'class="btn[^>]*?(?:hx-get|href)="([^"]*)"', row)],
        )
        for row in rows
    ]
    pill = re.findall(r'<a class="pill( none)?" href="/#need">.*?(?:<b>(\d+)</b>|</a>)', page, re.DOTALL)
    assert pill == [("" if found else " none", str(len(found)) if found else "")]
    return found


def verdict(box: Box, lang: str = "en") -> str:
    """Its one sentence."""
    return read(part(html(box, lang), "o-say", "</h1>").partition(">")[2])
