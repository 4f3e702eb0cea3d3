"""A browser that looks at the demo: Debian's Chromium, led by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.program import Demo, running_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, once its first run has succeeded."""
    with running_demo(tmp_path_factory.mktemp("demo")) as started:
        started.read_until("The first Dag run succeeded")
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests; without Chromium there is nothing to test with."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "There is no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, demo: Demo, tmp_path: Path) -> Iterator[Page]:
    """A tab of its own on the demo; the browser has nothing to complain of in its console."""
    context = browser.new_context(
        base_url=demo.url, viewport={"width": 1440, "height": 1000}, locale="en-US", timezone_id="UTC"
    )
    context.set_default_timeout(PATIENCE)
    complaints: list[str] = []

    def listen(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    opened = context.new_page()
    opened.on("console", listen)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.screenshot(path=tmp_path / "last.png")
    context.close()
    assert complaints == []
