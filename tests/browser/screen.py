"""A browser before the running product: opens pages as people have them, and notices what a page does wrong."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, StorageState, sync_playwright

AXE = Path(__file__).parent / "vendor" / "axe-4.10.3.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DEMO = "demo"
SIZES = {"desktop": (1440, 900), "handheld": (390, 844), "wall": (1920, 1080)}
Size = Literal["desktop", "handheld", "wall"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


_SESSIONS: dict[str, StorageState] = {}


def session(browser: Browser, url: str) -> StorageState:
    """The session of the demonstration's account: opened once for each box, as a person does it."""
    if url not in _SESSIONS:
        with browser.new_context(locale="en-GB") as context:
            page = context.new_page()
            page.goto(f"{url}/sign-in")
            page.get_by_role("button", name="Enter the demonstration").click()
            page.wait_for_selector("body[data-page=overview]")
            _SESSIONS[url] = context.storage_state()
    return _SESSIONS[url]


def find_chromium() -> str | None:
    """Where a browser is on this machine."""
    return next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)


@contextmanager
def browsing(chromium: str) -> Iterator[Browser]:
    """A browser of its own, ended with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Screen:
    """One person's browser: language, theme and size; `complaints` is what the page did wrong by itself."""

    browser: Browser
    url: str
    lang: str = "en"
    theme: Literal["light", "dark"] = "light"
    size: Size = "desktop"
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Pieces of complaints that the test itself provokes, such as a refused request."""
    user: str | None = DEMO
    """Who is signed in: the demonstration's account, or nobody."""

    def __post_init__(self) -> None:
        width, height = SIZES[self.size]
        self.context: BrowserContext = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=self.theme,
            locale="zh-CN" if self.lang == "zh" else "en-GB",
            has_touch=self.size == "handheld",
            reduced_motion="reduce",
            storage_state=None if self.user is None else session(self.browser, self.url),
        )
        self.context.set_default_timeout(15_000)

    def open(self, path: str, *, live: bool = True) -> Page:
        """Open a page and wait until it is live (its stream is open), unless that is not wanted."""
        page = self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._outside)
        page.goto(self.url + path)
        if live:
            page.wait_for_selector("body[data-live=yes]")
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _outside(self, response: Response) -> None:
        if not response.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"asked elsewhere: {response.url}")

    def unexpected(self) -> list[str]:
        """What nobody provoked."""
        return [one for one in self.complaints if not any(piece in one for piece in self.expected)]

    def close(self) -> None:
        """Close its pages."""
        self.context.close()


def accessibility(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, one line a finding, with the first place it was found at."""
    page.evaluate("source => { (0, eval)(source) }", AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS
    )
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['target']} {one['nodes'][0]['html'][:160]}"
        f" ({len(one['nodes'])} in all)"
        for one in found["violations"]
    ]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window; panels that scroll inside do not count."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
