"""The list of jobs as tests of the console read it: a box at a known hour, its rows, its texts, its forms."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.fakes.box import Box

OURS = {"HX-Request": "true"}
NOW = datetime(2026, 9, 21, 16, 0, tzinfo=UTC)
"""The page's present; the yard's clock stands at 14:30 of that day and moves with it."""


@contextmanager
def box_at_four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A box with the flow `hello` and the queue `main`, looked at when it is `NOW`."""
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    monkeypatch.setattr("web.console.jobs.now_us", lambda: int(NOW.timestamp()) * 1_000_000)
    made = Box(tmp_path)
    made.yard.flow()
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def deployment(box: Box, slug: str, name: str, queue: str = "main") -> None:
    """A deployment of the flow `hello`."""
    box.must("PUT", f"/deployments/{slug}", {"name": name, "flow": "hello", "target": {"queue": queue}}, 201)


def run(box: Box, slug: str, **more: Any) -> str:
    """Run a deployment; the id of the job made."""
    return str(box.must("POST", f"/deployments/{slug}/run", more, 201)["items"][0]["id"])


def open_list(box: Box, query: str = "", lang: str = "en") -> str:
    """The page as markup."""
    response = box.http.get(f"/jobs{query}", headers={"Accept-Language": lang})
    assert response.status_code == 200, response.text
    return str(response.text)


def words(html: str) -> str:
    """The text of some markup, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def read_list(box: Box, query: str = "", lang: str = "en") -> str:
    """What the page says."""
    return words(open_list(box, query, lang).partition("<main")[2])


def shown(box: Box, query: str = "") -> list[str]:
    """Ids of the rows, from top to bottom."""
    return re.findall(r'<tbody[^>]* data-id="([^"]+)"', open_list(box, query))


def link(html: str, rel: str) -> str | None:
    """Where a link of the pager goes, from `?` on."""
    found = re.search(rf'rel="{rel}" href="/jobs([^"]*)"', html)
    return None if found is None else unescape(found[1])


def post(box: Box, path: str, form: dict[str, Any], **headers: str) -> TestResponse:
    """Send a form as the page does."""
    return box.http.post(path, data=form, headers=headers or OURS)


def bulk(box: Box, n: int) -> list[dict[str, Any]]:
    """So many jobs at once, first to last."""
    jobs = [{"flow": "hello", "target": {"queue": "main"}}] * n
    return [one["jobs"][0] for one in box.must("POST", "/jobs/bulk", {"jobs": jobs})["items"]]


def rows(box: Box, query: str) -> dict[str, str]:
    """Rows read anew, and what stands around them."""
    response = box.http.get(f"/jobs/rows?{query}")
    assert response.status_code == 200
    found: dict[str, str] = response.json  # type: ignore[assignment]
    return found
