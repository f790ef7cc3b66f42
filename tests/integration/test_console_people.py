"""The pages of administrators: accounts and tokens, what is shown once, and the audit in words."""

import html
import json
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from controller.accepting import ACTION as ACCEPT_PAGES
from controller.service.audit import SILENT
from schemas.commands import COMMANDS, QUERIES
from tests.fakes.box import Box
from tests.fakes.people import PAGE, PASSWORD, People
from web.console.audit_words import ACTIONS


@pytest.fixture
def admin(people: People) -> FlaskClient:
    """A browser with an administrator."""
    return people.browser("root", "admin")


def post(browser: FlaskClient, path: str, **form: object) -> TestResponse:
    return browser.post(path, data=form, headers=PAGE)


def page(browser: FlaskClient, path: str, lang: str = "en") -> str:
    answer = browser.get(path, headers={"Accept-Language": lang, "Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def said(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.headers["HX-Trigger"])
    assert found["people-changed"] is True, "the list reads itself anew"
    return str(found["said"])


def secret(answer: TestResponse) -> str:
    """What is shown once."""
    assert answer.status_code == 200, answer.text
    found = re.search(r'id="secret" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


# ---------------------------------------------------------------- accounts
def test_a_person_is_added_with_a_password_of_theirs(people: People, box: Box, admin: FlaskClient) -> None:
    answer = post(admin, "/people/add", user="ann", name="Ann <b>", role="operator", password=PASSWORD)
    assert said(answer) == "ann may sign in now."
    assert people.sign_in(box.nobody(), "ann").status_code == 204
    assert "Ann <b>" in page(admin, "/people")
    assert "Ann &lt;b&gt;" in admin.get("/people").text


def test_a_password_that_is_left_out_is_made_up_and_shown_once(people: People, box: Box, admin: FlaskClient) -> None:
    made = secret(post(admin, "/people/add", user="ann", name="", role="viewer", password=""))
    assert people.sign_in(box.nobody(), "ann", made).status_code == 204
    assert made not in page(admin, "/people") + page(admin, "/audit")


def test_what_is_wrong_stands_at_its_field_and_nothing_is_made(people: People, box: Box, admin: FlaskClient) -> None:
    people.add("ann")
    for form, field in (
        ({"user": "a b", "role": "viewer"}, "e-user"),
        ({"user": "ann", "role": "viewer"}, "e-user"),
        ({"user": "bob"}, "e-role"),
        ({"user": "bob", "role": "king"}, "e-role"),
        ({"user": "bob", "role": "viewer", "password": "short"}, "e-password"),
    ):
        answer = post(admin, "/people/add", **form)
        assert answer.status_code == 422, form
        assert f'id="{field}"' in answer.text
    assert [user["id"] for user in box.must("GET", "/users")["items"]] == ["ann", "root"]


def test_an_account_is_changed_locked_unlocked_and_removed(people: People, box: Box, admin: FlaskClient) -> None:
    ann = people.browser("ann", "viewer")
    assert said(post(admin, "/people/ann/change", name="Ann", role="viewer")) == "ann is changed."
    assert people.role_of(ann) == "viewer", "a new name signs nobody out"
    post(admin, "/people/ann/change", name="Ann", role="operator")
    assert people.role_of(ann) is None
    made = secret(post(admin, "/people/ann/password", password=""))
    assert people.sign_in(box.nobody(), "ann", made).status_code == 204
    assert "locked" in said(post(admin, "/people/ann/lock", enabled="no"))
    assert people.sign_in(box.nobody(), "ann", made).status_code == 401
    assert "Unlock…" in html.unescape(admin.get("/people/ann/change", headers=PAGE).text)
    post(admin, "/people/ann/lock", enabled="yes")
    assert people.sign_in(box.nobody(), "ann", made).status_code == 204
    assert said(post(admin, "/people/ann/remove")) == "ann is removed."
    assert admin.get("/people/ann/change", headers=PAGE).status_code == 404


def test_the_last_administrator_is_kept_in_words(admin: FlaskClient) -> None:
    answer = post(admin, "/people/root/lock", enabled="no")
    assert answer.status_code == 409
    assert "The last administrator stays" in answer.text


def test_ones_own_account_is_told_apart(admin: FlaskClient) -> None:
    for what in ("change", "password", "lock", "remove"):
        text = admin.get(f"/people/root/{what}", headers=PAGE).text
        assert "you are signed out" in text, what


# ---------------------------------------------------------------- tokens
def test_a_token_is_made_shown_once_and_revoked(box: Box, admin: FlaskClient) -> None:
    answer = post(admin, "/people/tokens/add", name="mes", role="operator", area=["jobs", "records"], days="90")
    text = secret(answer)
    assert "operator, only: Jobs, Records in other formats" in answer.text
    shown = {"X-Auth-Token": text}
    assert box.nobody().get("/api/v1/me", headers=shown).json == {
        "name": "token:mes", "role": "operator", "areas": ["jobs", "records"], "robot": None,
    }  # fmt: skip
    (token,) = [one for one in box.must("GET", "/tokens")["items"] if one["name"] == "mes"]
    assert token["created_by"] == "root"
    assert token["expires_at"] is not None
    assert text not in page(admin, "/people?all=1") + page(admin, "/audit")
    assert "opens nothing" in said(post(admin, f"/people/tokens/{token['id']}/revoke"))
    assert box.nobody().get("/api/v1/me", headers=shown).status_code == 401
    row = f'id="token-{token["id"]}"'
    assert row not in admin.get("/people").text
    assert row in admin.get("/people?all=1").text


def test_the_token_of_a_robot_has_its_robot_and_no_areas(box: Box, admin: FlaskClient) -> None:
    assert 'id="e-robot"' in post(admin, "/people/tokens/add", name="x", role="robot", days="").text
    post(admin, "/people/tokens/add", name="x", role="robot", robot="r1", area=["jobs"], days="")
    (token,) = [one for one in box.must("GET", "/tokens")["items"] if one["name"] == "x"]
    assert (token["role"], token["robot"], token["areas"], token["expires_at"]) == ("robot", "r1", [], None)


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "role": "viewer"}, {"name": "x", "role": "king"}, {"name": "x" * 201, "role": "viewer"},
        {"name": "x", "role": "viewer", "days": "-1"}, {"name": "x", "role": "viewer", "days": "٣"},
        {"name": "x", "role": "viewer", "days": "99999"}, {"name": "x", "role": "viewer", "area": "moon"}, {},
    ],
)  # fmt: skip
def test_bad_tokens_are_refused_at_their_field(box: Box, admin: FlaskClient, form: dict[str, str]) -> None:
    before = len(box.must("GET", "/tokens")["items"])
    answer = post(admin, "/people/tokens/add", **form)
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text
    assert len(box.must("GET", "/tokens")["items"]) == before


def test_forms_are_taken_from_our_own_pages_only(box: Box, admin: FlaskClient) -> None:
    answer = admin.post("/people/tokens/add", data={"name": "x", "role": "admin"})
    assert answer.status_code == 403
    assert [one for one in box.must("GET", "/tokens")["items"] if one["name"] == "x"] == []


# ---------------------------------------------------------------- the frame
@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_the_frame_says_who_is_signed_in_and_what_they_may_do(people: People, role: str) -> None:
    people.add("ann", role, name="Ann Archer")
    text = page(people.browser("ann"), "/jobs")
    assert f'data-role="{role}"' in text
    assert "Signed in as Ann Archer" in text
    menu = text.split('id="me-menu"')[1].split("</header>")[0]
    assert ('href="/people"' in menu, 'href="/audit"' in menu) == (role == "admin",) * 2


def test_the_live_part_of_the_frame_names_nobody(people: People, box: Box) -> None:
    people.add("ann", "admin", name="Ann Archer")
    page(people.browser("ann"), "/jobs")
    from web.console.look import Look
    from web.console.parts import PartKey, write

    board = box.app.extensions["console"]
    look: Look = board.look()
    with box.app.app_context():
        shown = write(board.parts["frame"], PartKey("frame", "en"), look)
    assert "Ann" not in shown
    assert 'id="me" data-mine' in shown


# ---------------------------------------------------------------- the audit
def test_every_change_has_a_word_in_the_audit() -> None:
    assert set(ACTIONS) == (set(COMMANDS) - QUERIES - SILENT) | {ACCEPT_PAGES}


def test_the_audit_shows_who_did_what_to_what(people: People, box: Box, admin: FlaskClient) -> None:
    job = box.submit()
    box.must("POST", f"/jobs/{job}/cancel", {"reason": "<i>not</i> wanted"})
    text = page(admin, "/audit")
    assert "cancelled a job" in text
    assert "token local" in text
    assert f'href="/jobs/{job}"' in text
    assert "<i>not</i> wanted" in text
    assert "&lt;i&gt;not" in admin.get("/audit").text
    assert "取消任务" in page(admin, "/audit", "zh-CN")
    people.sign_in(box.nobody(), "root", "wrong")
    assert "gave a wrong password" in page(admin, "/audit?action=session.failed")


def test_the_audit_shows_what_is_different_before_and_after(people: People, box: Box, admin: FlaskClient) -> None:
    people.add("ann", "viewer", name="Ann")
    box.must("PATCH", "/users/ann", {"name": "Ann", "role": "operator"})
    text = page(admin, "/audit?action=user.change")
    row = text.split('class="t ba"')[1].split("</table>")[0]
    assert re.findall(r"<th[^>]*>(\w+)</th><td[^>]*><s>(\w+)</s></td><td[^>]*><b>(\w+)</b>", row) == [
        ("role", "viewer", "operator")
    ]
    assert "1 field stayed as it was." in text
    box.must("DELETE", "/users/ann", status=204)
    gone = page(admin, "/audit?action=user.delete").split('class="t ba"')[1].split("</table>")[0]
    assert "<s>operator</s>" in gone
    assert PASSWORD not in gone
    assert "•••" in gone


def test_filters_and_pages_of_the_audit_are_in_the_address(people: People, box: Box, admin: FlaskClient) -> None:
    for n in range(60):
        box.must("PUT", f"/queues/q{n:02}", {"name": "x"}, 201)
    first = page(admin, "/audit?action=queue.put")
    assert "q59" in first
    assert "q05" not in first
    older = re.search(r'href="(/audit\?[^"]*after=[^"]+)"', admin.get("/audit?action=queue.put").text)
    assert older is not None
    second = page(admin, html.unescape(older[1]))
    assert "q05" in second
    assert "Newest" in second
    assert "q07" in page(admin, "/audit?subject=queue:q07")
    assert "No change fits" in page(admin, "/audit?who=somebody.else")
    assert "q59" not in page(admin, "/audit?to=2001-01-01")


@pytest.mark.parametrize("query", ["from=yesterday", "to=never", "since=1y", "from=2030-01-02&to=2030-01-01"])
def test_a_time_that_cannot_be_understood_is_said_and_shows_nothing(admin: FlaskClient, query: str) -> None:
    text = page(admin, f"/audit?{query}")
    assert 'id="e-time"' in text
    assert "signed in" not in text.split("<table")[-1] or "<table" not in text


def test_a_place_in_the_audit_that_is_gone_is_said(admin: FlaskClient) -> None:
    answer = admin.get("/audit?after=nonsense", headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert "This place in the list is gone" in answer.text
