"""The example Dags of teams that share a queue, run with real Airflow in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_green_notify.emulator import GreenApiEmulator
from tests.example_dags.conftest import load_dag, states

EXAMPLE = "three_teams_one_queue"


def message(number: int) -> dict[str, Any]:
    return {
        "typeWebhook": "incomingMessageReceived",
        "idMessage": f"ID{number}",
        "senderData": {"chatId": "79001234567@c.us", "sender": "79001234567@c.us"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": str(number)}},
    }


def told(run: Any) -> set[str]:
    """Which assets a Dag run raised."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        events = session.query(AssetEvent).filter_by(source_dag_id=run.dag_id, source_run_id=run.run_id)
        return {event.name for event in events}


def test_each_team_works_on_what_is_meant_for_it_and_once(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], warehouse: str
) -> None:
    """A team for which nothing came isn't started; one that comes again has nothing to do."""
    calls = [{"typeWebhook": "incomingCall", "from": "79001234567@c.us", "idMessage": f"C{n}"} for n in "12"]
    green_api_connection.push(*map(message, range(3)), *calls)
    drained = run_dag(load_dag(EXAMPLE))
    assert told(drained) == {"green_api_sales", "green_api_telephony"}
    found = {}
    for team in ("sales", "delivery", "telephony"):
        run = run_dag(load_dag(EXAMPLE, f"green_api_{team}"))
        found[team] = run.get_task_instance("work").xcom_pull(task_ids="work")
    assert found == {"sales": 3, "delivery": None, "telephony": 2}
    again = run_dag(load_dag(EXAMPLE, "green_api_sales"))
    assert set(states(again).values()) == {"skipped"}


def test_team_that_failed_gets_its_page_again(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], warehouse: str
) -> None:
    """Nothing is passed by, though the event was for the run that failed."""
    green_api_connection.push(message(1))
    run_dag(load_dag(EXAMPLE))
    dag = load_dag(EXAMPLE, "green_api_sales")

    def fail(page: Any) -> None:
        raise RuntimeError("no warehouse today")

    dag.get_task("work").python_callable = fail
    assert str(run_dag(dag).state) == "failed"
    green_api_connection.push(message(2))
    run_dag(load_dag(EXAMPLE))
    runs = [run_dag(load_dag(EXAMPLE, "green_api_sales")) for _ in range(2)]
    assert [run.get_task_instance("work").xcom_pull(task_ids="work") for run in runs] == [1, 1]
