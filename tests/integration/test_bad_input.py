"""Every address of the record formats with every kind of bad input: its status, its envelope, its words, no change.

The table is that of the documents and of docs/formats.md, written down once more: a row an address, a cell a kind of
rubbish. Version 1 stands in it for the documents of the RPA console.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.fakes.site import BASE, Site
from tests.samples import sample

KINDS = (
    "unknown id", "path tricks", "wrong state", "missing", "out of range", "bad operate", "no token", "bad token",
    "wrong role", "not json", "10 MB",
)  # fmt: skip
TRICKS = (
    "..", ".", "%2e%2e", "..%2F..%2Fetc%2Fpasswd", "..%5C..%5Cwindows", "%00", "a%00b", "%ff", "x" * 256, "x" * 5000,
    "'%20or%201=1--", "未知", "a%0d%0aSet-Cookie:%20x=1", "%F0%9F%92%A5", "~", "nul", "%25s%25n", "{{7*7}}", "$%7Bx%7D",
)  # fmt: skip
V1, TASK, RECORD, SET_ERROR, SCHEDULED = "v1", "002", "003", "003 set-error", "004"
KEYS = {
    V1: ["code", "message", "details", "request_id"],
    TASK: ["code", "message", "details", "request_id"],
    RECORD: ["code", "message"],
    SET_ERROR: ["success", "message", "data"],
    SCHEDULED: ["error_code", "error_msg", "error_detail", "encoded_authorization_message"],
}
Cell = tuple[int, str] | None
"""Status, and what tells this refusal from others: a code, or the whole message; None: it cannot be said here."""
INVALID, FIELD = (422, "request.invalid"), (400, "request.invalid")


@dataclass(frozen=True)
class Address:
    """One address; `path` has {id}, `bad` is a path or a body with something out of its range."""

    envelope: str
    method: str
    path: str
    cells: tuple[Cell, ...]
    body: Any = None
    bad: str = ""
    less: str | None = None
    """The path without something that is needed; None: the body is."""

    def cell(self, kind: str) -> Cell:
        return self.cells[KINDS.index(kind)]

    @property
    def reads(self) -> bool:
        return self.method == "GET"


def door(*codes: str) -> tuple[Cell, ...]:
    """No token, a bad one, a wrong role."""
    return tuple(zip((401, 401, 403), codes or ("auth.missing", "auth.invalid", "auth.role"), strict=True))


DOOR, CHINESE_DOOR = door(), door("未认证: 请提供访问令牌", "未认证: 访问令牌无效", "权限不足")
ENDED = "任务已失败: 托盘滑落"
NOT_JSON, LARGE = (400, "request.json"), (413, "request.size")


def v1(method: str, path: str, *cells: Cell, **more: Any) -> Address:
    missing = (404, "job.not_found") if "{id}" in path else None
    return Address(V1, method, f"/api/v1{path}", (missing, missing, *cells), **more)


def task(method: str, path: str, noun: str, *cells: Cell, **more: Any) -> Address:
    missing = (404, f"{noun}.not_found")
    return Address(TASK, method, f"/task{path}", (missing, missing, *cells, *DOOR, missing, missing), **more)


def record(method: str, path: str, missing: str, *cells: Cell, **more: Any) -> Address:
    """A body is not read here, whatever it is."""
    absent = (404, missing)
    whole = (absent, absent, *cells, None, *CHINESE_DOOR, absent, absent)
    return Address(RECORD, method, f"{BASE}/{path}/{{id}}", whole, **more)


UNREADABLE = (400, "请求参数错误: 参数 attempt 无效")
GONE = "未找到任务记录 {id}"
NO_REASON = (400, "请求参数错误: 参数 error_reason 无效")
ADDRESSES = {
    "job": v1("GET", "/jobs/{id}", None, None, None, None, *DOOR, (404, "job.not_found"), (404, "job.not_found")),
    "jobs": v1("GET", "/jobs", None, None, INVALID, None, *DOOR, None, None, bad="/api/v1/jobs?limit=201"),
    "submit": v1("POST", "/jobs", None, INVALID, INVALID, None, *DOOR, NOT_JSON, LARGE,
                 body={"flow": "hello", "target": {"queue": "main"}}, bad='{"flow":"hello","priority":5001}'),
    "cancel": v1("POST", "/jobs/{id}/cancel", (409, "job.state"), None, INVALID, None, *DOOR, NOT_JSON, LARGE, body={},
                 bad=json.dumps({"reason": "x" * 2001})),
    "priority": v1("PATCH", "/jobs/{id}", (409, "job.state"), INVALID, INVALID, None, *DOOR, NOT_JSON, LARGE,
                   body={"priority": 1}, bad='{"priority":-1}'),
    "batch": v1("POST", "/job-batches", None, INVALID, INVALID, INVALID, *DOOR, NOT_JSON, LARGE,
                body={"action": "cancel", "ids": ["x"]}, bad='{"action":"priority","ids":["x"],"priority":5001}'),
    "tasks": task("GET", "?processInstanceId={id}", "process", None, FIELD, FIELD, None, less="/task",
                  bad="/task?processInstanceId={id}&attempt=0"),
    "task": task("GET", "/{id}", "task", None, None, None, None),
    "operate": task("PUT", "/{id}/reRun", "task", (409, "task.state"), None, None, FIELD),
    "blocks": record("GET", "blocks", GONE, None, None, UNREADABLE, bad=f"{BASE}/blocks/{{id}}?attempt=0"),
    "block": record("GET", "block", "未找到ID为 {id} 的块记录", None, None, None),
    "results": record("GET", "execution/block/results", GONE, None, None, UNREADABLE,
                      bad=f"{BASE}/execution/block/results/{{id}}?attempt=-1"),
    "detail": record("GET", "detail", "未找到ID为 {id} 的任务记录", None, None, None),
    "stop": record("POST", "stop", GONE, (400, f"任务终止失败: {ENDED}"), None, None),
    "retry": record("POST", "retry", GONE, (400, "任务状态为 1001,只能重发失败状态(2000)的任务"), None, None),
    "set-error": Address(
        SET_ERROR, "POST", f"{BASE}/set-error/{{id}}",
        ((404, "任务记录不存在"), (404, "任务记录不存在"), (400, f"请求参数错误: {ENDED}"),
         NO_REASON, NO_REASON, None, *CHINESE_DOOR,
         (400, "请求参数错误: 请求体不是有效的JSON"), (400, "请求参数错误: 请求体过大")),
        body={"error_reason": "停线"}, bad=json.dumps({"error_reason": "x" * 2001}),
    ),
    "scheduled": Address(
        SCHEDULED, "GET", "/v2/p/scheduled-tasks/s/records/{id}?offset=0&limit=100",
        ((404, "record.not_found"), (404, "record.not_found"), None, FIELD, FIELD, None, *DOOR,
         (404, "record.not_found"), (404, "record.not_found")),
        less="/v2/p/scheduled-tasks/s/records/{id}?offset=0",
        bad="/v2/p/scheduled-tasks/s/records/{id}?offset=0&limit=101",
    ),
}  # fmt: skip


class Plant(Site):
    """A box where everything asked for is there: a running record, a failed one, a schedule with a firing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gone = self.failed()
        self.robot.beat()
        self.running = self.held()
        self.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"queue": "main"}}, 201)
        self.must("PUT", "/schedules/s", {"name": "S", "deployment": "d", "every_s": 60}, 201)
        self.yard.tick(61, step=1, beating=True)
        assert self.yard.state(self.running) == "running"

    def one(self, name: str) -> str:
        """Something that is there to ask this address about."""
        if name in ("task", "operate"):
            found = json.loads(self.http.get(f"/task?processInstanceId={self.running}").text)
            return str(found[1]["taskId"])
        if name == "scheduled":
            return str(self.must("GET", "/schedules/s/firings")["items"][0]["id"])
        return str(self.data("blocks", self.running)[1]["id"]) if name == "block" else self.running

    def known(self, table: str) -> list[dict[str, Any]]:
        return self.yard.rows(table)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One for all: nothing here may change anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
        made = Plant(tmp_path_factory.mktemp("plant"))
        yield made
        made.close()


Send = Callable[[Plant, Address, str], Iterator[tuple[str, TestResponse]]]
"""Requests of one kind, each with the id that it asked for."""


def ask(client: FlaskClient, address: Address, path: str, body: Any = None) -> TestResponse:
    given = address.body if body is None else body
    data = given if isinstance(given, bytes) else None if given is None else json.dumps(given).encode()
    more: dict[str, Any] = {} if data is None else {"data": data, "content_type": "application/json"}
    return client.open(path, method=address.method, **more)


def unknown(plant: Plant, address: Address, _name: str) -> Iterator[tuple[str, TestResponse]]:
    yield "none", ask(plant.http, address, address.path.format(id="none"))


def tricks(plant: Plant, address: Address, _name: str) -> Iterator[tuple[str, TestResponse]]:
    for one in TRICKS:
        yield one, ask(plant.http, address, address.path.replace("{id}", one))


def wrong_state(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    """A running record is not sent again, a running task not run again; a failed record is not ended once more."""
    which = plant.one(name) if name in ("retry", "operate", "priority") else plant.gone
    yield which, ask(plant.http, address, address.path.format(id=which))


def missing(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    which = plant.one(name)
    if address.less is None:
        yield (
            which,
            ask(plant.http, address, address.path.format(id=which), {"nothing": 1} if address.envelope != V1 else {}),
        )
    else:
        yield which, ask(plant.http, address, address.less.format(id=which))


def out_of_range(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    which = plant.one(name)
    if address.reads:
        yield which, ask(plant.http, address, address.bad.format(id=which))
    else:
        yield which, ask(plant.http, address, address.path.format(id=which), address.bad.encode())


def bad_operate(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    which = plant.one(name)
    for word in ("rerun", "Resume", "Cancel", "reRun%20", "reRun%00", "%20"):
        if address.envelope == V1:
            yield which, ask(plant.http, address, address.path, {"action": word, "ids": [which]})
        else:
            yield which, ask(plant.http, address, address.path.format(id=which).replace("reRun", word))


def shown(plant: Plant, address: Address, name: str, client: FlaskClient) -> Iterator[tuple[str, TestResponse]]:
    """Asked by somebody who may not: what is wrong beside that is not looked at, and not told."""
    for which in (plant.one(name), "none"):
        yield which, ask(client, address, address.path.format(id=which))
        yield which, ask(client, address, address.path.format(id=which), b"{")


def no_token(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    yield from shown(plant, address, name, plant.nobody())


def bad_token(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    for header, value in (("X_AUTH_TOKEN", "ymt_wrong"), ("AUTHORIZATION", "Bearer ymt_wrong")):
        client = plant.nobody()
        client.environ_base[f"HTTP_{header}"] = value
        yield from shown(plant, address, name, client)


def wrong_role(plant: Plant, address: Address, name: str) -> Iterator[tuple[str, TestResponse]]:
    yield from shown(plant, address, name, plant.client("robot", robot="AGV001"))
    if not address.reads:
        yield from shown(plant, address, name, plant.client("viewer"))


def sent(plant: Plant, address: Address, body: bytes) -> Iterator[tuple[str, TestResponse]]:
    """Where no body is read, the rest of the request is answered as ever."""
    yield "none", ask(plant.http, address, address.path.format(id="none"), body)


def not_json(plant: Plant, address: Address, _name: str) -> Iterator[tuple[str, TestResponse]]:
    for body in (b"{", b"hello", b"\xff\xfe", b"{} {}"):
        yield from sent(plant, address, body)


def large(plant: Plant, address: Address, _name: str) -> Iterator[tuple[str, TestResponse]]:
    yield from sent(plant, address, b'{"error_reason": "' + b"x" * 10_000_000 + b'"}')


SEND: dict[str, Send] = dict(
    zip(
        KINDS,
        (unknown, tricks, wrong_state, missing, out_of_range, bad_operate, no_token, bad_token, wrong_role, not_json,
         large),
        strict=True,
    )
)  # fmt: skip
CASES = [(name, kind) for name, address in ADDRESSES.items() for kind in KINDS if address.cell(kind) is not None]


def test_every_address_has_a_cell_for_every_kind() -> None:
    assert {len(address.cells) for address in ADDRESSES.values()} == {len(KINDS)}
    assert all(any(address.cell(kind) for address in ADDRESSES.values()) for kind in KINDS)
    assert {address.envelope for address in ADDRESSES.values()} == set(KEYS)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda part: part)
def test_bad_input(plant: Plant, name: str, kind: str) -> None:
    """C11, C12, C16, C29, C35."""
    address, cell = ADDRESSES[name], ADDRESSES[name].cell(kind)
    assert cell is not None
    status, said = cell
    before = {table: plant.known(table) for table in ("jobs", "batches", "events", "schedules")}
    for which, response in SEND[kind](plant, address, name):
        assert response.status_code == status, (which, response.text[:500])
        check(address, response, status, said, which)
    assert {table: plant.known(table) for table in before} == before


def check(address: Address, response: TestResponse, status: int, said: str, which: str) -> None:
    """The envelope, and that nothing of ours or of the request leaks into it."""
    body: dict[str, Any] = json.loads(response.text)
    assert list(body) == KEYS[address.envelope], which
    assert response.mimetype == "application/json"
    assert "Set-Cookie" not in response.headers
    assert len(response.text) < 2000
    assert "Traceback" not in response.text
    word = body.get("error_code") if address.envelope == SCHEDULED else body.get("code")
    if address.envelope in (V1, TASK, SCHEDULED):
        assert word == said or (which in TRICKS and word == "route.not_found"), response.text
        assert body.get("encoded_authorization_message") is None
        return
    assert word == status or (body["success"], body["data"]) == (False, None)
    assert body["message"] == said.format(id=which) or which in TRICKS


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    ("more", "status"),
    [({"method": "TRACE"}, 405), ({"headers": {"Host": "evil.example"}}, 403), ({"headers": {"Origin": "null"}}, 403)],
    ids=["method", "host", "origin"],
)
def test_other_methods_names_and_sites_are_refused_in_the_formats_envelope(
    plant: Plant, name: str, more: dict[str, Any], status: int
) -> None:
    address = ADDRESSES[name]
    path = address.path.format(id=plant.one(name))
    response = plant.http.open(path, **{"method": address.method} | more)
    body = json.loads(response.text)
    assert (response.status_code, list(body)) == (status, KEYS[address.envelope]), response.text
    if address.envelope == RECORD:
        assert body["code"] == status


# ---------------------------------------------------------------- the documents' own words
@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("block", "block.missing"),
        ("detail", "detail.missing"),
        ("results", "results.missing"),
        ("retry", "retry.missing"),
    ],
)
def test_what_is_not_there_is_said_in_the_words_of_the_document(plant: Plant, name: str, golden: str) -> None:
    wanted = sample(f"003/{golden}")
    text = wanted["message"].replace("{task_record_id}", "none").replace("{block_record_id}", "none")
    address = ADDRESSES[name]
    response = ask(plant.http, address, address.path.format(id="none"))
    assert json.loads(response.text) == wanted | {"message": text}


def test_what_is_refused_is_said_in_the_words_of_the_document(plant: Plant) -> None:
    for name, golden, which, why in (
        ("stop", "stop.refused", plant.gone, {"{错误信息}": ENDED}),
        ("retry", "retry.refused", plant.running, {"{status}": "1001"}),
    ):
        wanted = sample(f"003/{golden}")
        for slot, text in why.items():
            wanted["message"] = wanted["message"].replace(slot, text)
        response = ask(plant.http, ADDRESSES[name], ADDRESSES[name].path.format(id=which))
        assert json.loads(response.text) == wanted
