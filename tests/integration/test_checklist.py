"""What stands between the web and whoever should not be there, generated over all addresses of the box."""

import ast
import html.parser
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.fakes.box import Box
from tests.fakes.people import PAGE, PASSWORD, People, cookie
from tests.fakes.yard import FakeRobot
from web.app import create_app
from web.guard import A_YEAR_S
from web.settings import WebSettings

ROOT = Path(__file__).parents[2]
SECURE = "https://localhost"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
IN_AND_OUT = {"/sign-in", "/sign-in/demo", "/api/v1/session"}
"""Nobody is signed in before; the foreign `Origin` is refused there, as everywhere."""
NASTY = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
HTML = {"Accept": "text/html"}


def address(rule: Rule) -> str:
    """One address of a rule; what its parts are does not matter here."""
    return re.sub(r"<(?:any\((\w+)[^)]*\):\w+|int:\w+|[^>]+)>", lambda found: found[1] or "7", rule.rule)


def rules(box: Box, methods: tuple[str, ...]) -> list[tuple[str, str]]:
    """Method and address of everything there is."""
    found = [(method, address(rule)) for rule in box.app.url_map.iter_rules() for method in rule.methods or ()]
    return sorted({(method, path) for method, path in found if method in methods})


# ---------------------------------------------------------------- forged requests
def test_no_address_changes_anything_for_a_session_without_the_consoles_own_header(people: People, box: Box) -> None:
    browser = people.browser("ann", "admin")
    asked = [(method, path) for method, path in rules(box, UNSAFE) if path not in IN_AND_OUT]
    assert len(asked) > 60
    before = len(people.audit())
    for method, path in asked:
        answer = browser.open(path, method=method)
        assert answer.status_code in (403, 404, 405), (method, path, answer.status_code)
    assert len(people.audit()) == before


def test_no_address_listens_to_another_sites_page(people: People, box: Box) -> None:
    browser = people.browser("ann", "admin")
    for method, path in rules(box, (*UNSAFE, "GET")):
        answer = browser.open(path, method=method, headers={"Origin": "https://evil.example"} | PAGE, buffered=False)
        assert answer.status_code in (403, 404), (method, path, answer.status_code)
        answer.close()


# ---------------------------------------------------------------- pages
class Inline(html.parser.HTMLParser):
    """Finds what the content policy forbids, so that no page relies on it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in named and named.get("type") != "application/json"):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag} {name}" for name in named if name.startswith("on") or name == "style"]
        self.found += [f"{tag} {named[name]}" for name in ("href", "src") if (named.get(name) or "").startswith("java")]


def pages(box: Box, browser: FlaskClient) -> list[tuple[str, Any]]:
    """Every page and dialog that answers with HTML."""
    found = []
    for _, path in rules(box, ("GET",)):
        if path.startswith(("/static", "/api/v1/stream", "/stream", "/live")):
            continue
        answer = browser.get(path.replace("/7", "/r1") if path.startswith("/robots/7") else path, headers=HTML)
        if answer.mimetype == "text/html":
            found.append((path, answer))
    return found


def test_every_page_forbids_what_is_inline_and_needs_none(people: People, box: Box, robot: FakeRobot) -> None:
    found = pages(box, people.browser("ann", "admin"))
    assert len(found) > 15
    for path, answer in found:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        inside = Inline()
        inside.feed(answer.text)
        assert inside.found == [], path


def test_what_robots_and_people_write_is_text_on_every_page(people: People, box: Box, robot: FakeRobot) -> None:
    box.must("PUT", "/robots/r1", {"name": NASTY, "kind": NASTY[:64], "queues": ["main"], "tags": [NASTY[:64]]})
    box.must("POST", "/robots/r1/disable", {"reason": NASTY})
    box.must("PUT", "/queues/main", {"name": NASTY})
    robot.beat(version=NASTY[:64], load={NASTY: NASTY}, kind=NASTY[:64])
    FakeRobot(box.yard, "stranger", (), []).beat(kind=NASTY[:64])
    box.submit(source={"system": NASTY, "remarks": NASTY})
    seen = 0
    for path, answer in pages(box, people.browser("ann", "admin")):
        assert "<script>alert" not in answer.text, path
        assert "<img src=x" not in answer.text, path
        seen += "&lt;script&gt;alert" in answer.text or "&lt;img src=x" in answer.text
    assert seen >= 2, "it was on no page at all"


# ---------------------------------------------------------------- encrypted, and behind a proxy
def proxied(box: Box) -> FlaskClient:
    """Nobody, at a box behind a proxy that ends TLS."""
    return create_app(WebSettings(box.yard.folder, behind_proxy=True), box.controller).test_client()


def test_encrypted_browsers_are_told_to_stay_so(box: Box) -> None:
    answer = box.nobody().get("/sign-in", base_url=SECURE)
    assert answer.headers["Strict-Transport-Security"] == f"max-age={A_YEAR_S}"
    assert "Strict-Transport-Security" not in box.nobody().get("/sign-in").headers


def test_a_proxy_that_ends_tls_is_believed_only_where_there_is_one(people: People, box: Box) -> None:
    people.add("ann")
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9, 10.0.0.7"}
    body = {"user": "ann", "password": PASSWORD}
    behind = proxied(box).post("/api/v1/session", json=body, headers=said)
    assert cookie(behind).startswith("__Host-yardmaster=")
    assert "Secure" in cookie(behind)
    assert "Strict-Transport-Security" in behind.headers
    assert people.audit("session.open")[0].ip == "10.0.0.7", "what stands before was written by the asker"
    direct = box.nobody().post("/api/v1/session", json=body, headers=said)
    assert cookie(direct).startswith("yardmaster=")
    assert people.audit("session.open")[0].ip == "127.0.0.1"


def test_what_a_proxy_says_about_the_host_is_never_believed(box: Box) -> None:
    said = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
    for client in (proxied(box), box.nobody()):
        assert client.get("/api/v1/health", headers=said).status_code == 403


def test_a_page_that_was_not_encrypted_changes_nothing_that_is(people: People, box: Box) -> None:
    people.add("ann")
    browser = box.nobody()
    people.sign_in(browser, "ann", at=SECURE)
    plain, own = ({"Origin": f"{scheme}://localhost"} | PAGE for scheme in ("http", "https"))
    assert browser.post("/sign-out", base_url=SECURE, headers=plain).status_code == 403
    assert browser.post("/sign-out", base_url=SECURE, headers=own).status_code != 403


# ---------------------------------------------------------------- SQL
_RUNS = {"execute", "executemany", "executescript"}


def test_only_the_store_puts_statements_together() -> None:
    """There the linter looks at each one (S608): what is put in is a name written in the code, never a value."""
    strange = []
    files = [file for room in ("cli", "config", "controller", "web") for file in sorted((ROOT / room).rglob("*.py"))]
    for file in files:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            runs = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _RUNS
            if runs and isinstance(call, ast.Call) and call.args and not isinstance(call.args[0], ast.Constant):
                strange.append(file.relative_to(ROOT).as_posix())
    assert [file for file in strange if not file.startswith("controller/store/")] == []
    assert strange, "the test looks at nothing"


@pytest.mark.parametrize(
    "text", ["'; drop table robots; --", "r1' or '1'='1", "%", "_", "r1\x00", "\\", '") or 1=1 --', "*", "NEAR("]
)
def test_what_is_typed_into_a_search_is_only_text(box: Box, robot: FakeRobot, text: str) -> None:
    box.submit()
    for path in ("/robots", "/jobs", "/flows", "/deployments", "/schedules", "/assets"):
        answer = box.http.get(f"/api/v1{path}", query_string={"q": text})
        assert answer.status_code in (200, 422), (path, answer.text)
        if answer.status_code == 200 and path == "/robots":
            assert (answer.json or {})["items"] == []
    assert [one["id"] for one in box.must("GET", "/robots")["items"]] == ["r1"]
