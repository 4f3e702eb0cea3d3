"""A browser that looks at the demo: Debian's Chromium, led by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.program import Demo, running_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 60_000  # milliseconds
SMALL: ViewportSize = {"width": 1200, "height": 800}
"""The window of which pictures are taken."""

OF_AIRFLOW = "An iframe which has both allow-scripts and allow-same-origin"
"""What Chromium says of each page that a plugin adds: Airflow made the frame so."""


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
        if message.type in ("error", "warning") and not message.text.startswith(OF_AIRFLOW):
            complaints.append(message.text)

    opened = context.new_page()
    opened.on("console", listen)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.screenshot(path=tmp_path / "last.png")
    context.close()
    assert complaints == []


@pytest.fixture
def picture(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Take the picture of this name for the README, into the folder GREEN_API_PICTURES if that is set."""
    folder = Path(os.environ.get("GREEN_API_PICTURES", tmp_path))

    def take(name: str) -> None:
        page.set_viewport_size(SMALL)
        page.wait_for_timeout(1000)  # until what moves has moved
        page.screenshot(path=folder / f"{name}.png")

    return take
