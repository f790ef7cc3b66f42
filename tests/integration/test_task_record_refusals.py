"""What AGV task records refuse, row by row of the table in docs/formats.md, and that they keep the served document."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection
from werkzeug.test import TestResponse

from controller.store.queries import Reader, Unreadable
from tests.fakes.carried import carry_out
from tests.fakes.site import BASE, WHY, Site, ordered
from tests.integration.test_openapi import CHECKS, path_of
from tests.rows import block
from tests.samples import keys, sample
from web import compat
from web.routes import Route

GETS = ("blocks", "block", "execution/block/results", "detail")
POSTS = ("stop", "retry", "set-error")
TRICKS = (
    "none", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "..", "%00", "a%00b", "%ff", "x" * 300, "'%20or%201=1--", "未知",
    "a%0d%0aSet-Cookie:%20x=1", "1.1.1", "-1.1", "1." + "9" * 40, "9" * 40 + ".1", "%F0%9F%92%A5", "nul", "~",
)  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Commands that wait for a robot look once and give up."""
    monkeypatch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
    made = Site(tmp_path)
    yield made
    made.close()


# ---------------------------------------------------------------- bad input, row by row
MISSING = {
    "blocks": "未找到任务记录 {id}", "block": "未找到ID为 {id} 的块记录",
    "execution/block/results": "未找到任务记录 {id}", "detail": "未找到ID为 {id} 的任务记录",
    "stop": "未找到任务记录 {id}", "retry": "未找到任务记录 {id}", "set-error": "任务记录不存在",
}  # fmt: skip
BROKEN = {
    "blocks": "获取任务块运行情况失败: ", "block": "获取块记录详情失败: ",
    "execution/block/results": "获取任务记录执行结果失败: ", "detail": "获取任务记录详情失败: ",
    "stop": "任务记录终止失败: ", "retry": "重发任务失败: ", "set-error": "服务器内部错误: ",
}  # fmt: skip


def ask(site: Site, what: str, which: str, client: FlaskClient | None = None, body: Any = None) -> TestResponse:
    """Any address, with a body that fits where one is needed."""
    method = "GET" if what in GETS else "POST"
    given = {"error_reason": WHY} if what == "set-error" and body is None else body
    more: dict[str, Any] = {} if given is None else {"data": json.dumps(given), "content_type": "application/json"}
    return (client or site.http).open(f"{BASE}/{what}/{which}", method=method, **more)


def envelope(what: str, status: int, message: str) -> dict[str, Any]:
    if what == "set-error":
        return {"success": False, "message": message, "data": None}
    return {"code": status, "message": message}


@pytest.mark.parametrize("what", [*GETS, *POSTS])
def test_an_unknown_id_is_404_in_the_documents_words(site: Site, what: str) -> None:
    """C12: also where the document names no 404. No key `data` in endpoints 1 to 6."""
    response = ask(site, what, "none")
    wanted = envelope(what, 404, MISSING[what].format(id="none"))
    assert (response.status_code, ordered(response), list(ordered(response))) == (404, wanted, list(wanted))


@pytest.mark.parametrize("what", [*GETS, *POSTS])
def test_ids_with_path_tricks_are_just_unknown(site: Site, what: str) -> None:
    """C16: an id is an opaque text of at most 255 characters."""
    for which in TRICKS:
        response = ask(site, what, which)
        body = ordered(response)
        assert response.status_code == 404, which
        assert list(body) == list(envelope(what, 404, ""))
        assert "Set-Cookie" not in response.headers
        assert len(body["message"]) < 300


def test_ids_are_opaque(site: Site) -> None:
    """C16."""
    uid = site.held()
    strange = "8c95ge5e-f058-5fd8-9646-16fef6g9bb0e"
    site.yard.connection.execute("update jobs set uid = ?", (strange,))
    assert site.data("detail", strange)["id"] == strange
    assert site.get("detail", uid).status_code == 404


@pytest.mark.parametrize("what", [*GETS, *POSTS])
def test_c35_nobody_and_wrong_tokens_are_401_and_wrong_roles_403_in_the_formats_envelope(site: Site, what: str) -> None:
    uid = site.held()
    nobody, liar, robot = site.nobody(), site.nobody(), site.client("robot", robot="AGV001")
    liar.environ_base["HTTP_X_AUTH_TOKEN"] = "wrong"
    people = site.client("viewer", areas=["people"])
    wanted = [(nobody, 401, "未认证: 请提供访问令牌"), (liar, 401, "未认证: 访问令牌无效"), (robot, 403, "权限不足"),
              (people, 403, "权限不足")]  # fmt: skip
    if what in POSTS:
        wanted.append((site.client("viewer"), 403, "权限不足"))
    for client, status, message in wanted:
        response = ask(site, what, uid, client)
        assert (response.status_code, ordered(response)) == (status, envelope(what, status, message))
    assert site.yard.state(uid) == "running"


def test_both_headers_carry_a_token(site: Site) -> None:
    uid, plain = site.held(), site.nobody()
    plain.environ_base["HTTP_X_AUTH_TOKEN"] = site.token("wms", "viewer")
    assert plain.get(f"{BASE}/detail/{uid}").status_code == 200
    assert site.client("operator").post(f"{BASE}/stop/{uid}").status_code == 500


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "请求体不是有效的JSON"),
        (b"", "参数 error_reason 无效"),
        (b"[]", "参数无效"),
        (b"null", "参数无效"),
        (b"\xff", "请求体不是有效的JSON"),
        (b"{}", "参数 error_reason 无效"),
        (b'{"error_reason": ""}', "参数 error_reason 无效"),
        (b'{"error_reason": "  "}', "参数 error_reason 无效"),
        (b'{"error_reason": null}', "参数 error_reason 无效"),
        (b'{"error_reason": 7}', "参数 error_reason 无效"),
        (b'{"error_reason": "' + b"x" * 2001 + b'"}', "参数 error_reason 无效"),
        (b"[" * 200 + b"]" * 200, "请求体嵌套过深"),
        (b'{"error_reason": "' + b"x" * 10_000_000 + b'"}', "请求体过大"),
    ],
    ids=["torn", "none", "list", "null", "binary", "missing", "empty", "blank", "nothing", "number", "long", "deep",
         "10 MB"],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_400(site: Site, body: bytes, said: str) -> None:
    uid = site.held()
    response = site.http.post(f"{BASE}/set-error/{uid}", data=body, content_type="application/json")
    found = ordered(response)
    assert response.status_code == 400
    assert found["message"].startswith("请求参数错误: ")
    assert (found["success"], found["data"], list(found)) == (False, None, ["success", "message", "data"])
    if body:
        assert found["message"] == f"请求参数错误: {said}"
    assert site.yard.state(uid) == "running"


def test_another_type_of_body_is_400(site: Site) -> None:
    response = site.http.post(f"{BASE}/set-error/none", data=b"a=b", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.json) == (
        400, {"success": False, "message": "请求参数错误: 请求体必须为application/json", "data": None},
    )  # fmt: skip


@pytest.mark.parametrize("what", ["stop", "retry"])
def test_a_10_mb_body_where_none_is_read_does_no_harm(site: Site, what: str) -> None:
    assert ask(site, what, "none", body="x" * 10_000_000).status_code == 404


def test_the_order_of_checks_is_token_role_parameters_existence_state(site: Site) -> None:
    ended = site.failed()
    viewer, operator = site.client("viewer"), site.client("operator")
    bad, good = {"error_reason": ""}, {"error_reason": "x"}
    steps = [
        (site.nobody(), "none", bad, 401), (viewer, "none", bad, 403), (operator, "none", bad, 400),
        (operator, "none", good, 404), (operator, ended, good, 400),
    ]  # fmt: skip
    assert [ask(site, "set-error", which, client, body).status_code for client, which, body, _ in steps] == [
        status for *_, status in steps
    ]
    assert site.get("blocks", "none", "?attempt=x").status_code == 400


@pytest.mark.parametrize("what", [*GETS, *POSTS])
def test_what_does_not_work_is_500_with_a_sentence_and_never_an_exceptions_text(
    site: Site, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C32."""

    def unreadable(_reader: Reader) -> None:
        raise Unreadable("disk I/O error at page 7")

    monkeypatch.setattr(Reader, "reading", unreadable)
    response = ask(site, what, "x")
    said = BROKEN[what] + "数据库暂时无法读取,请稍后重试"
    assert (response.status_code, ordered(response)) == (500, envelope(what, 500, said))


@pytest.mark.parametrize("what", [*GETS, *POSTS])
def test_a_defect_of_ours_is_500_and_says_nothing_of_itself(
    site: Site, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("secret detail")

    for name in ("job_record", "block_record"):
        monkeypatch.setattr(f"controller.store.queries.records.{name}", broken)
    monkeypatch.setattr("web.compat.task_record._ask", broken)
    response = ask(site, what, "1.1")
    assert (response.status_code, ordered(response)) == (
        500,
        envelope(what, 500, BROKEN[what] + "系统内部错误,详情见日志"),
    )


@pytest.mark.parametrize("what", POSTS)
def test_a_controller_that_does_not_answer_is_500(site: Site, what: str) -> None:
    uid = site.failed() if what == "retry" else site.held()
    site.controller.go_down()
    response = ask(site, what, uid)
    said = BROKEN[what] + "控制器未运行,请求未执行"
    assert (response.status_code, ordered(response)) == (500, envelope(what, 500, said))
    site.controller.fall_silent()
    assert ordered(ask(site, what, uid))["message"] == BROKEN[what] + "控制器未响应,执行结果未知,请稍后查询"


def test_a_retry_whose_definition_is_gone_is_500(site: Site) -> None:
    uid = site.failed()
    site.yard.connection.execute("delete from flow_versions")
    response = site.post("retry", uid)
    wanted = sample("003/retry.failed")
    wanted["message"] = wanted["message"].replace("{错误信息}", "任务定义不存在")
    assert (response.status_code, ordered(response)) == (500, wanted)


@pytest.mark.parametrize("instead", [None, {"value": "readable"}], ids=["gone", "not secret any more"])
def test_a_retry_whose_secret_asset_is_gone_says_which_and_loses_nothing(site: Site, instead: Any) -> None:
    secret = {"name": "password", "type": "String", "secret": True}
    site.flow("sad", block(1, "b1", "ThrowExceptionBp", message="x"), inputParams=[secret])
    site.must("PUT", "/assets/wms", {"secret": "k7-Tresor"}, 201)
    robot = site.robot
    uid = site.submit(flow="sad", max_retries=0, parameters={"password": {"$secret": "wms"}})
    carry_out(robot)
    assert site.ask("DELETE", "/assets/wms").status_code == 204
    if instead is not None:
        site.must("PUT", "/assets/wms", instead, 201)
    kept = {name: site.yard.rows(name) for name in ("jobs", "job_secrets", "events", "audit")}
    response = site.post("retry", uid)
    wanted = sample("003/retry.failed")
    wanted["message"] = wanted["message"].replace("{错误信息}", "参数引用的机密资产已不存在: wms")
    assert (response.status_code, ordered(response)) == (500, wanted)
    assert {name: site.yard.rows(name) for name in kept} == kept
    if instead is not None:
        assert site.ask("DELETE", "/assets/wms").status_code == 204
    site.must("PUT", "/assets/wms", {"secret": "another"}, 201)
    new = ordered(site.post("retry", uid))["data"]["new_task_record_id"]
    secrets = site.must("GET", f"/jobs/{new}")["parameters"]
    assert (secrets, len(site.yard.rows("job_secrets"))) == ({"password": {"$secret": "wms"}}, 2)


@pytest.mark.parametrize(
    ("name", "what"), [("blocks", "blocks"), ("results", "execution/block/results"), ("detail", "detail")]
)
def test_the_documents_failures_are_worded_as_there(name: str, what: str) -> None:
    wanted = sample(f"003/{name}.failed")
    assert (wanted["code"], wanted["message"]) == (500, BROKEN[what] + "{错误信息}")
    for kind in ("missing", "refused"):
        assert keys(sample("003/detail.missing")) == keys(
            sample(f"003/{'retry' if kind == 'refused' else 'block'}.{kind}")
        )


def test_a_parked_record_is_not_stopped_while_a_robot_may_run_it(site: Site) -> None:
    site.yard.flow()
    site.robot.beat()
    uid = site.submit()
    site.yard.connection.execute("update jobs set parked = 1, state = 'queued', attempt = null")
    with site.yard.store.transaction():
        site.yard.core.desk.hold(site.yard.core.desk.memory.robots["AGV001"], "restored")
    said = "系统恢复前可能已执行,所有机器人恢复联系前不能操作"
    assert site.post("stop", uid).json == {"code": 400, "message": f"任务终止失败: {said}"}
    assert ask(site, "set-error", uid).json == envelope("set-error", 400, f"请求参数错误: {said}")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "detail/x"), ("GET", "stop/x"), ("PUT", "set-error/x")])
def test_another_method_is_405_in_the_formats_envelope(site: Site, method: str, path: str) -> None:
    response = site.http.open(f"{BASE}/{path}", method=method)
    assert response.status_code == 405
    assert ordered(response) == envelope(path.partition("/")[0], 405, "不支持该请求方法")
    assert response.headers["Allow"]


def test_an_address_that_does_not_exist_is_404_in_the_formats_envelope(site: Site) -> None:
    for path in (BASE, f"{BASE}/", f"{BASE}/blocks", f"{BASE}/blocks/", f"{BASE}/run/x"):
        response = site.http.get(path)
        assert (response.status_code, response.json) == (404, {"code": 404, "message": "请求的地址不存在"})


# ---------------------------------------------------------------- the served document
MINE = [route for route in compat.ROUTES if route.base == BASE]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    made.uid = made.failed()  # type: ignore[attr-defined]
    yield made
    made.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does not"])
@pytest.mark.parametrize("route", MINE, ids=lambda route: route.name)
def test_the_application_keeps_the_document(
    busy: Site, route: Route, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
    uid: str = busy.uid  # type: ignore[attr-defined]
    known = {"task_record_id": uid, "block_record_id": busy.data("blocks", uid)[0]["id"]}
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", busy.app)
    operation = schema[path_of(route)][route.method]
    checks = [*CHECKS, negative_data_rejection] if mode == GenerationMode.NEGATIVE and route.body else CHECKS

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case[Any]) -> None:
        for name in set(case.path_parameters) & set(known) if mode == GenerationMode.POSITIVE else ():
            case.path_parameters[name] = known[name]
        case.call_and_validate(checks=checks, headers={"Authorization": busy.http.environ_base["HTTP_AUTHORIZATION"]})

    send()
