"""What every page has: its language and theme, finding, and the truth about whether it is live."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.screen import Screen, accessibility

Screens = Callable[..., Screen]


def test_language_follows_the_browser_and_can_be_switched(screen: Screens) -> None:
    page = screen(lang="zh").open("/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#nav")).to_contain_text("任务")
    page.get_by_role("link", name="English").click()
    expect(page.locator("#nav")).to_contain_text("Jobs")
    page.goto(page.url.split("?")[0])
    expect(page.locator("#nav")).to_contain_text("Jobs")  # the choice is remembered


def test_theme_can_be_switched_and_stays(screen: Screens) -> None:
    page = screen().open("/")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_robot_is_found_from_any_page(screen: Screens) -> None:
    page = screen().open("/jobs")
    page.keyboard.press("/")
    page.keyboard.type("agv-03")
    expect(page.get_by_role("link", name="AGV-03")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/robots#AGV-03")


def test_an_unknown_address_is_a_page_that_helps(screen: Screens) -> None:
    one = screen(lang="zh")
    one.expected.append("404")
    page = one.open("/jobs/01a1fe86-0000-7000-8000-000000000000", live=False)
    expect(page.get_by_role("heading", name="没有这个任务")).to_be_visible()
    expect(page.get_by_role("link", name="全部任务")).to_be_visible()
    assert accessibility(page) == []
