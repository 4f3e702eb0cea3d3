"""Airflow's environment, before anything imports Airflow; a gateway and real Dag runs for every test."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

IN_MEMORY, ROOM = "/dev/shm", 2 << 30  # noqa: S108
if "TMPDIR" not in os.environ and os.path.isdir(IN_MEMORY) and shutil.disk_usage(IN_MEMORY).free > ROOM:
    # Stores and databases confirm each notification with an fsync: on a disk, half of the time goes there.
    os.environ["TMPDIR"] = tempfile.tempdir = IN_MEMORY

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


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what lives to the end anyway: thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Leave nothing behind; the process that only hands out tests to others has a folder, too."""
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
