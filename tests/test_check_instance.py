"""The examination as a task reports what it found, and tells it whatever becomes of the report."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_green_notify import doctor
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

CONNECTION = "green_api_default"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the store."""
    place = tmp_path / "store.db"
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": str(place)}))
    return place


@pytest.fixture
def store(database: Path) -> SqlStore:
    return SqlStore("store")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == doctor.log.name]


def test_examination_is_reported_as_it_is_returned(
    green_api_connection: GreenApiEmulator, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The page shows the doctor's own findings; the token is in none of them."""
    found = doctor.check_instance(CONNECTION, report_to=store)
    (report,) = store.reports()
    assert (report.kind, report.name, report.conn_id) == ("examination", CONNECTION, CONNECTION)
    assert report.instance_id == green_api_connection.id_instance
    assert report.body == found
    assert green_api_connection.api_token not in json.dumps(report.as_dict())
    assert warnings(caplog) == []


def test_examination_of_what_is_not_healthy_is_reported_before_it_fails(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """That one is looked for at night; the last one counts, of each connection."""
    store = ObjectStorageStore(tmp_path / "store")
    doctor.check_instance(CONNECTION, report_to=store)
    green_api_connection.state("notAuthorized")
    with pytest.raises(AirflowException, match="notAuthorized"):
        doctor.check_instance(CONNECTION, report_to=store)
    assert [each.body["healthy"] for each in store.reports()] == [False]
    with pytest.raises(AirflowException, match="missing"):
        doctor.check_instance([CONNECTION, "missing"], report_to=store)
    ill, missing = store.reports()
    assert (ill.conn_id, ill.body["healthy"]) == (CONNECTION, False)
    assert (missing.conn_id, missing.instance_id, missing.body["healthy"]) == ("missing", "", False)


@pytest.mark.slow
def test_store_that_is_away_fails_no_examination(
    green_api_connection: GreenApiEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a healthy one nor what an unhealthy one has to say."""
    (tmp_path / "file").write_text("")
    for store in (ObjectStorageStore(tmp_path / "file"), SqlStore("no_such_connection")):
        assert doctor.check_instance(CONNECTION, report_to=store)["healthy"] is True
    first, second = warnings(caplog)
    assert first.startswith("What was found is not reported into ObjectStorageStore(")
    assert "no_such_connection" in second


def test_store_that_hangs_delays_an_examination_for_a_time_only(
    green_api_connection: GreenApiEmulator,
    store: SqlStore,
    database: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody keeps the database locked, for longer than the alert may wait."""
    monkeypatch.setattr(doctor, "REPORT_TIMEOUT", 0.3)
    green_api_connection.state("notAuthorized")
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(AirflowException, match="notAuthorized"):
            doctor.check_instance(CONNECTION, report_to=store)
        other.execute("ROLLBACK")
    other.close()
    assert warnings(caplog) == [f"What was found is not reported: {store!r} gave no answer in 0.3 s."]
    deadline = time.monotonic() + 15
    while not store.reports():  # the thread writes it all the same, and must not outlive the folder
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_store_that_is_none_is_refused_before_the_examination(green_api_connection: GreenApiEmulator) -> None:
    """A mistake is told at once, and not as a warning each night."""
    with pytest.raises(ValueError, match=r"report_to is 'warehouse'; it must be a SqlStore"):
        doctor.check_instance(CONNECTION, report_to="warehouse")  # type: ignore[arg-type]
    assert green_api_connection.requests() == []


@pytest.mark.airflow
@pytest.mark.slow
def test_task_reports_into_the_store_that_a_dag_names(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    store: SqlStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Through Airflow's own hands, which render what is templated."""
    from airflow.sdk import DAG, task

    caplog.set_level(logging.WARNING, doctor.log.name)
    with DAG("dag_of_a_doctor_that_reports", schedule=None) as dag:
        check = task(task_id="check")(doctor.check_instance)
        check(report_to=SqlStore("store", table="t_{{ dag.dag_id }}"))
    assert run_dag(dag).get_task_instance("check").state == "success"
    (report,) = SqlStore("store", table="t_dag_of_a_doctor_that_reports").reports()
    assert report.body["healthy"] is True
