"""What a new user does first in Airflow's own pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.browser.conftest import SMALL
from tests.demo.program import Demo
from tests.live.running_airflow import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def fill(page: Page, **fields: str) -> None:
    """Fill fields of the form that is open, and save it."""
    form = page.get_by_role("dialog")
    for name, value in fields.items():
        form.locator(f"input[name={name}]").fill(value)
    form.get_by_role("button", name="Save").click()
    form.wait_for(state="hidden")


def try_out(page: Page, connection: str) -> dict[str, Any]:
    """Press "Test Connection", and return what Airflow answers."""
    row = page.get_by_role("row").filter(has_text=connection)
    with page.expect_response("**/connections/test") as answer:
        row.get_by_role("button", name="Test Connection").click()
    told: dict[str, Any] = answer.value.json()
    return told


def test_connection_is_added_by_the_form_and_tells_in_words_what_is_wrong_with_it(
    page: Page, demo: Demo
) -> None:
    """Added and tested, it works; with another token it says which field to compare with what."""
    instance = requests.get(f"{demo.gateway}/_emulator/instances", timeout=30).json()[0]
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("input[name=connection_id]").fill("added_by_hand")
    form.get_by_role("combobox").fill("GREEN")
    page.get_by_role("option", name="GREEN-API").click()
    known = {"login": instance["idInstance"], "password": instance["apiTokenInstance"]}
    fill(page, host=demo.gateway, port="443", **known)
    told = try_out(page, "added_by_hand")
    assert told["status"] is True
    assert "its queue can be read" in told["message"]

    row = page.get_by_role("row").filter(has_text="added_by_hand")
    row.get_by_role("button", name="Edit Connection").click()
    fill(page, password="f" * 50)
    assert try_out(page, "added_by_hand")["status"] is False
    page.get_by_text("the token is wrong: compare the connection's password").wait_for()
    demo.ask("DELETE", "connections/added_by_hand")


def test_dag_is_triggered_and_seen_to_succeed_with_its_text_beside_it(
    page: Page, demo: Demo, picture: Callable[[str], None]
) -> None:
    """By two clicks, with the parameters as they are."""
    page.goto("/dags/warehouse_models")
    page.get_by_role("button", name="Dag Docs").click()
    page.get_by_text("draw each evening who wrote when").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Trigger Dag").click()
    with page.expect_response("**/dagRuns") as answer:
        page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    run = f"dags/warehouse_models/runs/{answer.value.json()['dag_run_id']}"
    until(
        lambda: demo.get(run.replace("/runs/", "/dagRuns/"))["state"] == "success", 180, "success of the run"
    )
    page.goto(f"/{run}")
    page.get_by_text("Success", exact=True).first.wait_for()
    page.get_by_role("button", name="Show Graph").click()
    nodes = page.locator(".react-flow__node").filter(has_text="success")
    nodes.nth(2).wait_for()
    page.set_viewport_size(SMALL)
    page.get_by_role("button", name="Fit View").click()
    picture("dag")


def test_task_leads_to_the_page_of_this_airflow_and_to_the_console(page: Page, demo: Demo) -> None:
    """From the details of a drain."""
    page.goto("/dags/three_teams_one_queue/runs/demo/tasks/drain/details")
    link = page.get_by_test_id("main-content").get_by_role("link", name="GREEN-API", exact=True)
    assert link.evaluate("link => link.href") == f"{demo.url}/green-api/"
    console = page.get_by_role("link", name="GREEN-API console").get_attribute("href")
    assert console == "https://console.green-api.com/instanceList/1101000001"
