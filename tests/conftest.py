"""Airflow's environment, before anything imports Airflow; a gateway and real Dag runs for every test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-green-notify-")
os.environ.update(
    AIRFLOW_HOME=AIRFLOW_HOME,
    AIRFLOW__CORE__DAGS_FOLDER=os.path.join(AIRFLOW_HOME, "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="1",
)
os.makedirs(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])

import pytest  # noqa: E402

if TYPE_CHECKING:
    from airflow.sdk import DAG

pytest_plugins = ["airflow_green_notify.emulator.pytest", "tests.servers", "tests.listener"]


@pytest.fixture(scope="session", autouse=True)
def _airflow_home() -> Iterator[None]:
    yield
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Airflow's metadata database, migrated once."""
    from airflow.utils import db

    db.initdb()


@pytest.fixture
def run_dag(airflow_db: None) -> Callable[..., Any]:
    """Run a Dag to its end in this process, as ``dag.test()`` does, and return the Dag run."""

    def run(dag: DAG, **kwargs: Any) -> Any:
        save_dag(dag)
        return dag.test(**kwargs)

    return run


def save_dag(dag: DAG) -> None:
    """Put a Dag that a test made into the metadata database, where runs of it are looked for."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
