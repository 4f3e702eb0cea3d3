"""How Airflow finds the page, and where it serves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify import get_provider_info
from airflow_green_notify.page.plugin import PREFIX, GreenApiPlugin


def test_plugin_is_found_by_installing_alone() -> None:
    """By its entry point: Airflow reads those of provider metadata only where providers are not lazy."""
    found = [each for each in entry_points(group="airflow.plugins") if each.name == "green_api"]
    assert [each.load() for each in found] == [GreenApiPlugin]
    assert "plugins" not in get_provider_info()


def test_airflow_lists_the_plugin_and_no_error(airflow_app: Any, admin: Any) -> None:
    """With an address that is relative, as the frame in Airflow's UI needs it behind a path prefix."""
    plugins = admin.get("/api/v2/plugins").json()["plugins"]
    [ours] = [each for each in plugins if each["name"] == "green_api"]
    [view] = ours["external_views"]
    assert (view["name"], view["destination"], view["href"]) == ("GREEN-API", "nav", f"{PREFIX[1:]}/")
    assert admin.get(f"/{view['href']}").status_code == admin.get(f"/{view['icon']}").status_code == 200
    assert admin.get("/api/v2/plugins/importErrors").json()["import_errors"] == []


def test_command_line_lists_the_plugin() -> None:
    """``airflow plugins`` shows it."""
    command = [str(Path(sys.executable).with_name("airflow")), "plugins", "--output", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    listed = json.loads(ended.stdout[ended.stdout.index("[{") :])
    assert "green_api" in [each["name"] for each in listed]


LOAD = """
import airflow.plugins_manager, sys
before = {*sys.modules}
import airflow_green_notify.page.plugin
print([name for name in {*sys.modules} - before if not name.startswith("airflow_green_notify")])
"""


def test_plugin_costs_nothing_where_no_page_is_served() -> None:
    """Workers, triggerers and Dag processors load plugins, too."""
    ended = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


BEHIND_A_PREFIX = """
import warnings
from airflow.api_fastapi.app import create_app
warnings.simplefilter("ignore")
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils import db
from fastapi.testclient import TestClient
db.initdb()
app = create_app()
token = app.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="admin", role="ADMIN"))
client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
for address in ("green-api/", "green-api/static/page.css", "green-api/static/page.js"):
    print("answer", client.get(f"/company/airflow/{address}").status_code)
print("answer", TestClient(app).get("/company/airflow/green-api/").status_code)
"""


@pytest.mark.slow
def test_page_is_served_behind_a_path_prefix(tmp_path: Path) -> None:
    """``[api] base_url`` has a path; the page's own addresses are relative."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__API__BASE_URL": "http://127.0.0.1:8080/company/airflow",
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
    }
    ended = subprocess.run(
        [sys.executable, "-c", BEHIND_A_PREFIX], capture_output=True, text=True, env=environment, check=True
    )
    answers = [line.split()[1] for line in ended.stdout.splitlines() if line.startswith("answer ")]
    assert answers == ["200", "200", "200", "401"]
