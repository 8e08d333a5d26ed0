"""The Chromium that prints the pages and tests them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ["chromium", "chromium-browser", "google-chrome"]
ARGUMENTS = [
    "--no-sandbox",  # root has none; only pages that were built here are opened
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Start the system's Chromium, or Playwright's own; None where neither is installed."""
    with sync_playwright() as playwright:
        paths = [shutil.which(name) for name in NAMES]
        paths += filter(lambda own: Path(own).exists(), [playwright.chromium.executable_path])
        path = next(filter(None, paths), None)
        if path is None:
            yield None
            return
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
