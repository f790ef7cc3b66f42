"""Schedules in a real browser: they fire while one looks, are switched by asking, and lead to the jobs they made."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from cli.client import Client
from tests.browser.screen import Screen, accessibility, sideways

Screens = Callable[..., Screen]
NAME = "Labels for the truck"


@pytest.fixture
def schedule(client: Client) -> Iterator[str]:
    """One that fires every second, and a disabled one; gone again at the end."""
    common = {"deployment": "labels", "zone": "Asia/Shanghai"}
    client.put("/schedules/truck", common | {"name": NAME, "every_s": 1, "overlap": "skip"})
    client.put("/schedules/rest", common | {"name": "Night", "cron": "0 3 * * *", "enabled": False})
    yield "truck"
    for name in ("truck", "rest"):
        client.delete(f"/schedules/{name}")


def test_a_firing_is_on_the_screen_by_itself_and_leads_to_its_job(screen: Screens, schedule: str) -> None:
    page = screen().open("/schedules")
    row = page.locator(f"#schedule-{schedule}")
    expect(row).to_contain_text("every 1 s")
    expect(row.locator("svg.fires rect").first).to_be_visible()
    expect(row.locator(".c-res .st").first).to_be_visible()
    row.get_by_role("link", name=NAME).click()
    page.wait_for_url("**/schedules/truck")
    page.wait_for_selector("body[data-live=yes]")
    page.locator("#s-firings tbody a").last.click()
    page.wait_for_url("**/firings/*")
    page.locator("#f-rows tbody a").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("main")).to_contain_text("Shipping labels of an order")


def test_it_is_switched_by_asking(screen: Screens, schedule: str, client: Client) -> None:
    page = screen().open("/schedules")
    page.get_by_role("button", name=f"Disable {NAME}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Jobs that it has made go on.")
    assert accessibility(page) == []
    dialog.get_by_label("Reason").fill("the truck is gone")
    dialog.get_by_role("button", name="Disable the schedule").click()
    expect(page.locator("#said")).to_contain_text("fires no more")
    expect(page.locator(f"#schedule-{schedule}")).to_contain_text("Disabled")
    assert client.get(f"/schedules/{schedule}")["enabled"] is False
    page.get_by_role("button", name=f"Enable {NAME}").click()
    page.get_by_role("button", name="Enable the schedule").click()
    expect(page.locator(f"#schedule-{schedule} .c-next time")).to_be_visible()


@pytest.mark.parametrize(
    ("lang", "theme", "size"),
    [("en", "light", "desktop"), ("zh", "dark", "desktop"), ("zh", "light", "handheld"), ("en", "dark", "handheld")],
)
def test_its_pages_fit_every_screen_and_can_be_read_by_everybody(
    screen: Screens, schedule: str, client: Client, lang: str, theme: str, size: str
) -> None:
    one = screen(lang=lang, theme=theme, size=size)
    page = one.open("/schedules")
    expect(page.locator(f"#schedule-{schedule} .c-res a")).to_be_visible()
    if lang == "zh":
        expect(page.get_by_role("heading", name="任务计划")).to_be_visible()
    firing = client.get(f"/schedules/{schedule}/firings", limit=1)["items"][0]["id"]
    assert (accessibility(page), sideways(page)) == ([], 0)
    for path in (f"/schedules/{schedule}", f"/firings/{firing}"):
        page.goto(one.url + path)
        page.wait_for_selector("body[data-live=yes]")
        assert (accessibility(page), sideways(page)) == ([], 0)
