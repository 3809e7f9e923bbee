"""A browser, somebody logged in, and the phone of the simulator as a user handles it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = os.environ.get("WHATSFLOW_CHROMIUM", "/usr/bin/chromium")
PATIENCE = 20_000


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # The sandbox of chromium needs rights that a container's root does not have.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def log_in(page: Page, url: str, password: str, user: str = "admin") -> None:
    page.goto(url)
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")


def complaints(page: Page) -> list[str]:
    """Collect what the page writes to its console as errors, breaches of the CSP among them."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def photograph(page: Page, name: str) -> None:
    """Keep a picture where WHATSFLOW_SCREENSHOTS says so, for people to look at."""
    if folder := os.environ.get("WHATSFLOW_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=False)


class Phone:
    """The phone of the first customer on the simulator's page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.phone = page.locator(".phone").first
        expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENCE)

    def say(self, text: str) -> None:
        box = self.phone.locator("textarea")
        box.fill(text)
        box.press("Enter")

    def last(self) -> Locator:
        """The newest bubble of the business; the dots that show it types are none."""
        return self.phone.locator(".bubble--theirs:not(.dots)").last

    def hears(self, text: str, seconds: float = 20) -> Locator:
        expect(self.last()).to_contain_text(text, timeout=seconds * 1000)
        return self.last()

    def tap(self, title: str) -> None:
        self.last().locator(".tap", has_text=title).click()

    def choose(self, opens: str, row: str) -> None:
        """Open the list of the newest bubble and send one of its rows."""
        self.tap(opens)
        sheet = self.page.locator(".sheet__body")
        sheet.locator(".row", has_text=row).click()
        sheet.get_by_role("button", name="Send").click()
