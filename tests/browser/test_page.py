"""The page GREEN-API, in Airflow's UI and by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_green_notify.demo.local_airflow import HOST, _environment, _free_port
from airflow_green_notify.demo.processes import Processes
from airflow_green_notify.demo.ui import SETTINGS
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.drain_record import DrainRecord
from tests.demo.program import Demo
from tests.live.running_airflow import until

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PREFIX = "/airflow/here"
BACKGROUND = """body => {
    const context = document.createElement("canvas").getContext("2d");
    context.fillStyle = getComputedStyle(body).backgroundColor;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""
"""Red, green and blue, in whichever way the colour is written."""


def open_in_airflow(page: Page) -> FrameLocator:
    """Open the page by Airflow's menu, and return its frame once all of it is there."""
    page.goto("/")
    page.get_by_role("link", name="GREEN-API").click()
    frame = page.frame_locator("iframe")
    frame.locator("#content[data-complete=yes]").wait_for()
    return frame


def is_cut(page: Page) -> bool:
    """Tell whether something is wider than the window."""
    wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(page.evaluate(wider))


def test_page_shows_live_numbers_of_each_instance_and_of_the_store(
    page: Page, picture: Callable[[str], None]
) -> None:
    """They are those of the demo, and go on by themselves."""
    frame = open_in_airflow(page)
    frame.get_by_text("3 instances: 3 healthy").wait_for()
    for name in ("green_api_default", "green_api_sales", "green_api_support"):
        frame.get_by_role("link", name=name, exact=True).wait_for()
    frame.get_by_role("heading", name="Store green_api_warehouse").wait_for()
    frame.get_by_role("row").filter(has_text="telephony").wait_for()
    counts = frame.locator("figure p").filter(has_text="incomingMessageReceived")
    counts.filter(has_text=counts.inner_text()).wait_for(state="detached")
    picture("page")


@pytest.mark.parametrize(("theme", "is_dark"), [("light", False), ("dark", True)])
def test_page_is_light_or_dark_as_airflow_is(theme: str, is_dark: bool, page: Page) -> None:
    """Also when the browser would have it otherwise."""
    page.emulate_media(color_scheme="light" if is_dark else "dark")
    page.goto("/")
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    frame = open_in_airflow(page)
    frame.locator(f"html.{theme}").wait_for()
    assert (sum(frame.locator("body").evaluate(BACKGROUND)) < 3 * 128) is is_dark


def test_page_fits_a_phone(page: Page) -> None:
    """Nothing lies beside the window."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    page.goto("/green-api/")
    page.locator("#content[data-complete=yes]").wait_for()
    assert not is_cut(page)


@pytest.fixture
def hostile_record(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain of a connection whose name, and whose error, want to be HTML."""
    now = datetime.now(UTC)
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_WAREHOUSE", demo.warehouse)
    record = DrainRecord(
        "dag/run/drain/-1", HOSTILE, HOSTILE, now, now, 1, 1, 0, 1, 0, 0, 0, 1.0, "error", HOSTILE
    )
    with closing(SqlStore("green_api_warehouse").open("hostile/run/drain/-1")) as store:
        store.note_drains([record])


def test_hostile_name_stays_text(page: Page, hostile_record: None) -> None:
    """It is shown as it is written, and nothing of it runs."""
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto("/")
    page.goto("/green-api/")
    page.get_by_text(HOSTILE).first.wait_for()
    assert page.locator("img, script:not([src])").count() == 0
    assert dialogs == []


@pytest.fixture
def prefixed(demo: Demo, tmp_path: Path) -> Iterator[str]:
    """The demo's Airflow, served by another API server below a path."""
    port = _free_port(0)
    url = f"http://{HOST}:{port}{PREFIX}"
    environment = _environment(demo.home, demo.home / "dags", url) | SETTINGS
    with Processes(environment, tmp_path) as processes:
        processes.start(
            "api-server", "airflow", "api-server", "--host", HOST, "--port", str(port), "--workers", "1"
        )
        until(lambda: _answers(f"{url}/api/v2/monitor/health"), 120, "answer below a path")
        yield url


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def test_page_lies_behind_a_path_prefix(page: Page, prefixed: str) -> None:
    """By its own address, and in the UI; styles and refreshing are found there, too."""
    page.goto(f"{prefixed}/")
    page.goto(f"{prefixed}/plugin/green-api")
    frame = page.frame_locator("iframe")
    frame.locator("#content[data-complete=yes]").wait_for()
    frame.get_by_role("heading", name="Store green_api_warehouse").wait_for()
    fonts = frame.locator("h1").evaluate("h1 => getComputedStyle(h1).fontFamily")
    assert "sans-serif" in fonts
