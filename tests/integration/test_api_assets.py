"""Assets over HTTP: readable values, secrets that are only written, references in parameters, robots that fetch."""

import json
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import PRINT_FLOW, FakeRobot

SECRET = 'k7-Tresor "ä"'
LOGIN: dict[str, Any] = PRINT_FLOW | {
    "inputParams": [
        {"name": "user", "type": "String", "required": True},
        {"name": "password", "type": "String", "secret": True},
        {"name": "extra", "type": "JSONObject"},
    ]
}
JOB: dict[str, Any] = {"flow": "login", "target": {"queue": "main"}}


@pytest.fixture(autouse=True)
def _flow(box: Box) -> None:
    box.yard.flow("login", LOGIN)


def everything(box: Box) -> str:
    """All that the database holds, and all that the controller was ever asked."""
    dump = "\n".join(box.yard.connection.iterdump())
    return dump + repr(box.controller.asked)


def submit(box: Box, **parameters: Any) -> str:
    return str(box.must("POST", "/jobs", JOB | {"parameters": {"user": "u"} | parameters}, 201)["items"][0]["id"])


def test_a_plain_asset_is_saved_read_changed_and_removed(box: Box) -> None:
    made = box.must("PUT", "/assets/mail", {"name": "Mail", "value": {"host": "m", "port": 25}}, 201)
    assert (made["secret"], made["value"], made["version"]) == (False, {"host": "m", "port": 25}, 1)
    assert box.must("PUT", "/assets/mail", {"name": "Mail", "value": {"host": "m", "port": 25}})["version"] == 1
    changed = box.ask("PUT", "/assets/mail", {"value": [1]}, If_Match='"1"')
    assert (changed.headers["ETag"], changed.json and changed.json["name"]) == ('"2"', "")
    box.refused("PUT", "/assets/mail", {"value": 1}, status=412, code="version.mismatch", If_Match='"1"')
    assert [one["id"] for one in box.must("GET", "/assets?q=MAI")["items"]] == ["mail"]
    assert box.ask("DELETE", "/assets/mail").status_code == 204
    box.refused("GET", "/assets/mail", status=404, code="asset.not_found")
    box.refused("DELETE", "/assets/mail", status=404, code="asset.not_found")


def test_a_secret_asset_is_written_and_never_read(box: Box) -> None:
    made = box.must("PUT", "/assets/wms", {"name": "WMS", "secret": SECRET}, 201)
    assert (made["secret"], made["value"]) == (True, None)
    assert box.must("PUT", "/assets/wms", {"name": "WMS", "secret": SECRET})["version"] == 1
    assert box.must("PUT", "/assets/wms", {"name": "WMS", "note": "rotated yearly"})["version"] == 2
    assert box.must("PUT", "/assets/wms", {"name": "WMS", "secret": SECRET + "2"})["version"] == 3
    shown = [box.must("GET", path) for path in ("/assets/wms", "/assets", "/audit")]
    for form in (SECRET, json.dumps(SECRET)[1:-1]):
        assert form not in json.dumps(shown, ensure_ascii=False) + everything(box)


@pytest.mark.parametrize(
    ("body", "path"),
    [({}, "/"), ({"value": None}, "/"), ({"value": 1, "secret": SECRET}, "/"), ({"secret": "abc"}, "/secret"),
     ({"secret": "x" * 4097}, "/secret"), ({"secret": 1234567}, "/secret"),
     ({"value": {"a": {"$secret": "x"}}}, "/value"), ({"value": [{"$asset": "x"}]}, "/value"),
     ({"value": "x" * 40_000}, "/value")],
)  # fmt: skip
def test_assets_that_make_no_sense(box: Box, body: dict[str, Any], path: str) -> None:
    refusal = box.refused("PUT", "/assets/x", body, status=422, code="request.invalid")
    assert refusal["details"][0]["path"].rstrip("/") == path.rstrip("/")
    assert SECRET not in json.dumps(refusal, ensure_ascii=False)


def test_a_secret_never_becomes_readable_by_changing_its_kind(box: Box) -> None:
    box.must("PUT", "/assets/wms", {"secret": SECRET}, 201)
    box.refused("PUT", "/assets/wms", {"value": "x"}, status=409, code="asset.kind")
    box.must("PUT", "/assets/mail", {"value": "x"}, 201)
    box.refused("PUT", "/assets/mail", {"secret": SECRET}, status=409, code="asset.kind")


def test_a_plain_asset_is_put_in_when_the_job_is_made(box: Box) -> None:
    box.must("PUT", "/assets/name", {"value": "smith"}, 201)
    box.must("PUT", "/assets/wms", {"secret": SECRET}, 201)
    job = submit(box, user={"$asset": "name"}, extra={"who": [{"$asset": "name"}]})
    assert box.must("GET", f"/jobs/{job}")["parameters"] == {
        "user": "smith",
        "password": None,
        "extra": {"who": ["smith"]},
    }
    assert box.ask("DELETE", "/assets/name").status_code == 204
    for user in ({"$asset": "none"}, {"$asset": "wms"}, {"$secret": "none"}, {"$secret": "run:0"}):
        body = JOB | {"parameters": {"user": user}}
        refusal = box.refused("POST", "/jobs", body, status=422, code="request.invalid")
        assert refusal["details"][0]["path"] == "/parameters/user"


def test_a_secret_asset_stays_a_reference_and_is_kept_while_somebody_needs_it(box: Box) -> None:
    box.must("PUT", "/assets/wms", {"secret": SECRET}, 201)
    box.must("PUT", "/assets/mail", {"value": "m"}, 201)
    job = submit(box, password={"$secret": "wms"}, extra={"deep": {"$secret": "wms"}})
    assert box.must("GET", f"/jobs/{job}")["parameters"]["password"] == {"$secret": "wms"}
    box.refused("DELETE", "/assets/wms", status=409, code="asset.in_use")
    box.must("POST", f"/jobs/{job}/cancel")
    body = JOB | {"name": "d", "parameters": {"password": {"$secret": "wms"}, "user": {"$asset": "mail"}}}
    box.must("PUT", "/deployments/d", body, 201)
    assert box.must("GET", "/assets/wms")["used_by"] == box.must("GET", "/assets/mail")["used_by"] == ["d"]
    assert box.must("GET", "/deployments/d")["parameters"]["user"] == {"$asset": "mail"}
    for name in ("wms", "mail"):
        box.refused("DELETE", f"/assets/{name}", status=409, code="asset.in_use")
    box.must("PUT", "/deployments/d", body | {"parameters": {"user": "u"}})
    assert box.ask("DELETE", "/assets/wms").status_code == box.ask("DELETE", "/assets/mail").status_code == 204
    box.refused("POST", f"/jobs/{job}/rerun", status=404, code="asset.not_found")


def test_what_is_given_for_a_secret_input_is_sealed_before_it_goes_anywhere(box: Box) -> None:
    job = submit(box, password=SECRET)
    reference = box.must("GET", f"/jobs/{job}")["parameters"]["password"]
    assert reference["$secret"].startswith("run:")
    again = box.must("POST", f"/jobs/{job}/cancel") and box.must("POST", f"/jobs/{job}/rerun", status=201)["items"][0]
    assert again["parameters"]["password"] == reference
    other = box.must("POST", f"/jobs/{job}/rerun", {"parameters": {"user": "u", "password": SECRET + "!"}}, 201)
    assert other["items"][0]["parameters"]["password"] not in (reference, SECRET + "!")
    bulk = box.must("POST", "/jobs/bulk", {"jobs": [JOB | {"parameters": {"user": "u", "password": SECRET}}] * 2})
    assert bulk["accepted"] == 2
    box.must("PUT", "/deployments/d", JOB | {"name": "d", "parameters": {"user": "u", "password": SECRET}}, 201)
    kept = box.must("GET", "/deployments/d")
    ran = box.must("POST", "/deployments/d/run", status=201)["items"][0]
    assert ran["parameters"]["password"] == kept["parameters"]["password"]
    assert box.must("PUT", "/deployments/d", JOB | {"name": "d", "parameters": kept["parameters"]})["version"] == 1
    assert (
        box.must("PUT", "/deployments/d", JOB | {"name": "d", "parameters": {"user": "u", "password": SECRET}})[
            "version"
        ]
        == 1
    )
    for form in (SECRET, json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1]):
        assert form not in everything(box) + json.dumps(box.must("GET", "/audit"), ensure_ascii=False)
    for_others = box.ask("POST", "/jobs", JOB | {"parameters": {"user": "u", "password": reference}})
    assert for_others.status_code == 422, "the secret of one submission is not another's"


def test_a_request_with_a_secret_that_is_sent_again_makes_nothing_twice(box: Box) -> None:
    body = JOB | {"parameters": {"user": "u", "password": SECRET}}
    first = box.ask("POST", "/jobs", body, Idempotency_Key="k")
    again = box.ask("POST", "/jobs", body, Idempotency_Key="k")
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    other = JOB | {"parameters": {"user": "u", "password": SECRET + "!"}}
    box.refused("POST", "/jobs", other, status=409, code="idempotency.mismatch", Idempotency_Key="k")
    second = box.must("POST", "/jobs", body, 201, Idempotency_Key="l")["items"][0]
    assert first.json
    assert second["parameters"]["password"] != first.json["items"][0]["parameters"]["password"], (
        "equal ones do not show"
    )


@pytest.mark.parametrize("password", ["abc", "x" * 4097, {"a": SECRET}, [SECRET], {"$asset": "mail"}])
def test_what_cannot_be_sealed_is_refused_and_not_kept(box: Box, password: Any) -> None:
    box.must("PUT", "/assets/mail", {"value": "plain mail"}, 201)
    body = JOB | {"parameters": {"user": "u", "password": password}}
    refusal = box.refused("POST", "/jobs", body, status=422, code="request.invalid", Idempotency_Key="k")
    assert refusal["details"][0]["path"] == "/parameters/password"
    assert SECRET not in json.dumps(refusal, ensure_ascii=False)
    bulk = box.must("POST", "/jobs/bulk", {"jobs": [body]})
    assert bulk["refused"] == 1
    assert SECRET not in "\n".join(box.yard.connection.iterdump())


def test_nobody_brings_secrets_along_that_the_web_has_not_sealed(box: Box) -> None:
    box.refused("POST", "/jobs", JOB | {"sealed": {}}, status=422, code="request.invalid")
    bulk = box.must("POST", "/jobs/bulk", {"jobs": [JOB | {"parameters": {"user": "u"}, "sealed": {}}]})
    assert bulk["refused"] == 1


# ---------------------------------------------------------------- robots
def fetch(box: Box, token: str, attempt: int, name: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return box.nobody().get(f"/api/v1/attempts/{attempt}/secrets/{name}", headers=headers)


def test_only_the_robot_of_a_granted_attempt_gets_what_its_job_refers_to(box: Box, robot: FakeRobot) -> None:
    token, other = box.token("robot:r1", "robot", "r1"), box.token("robot:r2", "robot", "r2")
    for name in ("wms", "more"):
        box.must("PUT", f"/assets/{name}", {"secret": f"{SECRET} {name}"}, 201)
    job = submit(box, user={"$secret": "wms"}, password=SECRET)
    own = box.must("GET", f"/jobs/{job}")["parameters"]["password"]["$secret"]
    attempt = robot.last("assign")["attempt"]
    assert robot.last("assign")["inputs"]["user"] == {"$secret": "wms"}
    assert fetch(box, token, attempt, "wms").status_code == 404, "not before it is granted"
    robot.accept()
    assert fetch(box, token, attempt, "wms").json == {"value": f"{SECRET} wms"}
    assert fetch(box, token, attempt, own).json == {"value": SECRET}
    for who, number, name in (
        (other, attempt, "wms"),
        (token, attempt + 1, "wms"),
        (token, attempt, "more"),
        (token, attempt, "x"),
    ):
        assert fetch(box, who, number, name).status_code == 404
    assert box.ask("GET", f"/attempts/{attempt}/secrets/wms").status_code == 403, "no person reads a secret"
    box.must("PUT", "/assets/wms", {"secret": "a new one"})
    assert fetch(box, token, attempt, "wms").json == {"value": "a new one"}
    rows = list(box.must("GET", "/audit?action=secret.fetch")["items"])
    assert [(row["who"], row["subject"]) for row in rows] == [("robot:r1", f"asset:{n}") for n in ("wms", own, "wms")]
    robot.say(robot.about("succeeded"))
    assert fetch(box, token, attempt, "wms").status_code == 404, "not after its end"
    box.must("POST", f"/jobs/{job}/rerun", status=201)
    robot.beat()
    robot.accept()
    again = robot.last("assign")["attempt"]
    assert again > attempt
    assert (fetch(box, token, again, own).json, fetch(box, token, again, "wms").json["value"]) == (
        {"value": SECRET},
        "a new one",
    )


def test_a_secret_of_another_key_says_so(box: Box, robot: FakeRobot) -> None:
    from web.sealing import sealer_of

    box.must("PUT", "/assets/wms", {"secret": SECRET}, 201)
    submit(box, user={"$secret": "wms"})
    robot.accept()
    (box.yard.folder / "key").unlink()
    sealer_of.cache_clear()
    answer = fetch(box, box.token("robot:r1", "robot", "r1"), robot.last("assign")["attempt"], "wms")
    assert (answer.status_code, answer.json["code"]) == (409, "secret.unreadable")
    assert "another key" in answer.json["message"]
