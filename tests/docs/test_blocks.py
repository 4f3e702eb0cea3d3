"""Every code block of the README and of docs/ runs, or is checked by what would read it."""

from __future__ import annotations

import configparser
import inspect
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_green_notify.emulator import GatewayInstance, GreenApiEmulator, example_notifications
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from tests.docs.commands import check_command, commands_in
from tests.docs.pages import PAGES, Block, blocks_of

pytestmark = pytest.mark.airflow
AT_MOST = 0.2  # seconds that an empty queue is waited for, in a test
GETTING_STARTED = "docs/getting-started.md"  # tests/docs/test_getting_started.py types what stands there
CHECKED = [page for page in PAGES if page != GETTING_STARTED and blocks_of(page)]


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return {"rate_limits": False}


@pytest.fixture
def world(
    green_api_connection: GreenApiEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[GatewayInstance]:
    """What all pages speak of: three instances, on which people answer, and a warehouse."""
    monkeypatch.chdir(tmp_path)
    others = {name: green_api_connection.add_instance(rate_limits=False) for name in ("sales", "support")}
    for name, instance in others.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", instance.connection)
    for name in ("warehouse", "green_api_warehouse"):
        warehouse = {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(warehouse))
    green_api_connection.reply(".*", "yes")
    green_api_connection.settings(outgoingWebhook="yes")  # else nothing tells of "delivered"
    fill_warehouse()
    return [green_api_connection, *others.values()]


def fill_warehouse() -> None:
    """Store what an earlier drain brought, and what a handler gave up."""
    from airflow_green_notify.models.making import create_models

    bodies = example_notifications(recent=True)
    for table in ("green_api_notifications", "green_api_dead_letters"):
        with SqlStore("warehouse", table=table).open("docs/earlier/drain/-1") as store:
            for body in bodies:
                store.put(Notification(0, body))
    create_models(SqlStore("warehouse"))


@pytest.mark.parametrize("page", CHECKED)
def test_blocks_of_page_do_what_they_say(
    page: str,
    world: list[GatewayInstance],
    green_api_emulator: GreenApiEmulator,
    run_dag: Callable[..., Any],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """In their order, in one namespace, on queues that something waits in."""
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks_of(page)):
        if block.how == "not run":
            continue
        for instance in world:
            instance.push_traffic(seed=number, n=8)
        try:
            if block.language == "python" and "@dag" in block.text:
                run_dags(block, tmp_path / f"block_{number}.py", run_dag)
            elif block.language == "python":
                run_python(block, names, request)
            elif block.language == "sql":
                ask_warehouse(block.text, tmp_path)
            else:
                CHECKS[block.language](block.text, green_api_emulator.url)
        except Exception as error:
            error.add_note(f"The block of {block.where}:\n{block.text}")
            raise


def run_dags(block: Block, path: Path, run_dag: Callable[..., Any]) -> None:
    """Read the block as a Dag file, and run each Dag of it, until every task has succeeded."""
    from airflow.dag_processing.dagbag import DagBag

    path.write_text(block.text)
    bag = DagBag(dag_folder=str(path))
    assert bag.import_errors == {}
    assert bag.dags
    for dag in bag.dags.values() if block.how == "run" else ():
        for task in dag.tasks:
            for name in ("receive_timeout", "linger", "poke_interval", "poll_interval"):
                if getattr(task, name, 0):
                    setattr(task, name, AT_MOST)
        states = {ti.task_id: str(ti.state) for ti in run_dag(dag).get_task_instances()}
        assert set(states.values()) == {"success"}, states


def run_python(block: Block, names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """Run the block, and each test that it defines with the fixtures that it asks for."""
    known = set(names)
    exec(compile(block.text, block.where, "exec"), names)  # noqa: S102
    for name in names.keys() - known:
        if name.startswith("test_"):
            wanted = inspect.signature(names[name]).parameters
            names[name](**{fixture: request.getfixturevalue(fixture) for fixture in wanted})


def ask_warehouse(text: str, folder: Path) -> None:
    """Run the statements on the table and the models over it."""
    with closing(sqlite3.connect(folder / "warehouse.db")) as database:
        for statement in filter(str.strip, text.split(";")):
            database.execute(statement).fetchall()


def _check_commands(text: str, gateway_url: str) -> None:
    for words in commands_in(text):
        check_command(words, gateway_url)


def _check_output(text: str, gateway_url: str) -> None:
    """What is shown, and not typed."""
    assert not text.lstrip().startswith(("airflow ", "python", "pip ", "import ", "from "))


CHECKS: dict[str, Callable[[str, str], object]] = {
    "sh": _check_commands,
    "text": _check_output,
    "json": lambda text, url: json.loads(text),
    "yaml": lambda text, url: yaml.safe_load(text),
    "ini": lambda text, url: configparser.ConfigParser().read_string(text),
}


def test_few_blocks_are_not_run() -> None:
    """Each with a reason, and most pages have none."""
    blocks = [block for page in PAGES for block in blocks_of(page)]
    left_out = [block for block in blocks if block.how != "run"]
    assert len(blocks) > 60
    assert len(left_out) < len(blocks) / 8, [block.where for block in left_out]
    assert all(len(block.reason) > 10 for block in left_out)
