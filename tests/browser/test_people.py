"""Signing in, what each role is shown, tokens that are shown once, and a session that ends while its page is open."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.client import Client
from cli.demo import ONCE
from cli.stage import Stage, all_there, save_flows
from tests.browser.screen import Screen, accessibility, sideways

PASSWORD = "a horse that hums"
LONG = 30_000
LOOKS = [("en", "light", "desktop"), ("zh", "dark", "desktop"), ("zh", "light", "handheld"), ("en", "dark", "handheld"),
         ("en", "light", "wall")]  # fmt: skip
Screens = Callable[..., Screen]


@pytest.fixture(scope="module")
def box(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small box of its own: its accounts are locked and its robots parked."""
    with Stage(tmp_path_factory.mktemp("box"), ONCE / "fleet.toml") as stage, stage.client() as client:
        stage.wait_for(all_there(client, ONCE / "fleet.toml"), 60, "all robots are there")
        save_flows(client, ONCE / "flows")
        for user, role, name in (
            ("li.na", "operator", "Li Na"),
            ("wall", "viewer", "Wall screen"),
            ("wang", "admin", "Wang"),
        ):
            client.post("/users", {"user": user, "role": role, "name": name, "password": PASSWORD})
        yield stage


@pytest.fixture
def client(box: Stage) -> Iterator[Client]:
    """The API of the box."""
    with box.client() as connected:
        yield connected


@pytest.fixture
def screen(browser: Browser, box: Stage) -> Iterator[Screens]:
    """Opens screens; at the end none of them may have complained by itself."""
    opened: list[Screen] = []

    def open_one(**how: str | None) -> Screen:
        opened.append(Screen(browser, box.url, **how))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    found = [complaint for one in opened for complaint in one.unexpected()]
    for one in opened:
        one.close()
    assert found == []


def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def known(screen: Screens, user: str, path: str = "/", **how: str) -> Page:
    """A page of somebody who has signed in."""
    page = screen(user=None, **how).open(path, live=False)
    sign_in(page, user)
    page.wait_for_selector("body[data-live=yes]")
    return page


def is_well(page: Page) -> None:
    assert (accessibility(page), sideways(page)) == ([], 0)


# ---------------------------------------------------------------- the door
def test_signing_in_leads_to_the_page_that_was_wanted(screen: Screens) -> None:
    one = screen(user=None)
    one.expected.append("401")
    page = one.open("/robots?state=free", live=False)
    expect(page).to_have_title(re.compile("Sign in"))
    expect(page.get_by_label("User name")).to_be_focused()
    expect(page.get_by_text("After signing in you are back at /robots?state=free.")).to_be_visible()
    sign_in(page, "li.na", "not this one")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("User name")).to_have_value("li.na")
    expect(page.get_by_label("Password")).to_be_focused()
    sign_in(page, "li.na")
    page.wait_for_url("**/robots?state=free")
    page.get_by_role("button", name="Signed in as Li Na").click()
    expect(page.locator("#me-menu")).to_contain_text("operator")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.go_back()
    expect(page).to_have_title(re.compile("Sign in"))


def test_the_demonstration_is_entered_with_one_click(screen: Screens) -> None:
    page = screen(user=None).open("/jobs", live=False)
    page.get_by_role("button", name="Enter the demonstration").click()
    page.wait_for_url("**/jobs")
    expect(page.locator("body")).to_have_attribute("data-role", "admin")


@pytest.mark.parametrize(("lang", "theme", "size"), LOOKS)
def test_the_door_in_every_look(screen: Screens, shots: Path | None, lang: str, theme: str, size: str) -> None:
    page = screen(user=None, lang=lang, theme=theme, size=size).open("/sign-in", live=False)
    is_well(page)
    if shots is not None:
        page.screenshot(path=shots / f"sign-in-{size}-{theme}-{lang}.png")


# ---------------------------------------------------------------- what each role is shown
def test_a_viewer_sees_everything_and_no_button_that_acts(screen: Screens, client: Client) -> None:
    client.post("/robots/agv-2/disable", {"reason": "tyres"})
    client.put("/queues/nobody", {})
    job = client.post("/jobs", {"flow": "tick", "target": {"queue": "nobody"}})["items"][0]["id"]
    one = screen(user=None)
    one.expected.append("403")
    page = one.open("/robots", live=False)
    sign_in(page, "wall")
    expect(page.locator("#robot-agv-2")).to_contain_text("tyres")
    for path in ("/robots", f"/jobs/{job}", "/jobs", "/"):
        page.goto(one.url + path)
        page.wait_for_selector("body[data-live=yes]")
        assert page.locator("[data-act]").count() > 0 or path == "/", path
        expect(page.locator("[data-act]:visible")).to_have_count(0)
        expect(page.locator("#nav").get_by_role("link", name="People")).to_have_count(0)
        is_well(page)
    page.get_by_role("button", name="Signed in as Wall screen").click()
    expect(page.locator("#me-menu").get_by_role("link")).to_have_count(0)
    page.goto(one.url + "/people")
    expect(page.get_by_role("heading", name="You may not do that")).to_be_visible()
    client.post("/robots/agv-2/enable", {})
    client.post(f"/jobs/{job}/cancel", {})


def test_an_operator_commands_and_does_not_administer(screen: Screens) -> None:
    page = known(screen, "li.na", "/robots")
    page.locator("#robot-agv-1 [aria-expanded]").click()
    expect(page.locator("#about-agv-1").get_by_role("button", name="Drain…")).to_be_visible()
    expect(page.locator("#nav").get_by_role("link", name="Audit")).to_have_count(0)


def test_a_viewer_who_forges_the_page_is_refused_in_a_dialog(screen: Screens) -> None:
    one = screen(user=None)
    one.expected.append("403")
    page = one.open("/robots", live=False)
    sign_in(page, "wall")
    page.wait_for_selector("body[data-live=yes]")
    page.evaluate("document.body.dataset.role = 'operator'")
    page.locator("#robot-agv-1 [aria-expanded]").click()
    page.locator("#about-agv-1").get_by_role("button", name="Drain…").click()
    expect(page.get_by_role("dialog")).to_contain_text("You may not do that")


# ---------------------------------------------------------------- the end of a session
def test_a_session_that_is_ended_elsewhere_leads_to_the_door_and_back(screen: Screens, client: Client) -> None:
    one = screen(user=None)
    one.expected += ["401", "Failed to load resource"]
    page = one.open("/robots?q=agv", live=False)
    sign_in(page, "li.na")
    page.wait_for_selector("body[data-live=yes]")
    second = one.open("/jobs")
    client.patch("/users/li.na", {"enabled": False})
    page.wait_for_url("**/sign-in?to=%2Frobots%3Fq%3Dagv", timeout=LONG)
    second.wait_for_url("**/sign-in?to=%2Fjobs", timeout=LONG)
    client.patch("/users/li.na", {"enabled": True})
    sign_in(page, "li.na")
    page.wait_for_url("**/robots?q=agv")
    page.wait_for_selector("body[data-live=yes]")
    expect(page.locator("#lost")).to_be_hidden()
    page.wait_for_timeout(1000)
    expect(page).to_have_url(re.compile(r"/robots\?q=agv$"))  # no going back and forth


def test_a_button_of_a_session_that_is_over_says_so_with_the_way_back(screen: Screens, client: Client) -> None:
    one = screen(user=None)
    one.expected += ["401", "Failed to load resource"]
    page = one.open("/robots", live=False)
    sign_in(page, "li.na")
    page.wait_for_selector("body[data-live=yes]")
    page.locator("#robot-agv-1 [aria-expanded]").click()
    drain = page.locator("#about-agv-1").get_by_role("button", name="Drain…")
    expect(drain).to_be_enabled()
    page.context.clear_cookies()
    drain.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are not signed in any more")
    is_well(page)
    dialog.get_by_role("link", name="Sign in").click()
    page.wait_for_url("**/sign-in?to=%2Frobots")


# ---------------------------------------------------------------- people and tokens
def test_a_token_is_shown_once(screen: Screens, client: Client) -> None:
    page = known(screen, "wang", "/people")
    page.get_by_role("button", name="Make a token…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What it is for").fill("mes")
    dialog.get_by_label("operator").check()
    dialog.get_by_role("checkbox", name="Jobs").check()
    is_well(page)
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog).to_contain_text("Token “mes” is made. It is shown this once.")
    secret = page.locator("#secret").input_value()
    assert secret.startswith("ymt_")
    is_well(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    row = page.locator("tr", has_text="mes").filter(has_text="operator, only: Jobs")
    expect(row).to_be_attached()  # the list behind it shows it already
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_visible()  # not before it is ticked
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    page.reload()
    assert secret not in page.content()
    row.get_by_role("button", name="Revoke mes…").click()
    dialog.get_by_role("button", name="Revoke it").click()
    expect(row).to_have_count(0)
    assert "mes" in {one["name"] for one in client.every("/tokens") if one["revoked_at"]}


def test_a_person_is_added_and_locked(screen: Screens, client: Client) -> None:
    page = known(screen, "wang", "/people")
    page.get_by_role("button", name="Add a person…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name, to sign in with").fill("chen")
    dialog.get_by_role("button", name="Add", exact=True).click()
    password = page.locator("#secret").input_value()
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Done").click()
    theirs = known_by(screen, "chen", password)
    expect(theirs.locator("body")).to_have_attribute("data-role", "viewer")
    page.get_by_role("button", name="Change chen…").click()
    dialog.get_by_role("button", name="Lock…").click()
    expect(dialog).to_contain_text("Lock chen?")
    is_well(page)
    dialog.get_by_role("button", name="Lock it").click()
    expect(page.locator("#user-chen")).to_contain_text("locked")
    expect(page.locator("#said")).to_contain_text("chen is locked")
    theirs.wait_for_url("**/sign-in?to=**", timeout=LONG)
    assert [one["enabled"] for one in client.every("/users") if one["id"] == "chen"] == [False]


def known_by(screen: Screens, user: str, password: str) -> Page:
    one = screen(user=None)
    one.expected += ["401", "Failed to load resource"]
    page = one.open("/", live=False)
    sign_in(page, user, password)
    page.wait_for_selector("body[data-live=yes]")
    return page


def test_ones_own_password_is_changed_from_the_menu(screen: Screens) -> None:
    page = known(screen, "wall", "/jobs")
    page.get_by_role("button", name="Signed in as Wall screen").click()
    page.get_by_role("button", name="Change my password…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Present password").fill(PASSWORD)
    dialog.get_by_label("New password").fill("another long one")
    is_well(page)
    dialog.get_by_role("button", name="Change it").click()
    expect(page.locator("#said")).to_contain_text("Your password is changed.")
    page.reload()
    page.wait_for_selector("body[data-live=yes]")  # this browser is signed in still
    page.get_by_role("button", name="Signed in as Wall screen").click()
    page.get_by_role("button", name="Change my password…").click()
    dialog.get_by_label("Present password").fill("another long one")
    dialog.get_by_label("New password").fill(PASSWORD)
    dialog.get_by_role("button", name="Change it").click()
    expect(page.locator("#said")).to_contain_text("Your password is changed.")


@pytest.mark.parametrize(("lang", "theme", "size"), LOOKS)
@pytest.mark.parametrize("name", ["people", "audit"])
def test_the_pages_of_administrators_in_every_look(
    screen: Screens, shots: Path | None, name: str, lang: str, theme: str, size: str
) -> None:
    page = screen(lang=lang, theme=theme, size=size).open(f"/{name}")
    if name == "audit":
        page.locator(".audit [aria-controls]").first.click()
        expect(page.locator(".audit .att:visible")).to_have_count(1)
    is_well(page)
    if shots is not None:
        page.screenshot(path=shots / f"{name}-{size}-{theme}-{lang}.png")
    page.locator("[popovertarget]").click()
    expect(page.locator("#me-menu")).to_be_visible()
    is_well(page)


def test_the_audit_is_filtered_by_its_form_and_its_rows(screen: Screens, client: Client) -> None:
    client.post("/robots/agv-1/disable", {"reason": "tyres"})
    client.post("/robots/agv-1/enable", {})
    page = screen().open("/audit")
    page.get_by_label("Did").select_option(label="disabled a robot")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**action=robot.disable**")
    row = page.locator(".audit tbody tr:not(.att)").first
    expect(row).to_contain_text("agv-1")
    expect(row).to_contain_text("tyres")
    row.get_by_role("button").click()
    page.get_by_role("link", name="Only about this").first.click()
    page.wait_for_url("**subject=robot%3Aagv-1**")
    page.get_by_role("link", name="Clear").click()
    page.wait_for_url("**/audit")
