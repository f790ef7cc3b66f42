"""What every route refuses, walked over the whole table of routes."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cli.serve
import web
import web.hosts
from config.settings import ServeSettings
from tests.fakes.box import Box
from web.api import ROUTES
from web.app import create_app
from web.bodies import NOBODYS_BYTES
from web.hosts import LOOK_EVERY_S, Hosts
from web.routes import Route
from web.settings import WebSettings

IDS = {
    "job": "0198-none",
    "robot": "none",
    "queue": "none",
    "flow": "none",
    "deployment": "none",
    "asset": "none",
    "secret": "none",
    "int:version": "7",
    "user": "none",
    "token": "none",
    "attempt": "7",
    "artifact": "none",
    "block": "7.1",
    "batch": "none",
    "schedule": "none",
    "firing": "none",
}
SESSIONS = ("open_session", "close_session", "change_own_password")
"""They ask the controller only for whoever knows a password, or has a session (tests of people)."""
WITH_BODY = [route for route in ROUTES if route.body is not None]
READS = [route for route in ROUTES if route.method == "GET" and route.path != "/stream" and route.role != "robot"]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """One box for all of them: nothing here gets as far as changing it."""
    made = Box(tmp_path_factory.mktemp("box"))
    made.yard.must("queue.put", queue="main")
    made.yard.flow()
    yield made
    made.close()


@pytest.fixture
def own_box(tmp_path: Path) -> Iterator[Box]:
    """A box to break."""
    made = Box(tmp_path)
    yield made
    made.close()


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def path(route: Route) -> str:
    return re.sub(r"<([\w:]+)>", lambda found: IDS[found[1]], route.path)


def send(box: Box, route: Route, **more: Any) -> Any:
    if route.role == "robot":
        shown = {"HTTP_AUTHORIZATION": f"Bearer {box.token('r1', 'robot', 'r1')}"}
        more["environ_overrides"] = shown | more.get("environ_overrides", {})
    return box.http.open(route.base + path(route), method=route.method, **more)


def is_refused(response: Any, status: int, code: str) -> None:
    if response.request.method == "HEAD":
        assert response.status_code == status
        return
    assert (response.status_code, response.json["code"]) == (status, code), response.text
    assert response.json["request_id"]
    assert response.content_type == "application/json"


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_a_foreign_host_or_origin_is_refused(box: Box, route: Route) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
    ):
        is_refused(send(box, route, headers=headers), 403, "auth.origin")


def test_own_origin_and_names_are_fine(box: Box) -> None:
    for headers in (
        {"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:8080"},
        {"Host": "[::1]:8080"},
        {"Host": "LOCALHOST"},
    ):
        assert box.http.get("/api/v1/jobs", headers=headers).status_code == 200


def test_an_address_that_the_machine_gets_later_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now, machine = [0.0], ["box", "127.0.0.1"]
    looks: list[float] = []
    monkeypatch.setattr(web.hosts, "steady", lambda: now[0])

    def look() -> list[str]:
        looks.append(now[0])
        return machine

    hosts = Hosts(("localhost",), look)
    assert "localhost" in hosts
    assert "evil.example" not in hosts
    assert not looks, "a name is never looked up"
    assert "192.168.1.10" not in hosts
    machine += ["192.168.1.10", "2001:db8::aaaa", "evil.example"]
    assert "192.168.1.10" not in hosts, "not at every request"
    now[0] += LOOK_EVERY_S
    assert all(host in hosts for host in ("192.168.1.10", "[2001:db8::aaaa]", "[2001:db8:0::aaaa]"))
    assert "evil.example" not in hosts
    assert "box" not in hosts, "names are those of the start"
    machine.remove("192.168.1.10")
    now[0] += LOOK_EVERY_S
    assert "192.168.1.10" not in hosts, "somebody else's now"
    assert looks == [0.0, LOOK_EVERY_S, 2 * LOOK_EVERY_S]


def test_the_web_of_a_box_on_the_network_knows_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a power cut: the address server is slower than the box."""
    monkeypatch.setattr(cli.serve, "machine_names", lambda: ["box", "localhost", "127.0.0.1", "::1"])
    for http, status in (("0.0.0.0:8080", 200), ("127.0.0.1:8080", 403)):
        part = cli.serve._web(ServeSettings(data_dir=tmp_path, http=http))
        monkeypatch.setattr("web.app.machine_names", lambda: ["box", "192.168.1.10"])
        app = create_app(WebSettings.from_environment(part.environment))
        assert app.test_client().get("/sign-in", headers={"Host": "192.168.1.10:8080"}).status_code == status


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_other_methods_are_refused(box: Box, route: Route) -> None:
    with box.app.test_request_context(headers={"Host": "localhost"}):
        adapter = box.app.create_url_adapter(None) or box.app.url_map.bind("localhost")
    allowed = set(adapter.allowed_methods(route.base + path(route)))
    assert route.method in allowed
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed:
        response = box.http.open(route.base + path(route), method=method)
        is_refused(response, 405, "request.method")
        assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_unknown_query_parameters_are_refused(box: Box, route: Route) -> None:
    response = send(box, route, query_string={"no_such": "1"}, json={} if route.body else None)
    if route.body and response.json["code"] != "request.invalid":
        pytest.fail(response.text)
    assert response.status_code == 422


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
def test_unknown_fields_are_refused_with_their_path(box: Box, route: Route) -> None:
    response = send(box, route, json={"no_such_field": 1})
    is_refused(response, 422, "request.invalid")
    assert {
        key: value
        for detail in response.json["details"]
        if detail["path"] == "/no_such_field"
        for key, value in detail.items()
        if key != "message"
    } == {"in": "body", "path": "/no_such_field", "code": "extra_forbidden"}


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
@pytest.mark.parametrize("body", [b"[]", b'"{}"', b"null", b"7", b'"a"'])
def test_a_body_is_an_object(box: Box, route: Route, body: bytes) -> None:
    is_refused(send(box, route, data=body, content_type="application/json"), 422, "request.invalid")


BAD_JSON: dict[str, tuple[bytes, str]] = {
    "cut": (b'{"a": ', "request.json"),
    "words": (b"hello", "request.json"),
    "NaN": (b'{"parameters": {"x": NaN}}', "request.json"),
    "infinite": (b'{"parameters": {"x": -Infinity}}', "request.json"),
    "65 bits": (b'{"parameters": {"x": 18446744073709551616}}', "request.json"),
    "lone surrogate": (b'{"parameters": {"x": "\\ud800"}}', "request.json"),
    "latin-1": ('{"a": "é"}'.encode("latin-1"), "request.json"),
    "two values": (b"{} {}", "request.json"),
    "deep": (b'{"parameters": {"x": ' + b"[" * 101 + b"]" * 101 + b"}}", "request.depth"),
    "very deep": (b"[" * 100_000, "request.depth"),
}


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
@pytest.mark.parametrize("body", BAD_JSON)
def test_bad_json_is_refused(box: Box, route: Route, body: str) -> None:
    data, code = BAD_JSON[body]
    status, code = (400, code) if len(data) <= route.max_bytes else (413, "request.size")
    is_refused(send(box, route, data=data, content_type="application/json"), status, code)


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
def test_other_types_are_refused(box: Box, route: Route) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""):
        is_refused(send(box, route, data=b"{}", content_type=kind or None), 415, "request.type")
    latin = "application/json; charset=latin-1"
    is_refused(send(box, route, data=b"{}", content_type=latin), 415, "request.type")
    packed = {"Content-Encoding": "gzip"}
    is_refused(send(box, route, data=b"{}", content_type="application/json", headers=packed), 415, "request.type")


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
def test_bodies_have_a_length_within_bounds(box: Box, route: Route) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    is_refused(send(box, route, data=b"{}", content_type="application/json", headers=chunked), 411, "request.length")
    large = b" " * (route.max_bytes + 1)
    is_refused(send(box, route, data=large, content_type="application/json"), 413, "request.size")
    fits = b"{" + b" " * (route.max_bytes - 2) + b"}"
    assert send(box, route, data=fits, content_type="application/json").status_code != 413
    if not route.body_optional:
        nothing = send(box, route, environ_overrides={"CONTENT_LENGTH": ""})
        is_refused(nothing, 411, "request.length")


def test_flows_and_bulk_may_be_larger_and_what_nobody_says_is_small() -> None:
    assert next(route for route in WITH_BODY if route.path == "/session").max_bytes == NOBODYS_BYTES
    sizes = {route.path: route.max_bytes // 2**20 for route in WITH_BODY if route.path != "/session"}
    assert (sizes.pop("/jobs/bulk"), sizes.pop("/job-batches")) == (8, 8)
    assert {sizes.pop(path) for path in ("/flows/check", "/flows/<flow>", "/floor-plan")} == {2}
    assert set(sizes.values()) == {1}


@pytest.mark.parametrize("route", [r for r in READS if "<" in r.path], ids=name)
def test_unknown_ids_are_not_found(box: Box, route: Route) -> None:
    missing = route.base + re.sub(r"<\w+>", "missing", re.sub(r"<int:version>", "1", route.path))
    is_refused(box.http.get(missing), 404, route.path.split("<")[1].partition(">")[0] + ".not_found")
    strange = route.base + re.sub(
        r"<\w+>", "a%00%F0%9F%A4%96%FF", re.sub(r"<int:version>", "99999999999999999999", route.path)
    )
    assert box.http.get(strange).status_code == 404
    endless = route.base + re.sub(r"<\w+>", "x" * 5000, re.sub(r"<int:version>", "1", route.path))
    assert box.http.get(endless).status_code == 404


@pytest.mark.parametrize("route", READS, ids=name)
def test_reads_answer_head_too_and_carry_careful_headers(box: Box, route: Route) -> None:
    response = box.http.open(route.base + path(route), method="HEAD")
    assert response.data == b""
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("route", [r for r in ROUTES if r.keyed], ids=name)
def test_bad_keys_are_refused(box: Box, route: Route) -> None:
    for key in ("x" * 256, "spa ce", "é", ""):
        response = send(box, route, json={}, headers={"Idempotency-Key": key})
        assert response.status_code == 422, response.text


@pytest.mark.parametrize("route", [r for r in ROUTES if "limit" in r.query.model_fields], ids=name)
def test_bounds_of_pages(box: Box, route: Route) -> None:
    for limit in ("0", "201", "-1", "x", "1.5", "", "1e2", "٣", "99999999999999999999"):
        is_refused(send(box, route, query_string={"limit": limit}), 422, "request.invalid")
    is_refused(box.http.get(f"{route.base}{path(route)}?limit=1&limit=2"), 422, "request.invalid")


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if "after" in r.query.model_fields and "<" not in r.path], ids=name
)
def test_bad_cursors_are_refused(box: Box, route: Route) -> None:
    for cursor in ("x", "e30", "%%%", "é", "bnVsbA", "W10"):
        is_refused(send(box, route, query_string={"after": cursor}), 422, "page.cursor")


def test_a_request_keeps_the_number_its_caller_gave_it(box: Box) -> None:
    given = box.ask("GET", "/jobs/none", X_Request_Id="trace-12345")
    assert given.json is not None
    assert given.json["request_id"] == given.headers["X-Request-Id"] == "trace-12345"
    for wrong in ("short", "x" * 65, "new line\t"):
        assert box.ask("GET", "/jobs", X_Request_Id=wrong).headers["X-Request-Id"] != wrong


def test_a_defect_is_answered_without_its_inside(own_box: Box, caplog: pytest.LogCaptureFixture) -> None:
    own_box.controller.fails = ZeroDivisionError("secret detail")
    body = own_box.refused("POST", "/jobs", {"flow": "hello", "target": {"queue": "main"}}, status=500, code="internal")
    assert "secret" not in str(body)
    (logged,) = [record for record in caplog.records if body["request_id"] in record.getMessage()]
    assert logged.levelno >= logging.ERROR
    assert logged.exc_info is not None
    assert str(logged.exc_info[1]) == "secret detail", "the log has what the answer has not"


@pytest.mark.parametrize("route", [r for r in ROUTES if r.commands and r.name not in SESSIONS], ids=name)
def test_a_controller_that_is_down_or_silent(box: Box, route: Route) -> None:
    body = VALID.get(route.name, {}) if route.body else None
    try:
        box.controller.go_down()
        response = send(box, route, json=body) if route.body else send(box, route)
        is_refused(response, 503, "controller.down")
        assert response.headers["Retry-After"]
        box.controller.fall_silent()
        is_refused(send(box, route, json=body) if route.body else send(box, route), 504, "controller.no_answer")
    finally:
        box.controller.fails = None


VALID: dict[str, dict[str, Any]] = {
    "submit_jobs": {"flow": "hello", "target": {"queue": "main"}},
    "submit_many": {"jobs": [{}]},
    "change_priority": {"priority": 1},
    "force_job": {"outcome": "failed", "reason": "x"},
    "release_job": {"reason": "x"},
    "release_robot": {"reason": "x"},
    "put_robot": {"kind": "agv"},
    "add_user": {"user": "ann", "role": "viewer", "password": "long enough"},
    "add_token": {"name": "wms", "role": "viewer"},
    "set_job_error": {"reason": "x"},
    "preview_batch": {"action": "cancel", "ids": ["none"]},
    "apply_batch": {"hash": "0" * 64},
    "put_schedule": {"name": "n", "deployment": "d", "every_s": 60},
    "open_artifact": {"kind": "file", "name": "x", "size": 1, "sha256": "0" * 64},
    "check_flow": {"definition": {}},
    "put_flow": {"definition": {}},
    "put_floor_plan": {"nodes": [{"id": "a", "x": 0.0, "y": 0.0}]},
    "put_deployment": {"name": "n", "flow": "hello", "target": {"queue": "main"}},
}


def test_an_unreadable_database_is_said(own_box: Box, tmp_path: Path) -> None:
    own_box.close()
    for file in tmp_path.glob("yardmaster.db*"):
        file.unlink()
    own_box.refused("GET", "/jobs", status=503, code="store.unavailable")
    (tmp_path / "yardmaster.db").write_bytes(b"no database" * 1000)
    own_box.refused("GET", "/jobs", status=503, code="store.unavailable")
