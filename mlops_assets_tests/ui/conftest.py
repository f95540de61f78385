"""One webserver and one browser for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mlops_assets_tests.ui.watch import Watch
from mlops_assets_tests.ui.webserver import Webserver

PATIENCE_MS = 60_000
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on the PATH (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def webserver(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    """Asks for the browser first: without one there is nothing to start it for."""
    server = Webserver(tmp_path_factory.mktemp("ui") / "home")
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # Wide enough for the graph to be drawn with whole nodes, not with names alone.
    opened = browser.new_page(viewport={"width": 3000, "height": 1200})
    opened.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)  # its own, five seconds otherwise
    yield opened
    opened.close()


@pytest.fixture
def watch(page: Page, webserver: Webserver) -> Watch:
    return Watch(page, webserver.url)
