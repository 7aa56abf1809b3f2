"""The README's pictures, taken from a running demo in Chromium."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip


def take(address: str) -> list[Path]:
    """Take every picture in light and dark; returns the files. Raises when Chromium is absent."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    IMAGES.mkdir(parents=True, exist_ok=True)
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1440, "height": 900},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            _sign_in(page, address)
            for name, visit in VISITS.items():
                visit(page, address)
                path = IMAGES / f"{name}-{theme}.png"
                page.screenshot(path=path)
                taken.append(path)
            context.close()
        browser.close()
    return taken


def _sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/sign-in/")
    page.fill("input[name=username]", "mara")
    page.fill("input[name=password]", "demo-mara")
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{address}/")


def _today(page: Page, address: str) -> None:
    page.goto(f"{address}/")


def _exceptions(page: Page, address: str) -> None:
    page.goto(f"{address}/exceptions/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_timeout(700)


def _journey(page: Page, address: str) -> None:
    """The journey of an amended order, whose picture has two generations."""
    page.goto(f"{address}/find/?q=00000010-A1")


def _reconciliation(page: Page, address: str) -> None:
    page.goto(f"{address}/reconciliation/")


def _mapping(page: Page, address: str) -> None:
    page.goto(f"{address}/mappings/products.netsuite/")


VISITS = {
    "today": _today,
    "exceptions": _exceptions,
    "journey": _journey,
    "reconciliation": _reconciliation,
    "mapping": _mapping,
}
