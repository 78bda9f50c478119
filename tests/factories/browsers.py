"""Chromium, in which tests look at pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

# What the Dagster UI asks a new profile first lies over the page: it counts as answered.
ANSWERED = "localStorage.setItem('communityNux', '1')"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Fails the test where none is installed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(
            "No Chromium is installed, in which pages are looked at; on Debian: "
            "apt-get install --no-install-recommends chromium fonts-dejavu-core"
        )
    playwright: Playwright
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


def new_profile(browser: Browser, patience_milliseconds: float) -> BrowserContext:
    """A profile in which pages of the Dagster UI are seen at once; steps wait so long for what they need."""
    context = browser.new_context()
    context.set_default_timeout(patience_milliseconds)
    context.add_init_script(ANSWERED)
    return context
