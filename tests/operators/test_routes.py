"""Routes: each asset is told of what in a batch is meant for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import ObjectStorageStore, SqlStore, read_batch

SALES = Asset("routes_sales")
CALLS = Asset("routes_calls")
ALL = Asset("routes_all")
STORE = SqlStore("warehouse")


def message(text: str) -> dict[str, Any]:
    return {
        "typeWebhook": "incomingMessageReceived",
        "senderData": {"chatId": "79001234567@c.us", "sender": "79001234567@c.us"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}},
    }


def events_of(run: Any) -> dict[str, dict[str, Any]]:
    """What each asset was told by a Dag run."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        events = session.query(AssetEvent).filter_by(source_dag_id=run.dag_id, source_run_id=run.run_id)
        return {event.name: event.extra for event in events}


def dag_with(dag_id: str, store: Any, **arguments: Any) -> DAG:
    with DAG(dag_id, schedule=None) as dag:
        GreenApiDrainNotificationsOperator(task_id="drain", store=store, receive_timeout=0.2, **arguments)
    return dag


@pytest.mark.slow
def test_each_asset_is_told_of_its_part(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Its event reads just what its filter fits; an asset for which nothing came has none."""
    green_api_connection.push(message("buy 1"), message("hello"), message("buy 2"))
    routes = [(SALES, NotificationFilter(text="^buy")), (CALLS, {"type_webhook": "incomingCall"})]
    run = run_dag(dag_with("dag_of_routes", ObjectStorageStore(tmp_path), routes=routes, outlets=[ALL]))
    events = events_of(run)
    assert {*events} == {SALES.name, ALL.name}
    assert events[SALES.name]["count"] == len(read_batch(events[SALES.name])) == 2
    assert [each.text for each in read_batch(events[SALES.name])] == ["buy 1", "buy 2"]
    assert [each.text for each in read_batch(events[ALL.name])] == ["buy 1", "hello", "buy 2"]


def test_route_to_an_outlet_is_the_event_of_that_outlet(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Named in both places, it is told what its route says, and of nothing else."""
    green_api_connection.push(message("hello"))
    routes = [(SALES, {"text": "^buy"}), (ALL, {"type_webhook": "incomingMessageReceived"})]
    store = ObjectStorageStore(tmp_path)
    run = run_dag(dag_with("dag_of_routed_outlets", store, routes=routes, outlets=[SALES, ALL]))
    events = events_of(run)
    assert {*events} == {ALL.name}
    assert events[ALL.name]["matching"] == {"type_webhook": ["incomingMessageReceived"]}


def test_filter_of_a_route_may_be_a_template(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """What another task returns says what is meant for whom."""
    green_api_connection.push(message("buy 1"), message("sell 2"))

    @task
    def choose() -> str:
        return "^sell"

    with DAG("dag_of_chosen_routes", schedule=None) as dag:
        GreenApiDrainNotificationsOperator(
            task_id="drain",
            store=ObjectStorageStore(tmp_path),
            routes=[(SALES, {"text": choose()})],
            receive_timeout=0.2,
        )
    (extra,) = events_of(run_dag(dag)).values()
    assert [each.text for each in read_batch(extra)] == ["sell 2"]


def test_dict_of_assets_is_as_good_as_pairs() -> None:
    """Where Airflow allows one."""
    try:
        routes = {SALES: {"text": "a"}}
    except TypeError:
        pytest.skip("Airflow below 3.2 can't have an asset in a dict")
    in_dict = GreenApiDrainNotificationsOperator(task_id="in_dict", store=STORE, routes=routes)
    in_pairs = GreenApiDrainNotificationsOperator(task_id="in_pairs", store=STORE, routes=[*routes.items()])
    assert in_dict.routes == in_pairs.routes
    assert in_dict.outlets == in_pairs.outlets == [SALES]


def test_event_itself_is_read() -> None:
    """A Dag hands on what Airflow gives it; what is no event of a drain is refused."""

    batch = {"store": "sql", "conn_id": "warehouse", "table": "t", "batch_id": "b", "count": 0}
    assert read_batch(SimpleNamespace(extra={"batch": batch})) is not None
    with pytest.raises(ValueError, match="Not the description of a batch"):
        read_batch({"batch": "none"})


@pytest.mark.parametrize(
    ("routes", "text"),
    [
        ({"sales": {"text": "a"}}, "routes is"),
        ([SALES], "routes is"),
        (None, "routes is"),
        ("{{ params.routes }}", "routes is"),
        ([(SALES, {"text": "a"}), (Asset(SALES.name, uri="other://sales"), {"text": "b"})], "of one name"),
        ([(SALES, lambda notification: True)], "an event can't hold code"),
        ([(SALES, {"colour": "red"})], r"routes\['routes_sales'\]: 'colour' is no part"),
        ([(SALES, None)], r"routes\['routes_sales'\] is None"),
    ],
)
def test_wrong_routes_are_refused_in_words(routes: Any, text: str) -> None:
    """Where the Dag is parsed."""
    with pytest.raises(ValueError, match=text):
        GreenApiDrainNotificationsOperator(task_id="drain", store=STORE, routes=routes)


def test_routes_need_a_store_whose_batches_can_be_read() -> None:
    """One of a user's own is none: nobody could tell what came."""

    class Own(SqlStore):
        pass

    class Other:
        pass

    for name in dir(STORE):
        if not name.startswith("__"):
            setattr(Other, name, None)
    GreenApiDrainNotificationsOperator(
        task_id="drain", store=Own("warehouse"), routes=[(SALES, {"text": "a"})]
    )
    with pytest.raises(ValueError, match="if there are routes"):
        GreenApiDrainNotificationsOperator(task_id="drain", store=Other(), routes=[(SALES, {"text": "a"})])  # type: ignore[arg-type]
