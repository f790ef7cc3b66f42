"""Coming in and going: passwords, sessions and their lives, and what stands against guessing and forged requests."""

import threading
from urllib.parse import quote

import pytest

import config.credentials
import web.login
from config.credentials import check_password, digest
from tests.fakes.box import Box
from tests.fakes.people import HOUR, PAGE, PASSWORD, People, cookie
from web.errors import ApiError
from web.login import FREE_BY_ADDRESS, FREE_BY_ALL, FREE_BY_NAME, LONGEST_OF_ALL_S, LONGEST_WAIT_S

DAY = 24 * HOUR
HTML = {"Accept": "text/html"}


# ---------------------------------------------------------------- coming in
def test_the_right_password_opens_a_session(people: People, box: Box) -> None:
    people.add("ann", "viewer", name="Ann Archer")
    browser = box.nobody()
    answer = people.sign_in(browser, "ann")
    assert (answer.status_code, answer.data) == (204, b"")
    me = browser.get("/api/v1/me").json
    assert me == {"name": "ann", "role": "viewer", "areas": [], "robot": None}
    row = people.audit("session.open")[0]
    assert (row.who, row.subject, row.ip, row.role) == ("ann", "user:ann", "127.0.0.1", "nobody")
    assert (row.after["user"], row.after["hash"]) == ("ann", "•••")


@pytest.mark.parametrize(
    ("user", "password"), [("ann", "wrong"), ("ann", PASSWORD + " "), ("bob", PASSWORD), ("Ann", PASSWORD)]
)
def test_wrong_names_and_passwords_are_refused_alike(people: People, box: Box, user: str, password: str) -> None:
    people.add("ann")
    browser = box.nobody()
    answer = people.sign_in(browser, user, password)
    assert (answer.status_code, answer.json["code"]) == (401, "auth.password")  # type: ignore[index]
    assert answer.json["message"] == "Name or password is wrong."  # type: ignore[index]
    assert "Set-Cookie" not in answer.headers
    assert people.role_of(browser) is None


def test_a_locked_account_is_refused_as_a_wrong_password_is(people: People, box: Box) -> None:
    people.add("ann")
    box.must("PATCH", "/users/ann", {"enabled": False})
    answer = people.sign_in(box.nobody(), "ann")
    assert (answer.status_code, answer.json["code"]) == (401, "auth.password")  # type: ignore[index]
    box.must("PATCH", "/users/ann", {"enabled": True})
    assert people.sign_in(box.nobody(), "ann").status_code == 204


@pytest.mark.parametrize("user", ["ann", "locked", "nobody-has-this-name"])
def test_a_password_is_checked_at_full_cost_whoever_is_named(
    people: People, box: Box, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.credentials, "_NOBODY", [])
    for name in ("ann", "locked"):
        box.must("POST", "/users", {"user": name, "role": "viewer", "password": PASSWORD}, 201)
    box.must("PATCH", "/users/locked", {"enabled": False})
    checked: list[str | None] = []
    verified: list[str] = []

    def check(stored: str | None, password: str) -> bool:
        checked.append(stored)
        return check_password(stored, password)

    from argon2 import PasswordHasher

    real = PasswordHasher.verify

    def verify(self: PasswordHasher, stored: str, password: str) -> bool:
        verified.append(stored.rpartition("$")[0].rpartition("$")[0])  # kind, version, costs
        return real(self, stored, password)

    monkeypatch.setattr(web.login, "check_password", check)
    monkeypatch.setattr(PasswordHasher, "verify", verify)
    people.sign_in(box.nobody(), user, "wrong")
    assert len(checked) == 1
    assert verified == ["$argon2id$v=19$m=65536,t=3,p=4"]


def test_failures_are_in_the_audit_without_what_was_typed(people: People, box: Box) -> None:
    people.add("ann")
    people.sign_in(box.nobody(), "ann", "my other password")
    people.sign_in(box.nobody(), "my password by mistake", "x")
    unknown, known = people.audit("session.failed")
    assert (known.who, known.subject, known.ip) == ("nobody", "user:ann", "127.0.0.1")
    assert (unknown.who, unknown.subject) == ("nobody", "")
    assert "password" not in str([unknown.after, known.after])


def test_a_session_is_made_anew_at_each_sign_in_and_the_one_before_ends(people: People, box: Box) -> None:
    first = people.browser("ann", "operator")
    stolen = first.get_cookie("yardmaster").value  # type: ignore[union-attr]
    assert people.sign_in(first, "ann").status_code == 204
    assert first.get_cookie("yardmaster").value != stolen  # type: ignore[union-attr]
    thief = box.nobody()
    thief.set_cookie("yardmaster", stolen)
    assert people.role_of(thief) is None
    assert people.role_of(first) == "operator"
    assert people.audit("session.close")[0].who == "ann"


def test_a_session_that_an_attacker_chose_is_never_taken(people: People, box: Box) -> None:
    people.add("ann")
    victim = box.nobody()
    victim.set_cookie("yardmaster", "fixed")
    people.sign_in(victim, "ann")
    attacker = box.nobody()
    attacker.set_cookie("yardmaster", "fixed")
    assert people.role_of(attacker) is None


def test_only_hashes_are_kept(people: People, box: Box) -> None:
    browser = people.browser("ann", "operator")
    session, token = browser.get_cookie("yardmaster").value, box.token("wms")  # type: ignore[union-attr]
    kept = "\n".join(box.yard.connection.iterdump())
    assert digest(session) in kept
    assert digest(token) in kept
    assert [secret for secret in (session, token, PASSWORD) if secret in kept] == []


# ---------------------------------------------------------------- the cookie
def test_the_cookie_is_kept_from_scripts_and_other_sites(people: People, box: Box) -> None:
    people.add("ann")
    flags = cookie(people.sign_in(box.nobody(), "ann")).split("; ")
    assert flags[0].startswith("yardmaster=")
    assert {flag.lower() for flag in flags[1:]} == {"httponly", "samesite=lax", "path=/"}


def test_encrypted_the_cookie_belongs_to_this_host_and_is_never_sent_in_clear(people: People, box: Box) -> None:
    people.add("ann")
    browser = box.nobody()
    flags = cookie(people.sign_in(browser, "ann", at="https://localhost")).split("; ")
    assert flags[0].startswith("__Host-yardmaster=")
    assert {flag.lower() for flag in flags[1:]} == {"httponly", "samesite=lax", "path=/", "secure"}
    assert browser.get("/api/v1/me", base_url="https://localhost").status_code == 200
    plain = box.nobody()
    plain.set_cookie("__Host-yardmaster", browser.get_cookie("__Host-yardmaster").value)  # type: ignore[union-attr]
    assert people.role_of(plain) is None, "in clear it opens nothing"


def test_a_cookie_that_is_remembered_says_how_long(people: People, box: Box) -> None:
    people.add("ann")
    assert f"Max-Age={90 * 86400}" in cookie(people.sign_in(box.nobody(), "ann", remember=True))
    assert "Max-Age" not in cookie(people.sign_in(box.nobody(), "ann"))


# ---------------------------------------------------------------- how long it lasts
def test_a_session_ends_after_twelve_hours_of_rest(people: People) -> None:
    browser = people.browser("ann", "operator")
    people.wait(12 * HOUR - 1)
    assert people.role_of(browser) == "operator"
    people.wait(12 * HOUR - 1)
    assert people.role_of(browser) == "operator", "it was used in between"
    people.wait(12 * HOUR + 1)
    assert people.role_of(browser) is None


def test_a_session_ends_after_a_week_however_much_it_is_used(people: People) -> None:
    browser = people.browser("ann", "operator")
    for _ in range(7 * 4 - 1):
        people.wait(6 * HOUR)
        assert people.role_of(browser) == "operator"
    people.wait(6 * HOUR + 1)
    assert people.role_of(browser) is None


def test_a_session_that_is_remembered_lasts_ninety_days_and_no_longer(people: People) -> None:
    browser = people.browser("wall", "viewer", remember=True)
    for _ in range(89):
        people.wait(DAY)
        assert people.role_of(browser) == "viewer"
    people.wait(DAY + 1)
    assert people.role_of(browser) is None


def test_use_is_told_seldom_and_never_in_the_audit(people: People, box: Box) -> None:
    browser = people.browser("ann", "operator")
    box.controller.asked.clear()
    for _ in range(8):
        people.role_of(browser)
        people.wait(100)
    assert [frame.command for frame in box.controller.asked] == ["session.seen"]
    assert people.audit("session.seen") == []


def test_while_the_controller_is_down_a_session_goes_on_and_nothing_waits_for_it(people: People, box: Box) -> None:
    browser = people.browser("ann", "operator")
    people.wait(HOUR)
    box.controller.fall_silent()
    box.controller.tried.clear()
    for _ in range(5):
        assert people.role_of(browser) == "operator"
    assert box.controller.tried == ["session.seen"], "told once, and not again at once"
    people.wait(31)
    people.role_of(browser)
    assert box.controller.tried == ["session.seen"] * 2


# ---------------------------------------------------------------- going
def test_signing_out_ends_the_session_and_takes_the_cookie_away(people: People, box: Box) -> None:
    browser = people.browser("ann", "viewer")
    session = browser.get_cookie("yardmaster").value  # type: ignore[union-attr]
    answer = browser.delete("/api/v1/session", headers=PAGE)
    assert answer.status_code == 204
    assert "Max-Age=0" in cookie(answer)
    assert browser.get_cookie("yardmaster") is None
    browser.set_cookie("yardmaster", session)
    assert people.role_of(browser) is None
    assert people.audit("session.close")[0].subject == "user:ann"


def test_signing_out_by_the_menu_leads_to_the_door_even_when_it_is_over(people: People) -> None:
    browser = people.browser("ann", "viewer")
    for _ in range(2):
        answer = browser.post("/sign-out", headers=PAGE)
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/sign-in")
    assert people.role_of(browser) is None


def test_other_sessions_go_on(people: People) -> None:
    here, there = people.browser("ann", "viewer"), people.browser("ann")
    here.delete("/api/v1/session", headers=PAGE)
    assert (people.role_of(here), people.role_of(there)) == (None, "viewer")


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"password": "another long one"}, {"enabled": False}])
def test_a_change_of_the_account_ends_its_sessions(people: People, box: Box, change: dict[str, object]) -> None:
    browser, other = people.browser("ann", "operator"), people.browser("bob", "operator")
    box.must("PATCH", "/users/ann", {"name": "Ann"})
    assert people.role_of(browser) == "operator", "a name changes nothing"
    box.must("PATCH", "/users/ann", change)
    assert people.role_of(browser) is None
    assert people.role_of(other) == "operator"


def test_an_account_that_is_removed_is_signed_out(people: People, box: Box) -> None:
    browser = people.browser("ann", "operator")
    box.must("DELETE", "/users/ann", status=204)
    assert people.role_of(browser) is None


# ---------------------------------------------------------------- one's own password
def test_everybody_may_change_their_own_password(people: People, box: Box) -> None:
    here, there = people.browser("ann", "viewer"), people.browser("ann")
    body = {"password": PASSWORD, "new": "the next long one"}
    assert here.put("/api/v1/me/password", json=body, headers=PAGE).status_code == 204
    assert people.role_of(here) == "viewer", "this browser has a new session"
    assert people.role_of(there) is None, "all others are signed out"
    assert people.sign_in(box.nobody(), "ann").status_code == 401
    assert people.sign_in(box.nobody(), "ann", "the next long one").status_code == 204


def test_the_present_password_is_asked_for_and_guessing_it_is_slowed_down(people: People, box: Box) -> None:
    here = people.browser("ann", "viewer")
    body = {"password": "wrong", "new": "the next long one"}
    answers = [here.put("/api/v1/me/password", json=body, headers=PAGE).status_code for _ in range(FREE_BY_NAME + 1)]
    assert answers == [401] * FREE_BY_NAME + [429]
    short = here.put("/api/v1/me/password", json={"password": PASSWORD, "new": "short"}, headers=PAGE)
    assert short.status_code == 422
    box.refused(
        "PUT", "/me/password", {"password": PASSWORD, "new": "the next long one"}, status=403, code="auth.session"
    )


# ---------------------------------------------------------------- guessing
def test_guesses_of_a_name_wait_longer_and_longer(people: People, box: Box) -> None:
    people.add("ann")
    for _ in range(FREE_BY_NAME):
        assert people.sign_in(box.nobody(), "ann", "guess").status_code == 401
    waits = []
    for _ in range(7):
        answer = people.sign_in(box.nobody(), "ANN", PASSWORD)
        assert (answer.status_code, answer.json["code"]) == (429, "rate.limited")  # type: ignore[index]
        waits.append(int(answer.headers["Retry-After"]))
        people.wait(waits[-1])
        assert people.sign_in(box.nobody(), "ann", "guess").status_code == 401
    assert waits == [3, 5, 9, 17, 33, 61, 61]
    people.wait(LONGEST_WAIT_S + 1)
    assert people.sign_in(box.nobody(), "ann").status_code == 204
    assert people.sign_in(box.nobody(), "ann", "guess").status_code == 401, "who knows the password begins anew"


def test_guesses_of_an_address_wait_whatever_the_name(people: People, box: Box) -> None:
    people.add("ann")
    throttle = web.login.THROTTLE
    for n in range(FREE_BY_ADDRESS):
        throttle.begin(f"name-{n}", "127.0.0.1")
    answer = people.sign_in(box.nobody(), "ann")
    assert answer.status_code == 429
    there = box.nobody()
    there.environ_base["REMOTE_ADDR"] = "10.0.0.7"
    assert people.sign_in(there, "ann").status_code == 204


def test_guesses_from_elsewhere_do_not_keep_the_owner_out(people: People, box: Box) -> None:
    """An attacker takes every turn that there is, for an hour; the owner comes in at the first try."""
    people.add("admin")
    throttle, taken = web.login.THROTTLE, 0
    there = box.nobody()
    there.environ_base["REMOTE_ADDR"] = "10.0.0.7"
    for second in range(3600):
        people.wait(1)
        for n in range(30):
            try:
                throttle.begin("admin", f"10.0.1.{n}")
                taken += 1
            except ApiError:
                pass
        if second % 600 == 599:
            assert people.sign_in(there, "admin").status_code == 204
    assert FREE_BY_ALL < taken < 3600 / LONGEST_OF_ALL_S + FREE_BY_ALL + 60, "and is slow, however many addresses"
    assert people.sign_in(there, "admin", "slip").status_code == 401
    again = people.sign_in(there, "admin")
    assert again.status_code == 204 or int(again.headers["Retry-After"]) <= LONGEST_OF_ALL_S + 1


def test_guesses_from_elsewhere_do_not_keep_the_owner_from_another_password(people: People) -> None:
    here = people.browser("ann", "viewer")
    for _ in range(FREE_BY_NAME):
        web.login.THROTTLE.begin("ann", "10.0.0.66")
    body = {"password": PASSWORD, "new": "the next long one"}
    assert here.put("/api/v1/me/password", json=body, headers=PAGE).status_code == 204


def test_many_guesses_at_once_are_not_more_than_one_after_the_other(people: People) -> None:
    throttle, taken = web.login.THROTTLE, []

    def guess() -> None:
        try:
            throttle.begin("ann", "10.0.0.7")
            taken.append(1)
        except ApiError:
            pass

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == FREE_BY_NAME


def test_those_who_come_in_do_not_pay_for_others_at_their_address_and_hide_nobody(people: People) -> None:
    throttle = web.login.THROTTLE
    for n in range(FREE_BY_ADDRESS - 1):
        throttle.begin(f"guess-{n}", "10.0.0.7")
    for _ in range(50):
        throttle.begin("ann", "10.0.0.7")
        throttle.succeeded("ann", "10.0.0.7")
    throttle.begin("guess", "10.0.0.7")
    with pytest.raises(ApiError):
        throttle.begin("ann", "10.0.0.7")
    people.wait(901)
    throttle.begin("ann", "10.0.0.7")


def test_only_few_passwords_are_checked_at_once(people: People, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    people.add("ann")
    monkeypatch.setattr(web.login, "PATIENCE_S", 0.01)
    with web.login._turn(), web.login._turn():
        answer = people.sign_in(box.nobody(), "ann")
    assert (answer.status_code, answer.json["code"]) == (429, "rate.limited")  # type: ignore[index]
    assert people.sign_in(box.nobody(), "ann").status_code == 204


# ---------------------------------------------------------------- the page
def test_whoever_is_not_known_comes_back_to_where_they_wanted(people: People, box: Box) -> None:
    people.add("ann")
    browser = box.nobody()
    refused = browser.get("/jobs?state=failed&q=a%20b", headers=HTML)
    assert refused.status_code == 303
    door = refused.headers["Location"]
    assert door == "/sign-in?to=" + quote("/jobs?state=failed&q=a%20b", safe="")
    page = browser.get(door, headers=HTML)
    assert 'name="to" value="/jobs?state=failed&amp;q=a%20b"' in page.text
    form = {"user": "ann", "password": PASSWORD, "to": "/jobs?state=failed&q=a%20b"}
    came = browser.post("/sign-in", data=form)
    assert (came.status_code, came.headers["Location"]) == (303, "/jobs?state=failed&q=a%20b")
    assert people.role_of(browser) == "operator"


ELSEWHERE = [
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "/\t/evil.example", "/%09//e",
    "/\n/evil.example", " //evil.example", "javascript:alert(1)", "evil.example", "", "/sign-in?to=/", "/sign-out",
    "/\u3000/evil", "/\r\nSet-Cookie: a=b",
]  # fmt: skip


@pytest.mark.parametrize("to", ELSEWHERE)
def test_nobody_is_led_to_another_site(people: People, box: Box, to: str) -> None:
    people.add("ann")
    came = box.nobody().post("/sign-in", data={"user": "ann", "password": PASSWORD, "to": to})
    assert came.status_code == 303
    assert came.headers["Location"] in ("/", "/%09//e")
    assert "a=b" not in str(came.headers.getlist("Set-Cookie"))


def test_the_page_says_what_went_wrong_and_keeps_the_name(people: People, box: Box) -> None:
    people.add("ann")
    browser = box.nobody()
    wrong = browser.post("/sign-in", data={"user": "ann<b>", "password": "wrong"})
    assert wrong.status_code == 401
    assert "Name or password is wrong." in wrong.text
    assert 'value="ann&lt;b&gt;"' in wrong.text
    assert "wrong</" not in wrong.text.replace("is wrong.", "")
    for _ in range(FREE_BY_NAME):
        last = browser.post("/sign-in", data={"user": "ann", "password": "wrong"})
    last = browser.post("/sign-in", data={"user": "ann", "password": "wrong"})
    assert (last.status_code, last.headers["Retry-After"]) == (429, "3")
    assert "Wait 3 s" in last.text
    box.controller.go_down()
    people.wait(60)
    assert "The controller does not answer" in browser.post("/sign-in", data={"user": "ann", "password": "x"}).text


def test_the_page_shows_nothing_of_the_plant(box: Box) -> None:
    box.must("PUT", "/robots/SECRET-AGV", {"kind": "agv", "queues": ["SECRET-QUEUE"]}, 201)
    for path in ("/sign-in", "/sign-in?to=/robots", "/nowhere", "/robots/SECRET-AGV"):
        assert "SECRET" not in box.nobody().get(path, headers=HTML, follow_redirects=True).text.replace(path, "")


# ---------------------------------------------------------------- forged requests
def test_with_a_session_only_the_consoles_own_pages_change_anything(people: People) -> None:
    browser = people.browser("ann", "admin")
    body = {"kind": "agv", "queues": ["main"]}
    refused = browser.put("/api/v1/robots/r9", json=body)
    assert (refused.status_code, refused.json["code"]) == (403, "auth.csrf")  # type: ignore[index]
    assert browser.delete("/api/v1/session").json["code"] == "auth.csrf"  # type: ignore[index]
    assert browser.post("/sign-out").status_code == 403
    assert people.role_of(browser) == "admin"
    assert browser.put("/api/v1/robots/r9", json=body, headers=PAGE).status_code == 201


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_other_sites_may_not_sign_anybody_in_or_out(people: People, box: Box, origin: str) -> None:
    people.add("ann")
    browser = people.browser("ann")
    foreign = {"Origin": origin} | PAGE
    assert browser.post("/sign-out", headers=foreign).status_code == 403
    assert browser.post("/sign-in", data={"user": "ann", "password": PASSWORD}, headers=foreign).status_code == 403
    assert people.role_of(browser) == "operator"
    own = {"Origin": "http://localhost"}
    assert box.nobody().post("/sign-in", data={"user": "ann", "password": PASSWORD}, headers=own).status_code == 303


def test_browsers_name_their_origin_to_the_forms_of_pages(box: Box) -> None:
    """With no-referrer a browser sends `Origin: null` along with a form, which is refused as foreign."""
    assert box.nobody().get("/sign-in").headers["Referrer-Policy"] == "same-origin"


def test_a_program_that_shows_nothing_is_told_so_and_not_led_to_a_page(box: Box) -> None:
    answer = box.nobody().get("/jobs", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.json["code"]) == (401, "auth.missing")  # type: ignore[index]


def test_a_dialog_of_somebody_signed_out_leads_to_the_door_and_back(people: People, box: Box) -> None:
    browser = people.browser("ann", "operator")
    box.must("PATCH", "/users/ann", {"enabled": False})
    answer = browser.get("/robots/r1/drain", headers=PAGE | {"HX-Current-URL": "http://localhost/robots?state=free"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (401, "#dialogs")
    assert 'href="/sign-in?to=%2Frobots%3Fstate%3Dfree"' in answer.text
    assert "You are not signed in any more" in answer.text


# ---------------------------------------------------------------- the demonstration
def test_the_demonstration_is_entered_with_one_click_on_this_machine_only(box: Box, people: People) -> None:
    people.add("demo", "admin")
    assert "Enter the demonstration" not in box.nobody().get("/sign-in").text
    assert box.nobody().post("/sign-in", data={"demo": "1"}).status_code == 401
    backend = box.app.extensions["yardmaster"]
    object.__setattr__(backend.settings, "demo", True)
    browser = box.nobody()
    assert "Enter the demonstration" in browser.get("/sign-in").text
    assert browser.post("/sign-in", data={"demo": "1"}).status_code == 303
    assert people.role_of(browser) == "admin"
    far = box.nobody()
    far.environ_base["REMOTE_ADDR"] = "10.0.0.7"
    assert "Enter the demonstration" not in far.get("/sign-in").text
    assert far.post("/sign-in", data={"demo": "1"}).status_code == 401
    box.must("DELETE", "/users/demo", status=204) if len(box.must("GET", "/users")["items"]) > 1 else people.add(
        "x", "admin"
    )
    box.must("PATCH", "/users/demo", {"enabled": False})
    assert "locked" in box.nobody().post("/sign-in", data={"demo": "1"}).text
