"""Accounts and tokens over the API: made, bounded, shown once, ended."""

from collections.abc import Iterator

import pytest

import web.auth
from config.credentials import digest
from schemas.ids import uuid7
from tests.fakes.box import Box
from tests.fakes.people import HOUR, PAGE, PASSWORD, People
from web.auth import _until

DAY_US = 86_400_000_000


# ---------------------------------------------------------------- accounts
def test_an_account_is_added_changed_and_removed(box: Box) -> None:
    made = box.must("POST", "/users", {"user": "ann", "name": "Ann", "role": "viewer", "password": PASSWORD}, 201)
    assert (made["id"], made["role"], made["enabled"], made["created_by"]) == ("ann", "viewer", True, "token:local")
    assert made["seen_at"] is None
    changed = box.must("PATCH", "/users/ann", {"name": "Ann Archer", "role": "admin"})
    assert (changed["name"], changed["role"]) == ("Ann Archer", "admin")
    assert [user["id"] for user in box.must("GET", "/users")["items"]] == ["ann"]
    box.must("POST", "/users", {"user": "root", "role": "admin", "password": PASSWORD}, 201)
    box.must("DELETE", "/users/ann", status=204)
    assert [user["id"] for user in box.must("GET", "/users")["items"]] == ["root"]
    box.refused("PATCH", "/users/ann", {"name": "x"}, status=404, code="user.not_found")


def test_accounts_come_in_pages_by_name(people: People, box: Box) -> None:
    for n in range(5):
        people.add(f"u{n}")
    first = box.must("GET", "/users?limit=3")
    second = box.must("GET", f"/users?limit=3&after={first['next']}")
    assert [user["id"] for user in first["items"] + second["items"]] == [f"u{n}" for n in range(5)]
    assert second["next"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"user": "ann", "role": "viewer", "password": "too short"},
        {"user": "ann", "role": "viewer"},
        {"user": "ann", "role": "king", "password": PASSWORD},
        {"user": "a b", "role": "viewer", "password": PASSWORD},
        {"user": "", "role": "viewer", "password": PASSWORD},
        {"user": "ann", "role": "viewer", "password": PASSWORD, "enabled": True},
        {"user": "nobody", "role": "viewer", "password": PASSWORD},
    ],
)
def test_bad_accounts_are_refused(box: Box, body: dict[str, object]) -> None:
    said = box.refused("POST", "/users", body, status=422, code="request.invalid")
    assert PASSWORD not in str(said)


def test_a_name_is_given_once(people: People, box: Box) -> None:
    people.add("ann")
    body = {"user": "ann", "role": "admin", "password": "some other password"}
    box.refused("POST", "/users", body, status=409, code="user.exists")
    assert people.sign_in(box.nobody(), "ann").status_code == 204


@pytest.mark.parametrize("last", [("PATCH", {"role": "operator"}), ("PATCH", {"enabled": False}), ("DELETE", None)])
def test_the_last_administrator_stays(people: People, box: Box, last: tuple[str, dict[str, object] | None]) -> None:
    people.add("ann", "admin")
    people.add("bob", "operator")
    people.add("gone", "admin")
    box.must("PATCH", "/users/gone", {"enabled": False})
    method, body = last
    box.refused(method, "/users/ann", body, status=409, code="user.last_admin")
    box.must("PATCH", "/users/ann", {"name": "still there", "password": "another long one"})
    box.must("PATCH", "/users/bob", {"role": "admin"})
    box.must(method, "/users/ann", body, 200 if body else 204)


# ---------------------------------------------------------------- tokens
def test_a_token_is_shown_once_and_opens_what_its_role_may(box: Box) -> None:
    made = box.must("POST", "/tokens", {"name": "wms", "role": "viewer"}, 201)
    secret = made.pop("secret")
    assert secret.startswith("ymt_")
    (listed,) = [one for one in box.must("GET", "/tokens")["items"] if one["name"] == "wms"]
    assert listed == made
    assert secret not in box.ask("GET", "/tokens").text + box.ask("GET", "/audit").text
    for shown in (
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": f"bearer  {secret}"},
        {"X-Auth-Token": secret},
    ):
        answer = box.nobody().get("/api/v1/me", headers=shown)
        assert answer.json == {"name": "token:wms", "role": "viewer", "areas": [], "robot": None}
    refused = box.nobody().put("/api/v1/queues/q", json={"name": "x"}, headers={"X-Auth-Token": secret})
    assert (refused.status_code, refused.json["code"]) == (403, "auth.role")  # type: ignore[index]


@pytest.mark.parametrize(
    "shown",
    [
        {"X-Auth-Token": "ymt_nobody"},
        {"X-Auth-Token": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x" * 500},
    ],
)
def test_an_unknown_token_is_refused_even_beside_a_session(people: People, shown: dict[str, str]) -> None:
    browser = people.browser("ann", "admin")
    answer = browser.get("/api/v1/me", headers=shown)
    assert (answer.status_code, answer.json["code"]) == (401, "auth.invalid")  # type: ignore[index]


def test_other_ways_of_authorization_show_nothing(box: Box) -> None:
    answer = box.nobody().get("/api/v1/me", headers={"Authorization": "Basic YW5uOmFubg=="})
    assert (answer.status_code, answer.json["code"]) == (401, "auth.missing")  # type: ignore[index]


def test_a_token_in_the_address_is_none(box: Box) -> None:
    text = box.token("wms", "admin")
    for query in (f"?token={text}", f"?access_token={text}", f"?X-Auth-Token={text}"):
        assert box.nobody().get("/api/v1/me" + query).status_code == 401


def test_a_token_ends_at_its_time(people: People, box: Box) -> None:
    made = box.must("POST", "/tokens", {"name": "short", "role": "viewer", "days": 1}, 201)
    text = box.token("wms", "viewer", expires_at=people.now().utc_us + DAY_US)
    headers = {"X-Auth-Token": text}
    people.wait(24 * HOUR - 1)
    assert box.nobody().get("/api/v1/me", headers=headers).status_code == 200
    people.wait(1)
    answer = box.nobody().get("/api/v1/me", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (401, "auth.expired")  # type: ignore[index]
    assert made["expires_at"] is not None


def test_a_revoked_token_opens_nothing_and_stays_in_the_list(box: Box) -> None:
    made = box.must("POST", "/tokens", {"name": "wms", "role": "admin"}, 201)
    headers = {"X-Auth-Token": made["secret"]}
    for _ in range(2):
        box.must("DELETE", f"/tokens/{made['id']}", status=204)
    answer = box.nobody().get("/api/v1/me", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (401, "auth.expired")  # type: ignore[index]
    (listed,) = [one for one in box.must("GET", "/tokens")["items"] if one["name"] == "wms"]
    assert listed["revoked_by"] == "token:local"
    box.refused("DELETE", "/tokens/none", status=404, code="token.not_found")


def test_a_token_may_be_limited_to_areas(box: Box) -> None:
    shown = {"X-Auth-Token": box.token("wms", "admin", areas=["jobs"])}
    http = box.nobody()
    assert http.get("/api/v1/jobs", headers=shown).status_code == 200
    assert http.get("/api/v1/me", headers=shown).json["areas"] == ["jobs"]  # type: ignore[index]
    for path in ("/api/v1/robots", "/api/v1/flows", "/api/v1/users", "/api/v1/audit", "/api/v1/stream", "/metrics"):
        answer = http.get(path, headers=shown)
        assert (answer.status_code, answer.json["code"]) == (403, "auth.role"), path  # type: ignore[index]


def test_a_limited_token_does_not_reach_the_consoles_pages_and_forms(box: Box) -> None:
    """They belong to no area: a form of a page would else do what the token's areas leave out."""
    shown = {"X-Auth-Token": box.token("wms", "admin", areas=["jobs", "people"])} | PAGE
    http = box.nobody()
    for method, path in (("GET", "/jobs"), ("GET", "/"), ("GET", "/live"), ("POST", "/robots/r1/drain")):
        assert http.open(path, method=method, headers=shown).status_code == 403, path


def test_the_token_of_a_robot_names_its_robot(box: Box) -> None:
    box.refused("POST", "/tokens", {"name": "x", "role": "robot"}, status=422, code="request.invalid")
    body = {"name": "x", "role": "admin", "robot": "r1"}
    box.refused("POST", "/tokens", body, status=422, code="request.invalid")
    made = box.must("POST", "/tokens", {"name": "x", "role": "robot", "robot": "admin"}, 201)
    answer = box.nobody().get("/api/v1/me", headers={"X-Auth-Token": made["secret"]})
    assert answer.status_code == 403, "a robot reaches what is for robots, and nothing else"
    known = box.app.test_request_context(headers={"X-Auth-Token": made["secret"]})
    with known:
        caller = web.auth.need("robot")
    assert (caller.name, caller.role, caller.robot) == ("robot:admin", "robot", "admin"), "it is no account"


def test_last_use_of_a_token_is_known_to_ten_minutes(people: People, box: Box) -> None:
    text = box.token("wms", "viewer")
    box.controller.asked.clear()
    for _ in range(8):
        box.nobody().get("/api/v1/me", headers={"X-Auth-Token": text})
        people.wait(100)
    assert [frame.command for frame in box.controller.asked] == ["token.used"] * 2
    (listed,) = [one for one in box.must("GET", "/tokens")["items"] if one["name"] == "wms"]
    assert listed["used_at"] is not None
    assert people.audit("token.used") == []


def test_tokens_are_kept_as_hashes(box: Box) -> None:
    made = box.must("POST", "/tokens", {"name": "wms", "role": "admin"}, 201)
    kept = "\n".join(box.yard.connection.iterdump())
    assert digest(made["secret"]) in kept
    assert made["secret"] not in kept


# ---------------------------------------------------------------- streams
def test_a_stream_ends_with_the_token_that_opened_it(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.auth, "LOOK_EVERY_S", 0.0)
    token, text = uuid7(), "ymt_" + "x" * 40
    box.yard.must("token.create", token=token, name="wms", role="viewer", hash=digest(text))
    response = box.nobody().get("/api/v1/stream", headers={"X-Auth-Token": text}, buffered=False)
    pieces: Iterator[bytes] = iter(response.response)  # type: ignore[arg-type]
    next(pieces)
    box.submit()
    assert b"event: job" in next(pieces)
    box.must("DELETE", f"/tokens/{token}", status=204)
    box.submit()
    assert list(pieces) == []
    response.close()


def test_a_stream_ends_with_the_session_that_opened_it(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.auth, "LOOK_EVERY_S", 0.0)
    browser = people.browser("ann", "viewer")
    response = browser.get("/live?topics=jobs", buffered=False)
    pieces: Iterator[bytes] = iter(response.response)  # type: ignore[arg-type]
    next(pieces)
    people.box.submit()
    assert b"event: job" in next(pieces)
    people.box.must("PATCH", "/users/ann", {"enabled": False})
    people.box.submit()
    assert list(pieces) == []
    response.close()
    assert browser.head("/live").status_code == 401, "the page learns why"


def test_whether_a_stream_may_go_on_is_asked_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], []
    monkeypatch.setattr(web.auth, "steady", lambda: now[0])

    def messages() -> Iterator[bytes]:
        for n in range(1, 100):
            now[0] = float(n)
            yield b"%d" % n

    def goes_on() -> bool:
        asked.append(now[0])
        return len(asked) < 3

    assert len(list(_until(messages(), goes_on))) == 14
    assert asked == [5.0, 10.0, 15.0]
