"""What all tasks have in common: templates rendered on copies, one hook, events with something in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiDeleteNotificationOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiReceiveNotificationOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore, read_batch

CHAT = "12025550101@c.us"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
each_kind = pytest.mark.parametrize("kind", ["filter", "dict", "function"])


def message(text: str, chat_id: str = CHAT) -> dict[str, Any]:
    """An incoming message of a chat."""
    return {
        "typeWebhook": "incomingMessageReceived",
        "idMessage": f"ID-{text}",
        "senderData": {"chatId": chat_id, "sender": chat_id},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}},
    }


def from_chat(notification: Notification) -> bool:
    """Tell whether a notification is from the chat that is meant."""
    return notification.chat_id == CHAT


def filter_of(kind: str) -> Any:
    """Return a filter for the chat in one of the forms that a Dag may give it in."""
    forms = {
        "filter": NotificationFilter(chat_id="{{ params.chat }}"),
        "dict": {"chat_id": "{{ params.chat }}"},
        "function": from_chat,
    }
    return forms[kind]


def texts(batch: Any) -> list[str | None]:
    return [notification.text for notification in read_batch(batch)]


def result(run: Any, task_id: str, map_index: int = -1) -> Any:
    ti = run.get_task_instance(task_id, map_index=map_index)
    return ti.xcom_pull(task_ids=task_id, map_indexes=map_index if map_index >= 0 else None)


# --- rendering ---


@each_kind
def test_filter_of_a_drain_is_rendered_in_each_form(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    """What is accepted goes to the one store and the rest to the other, both with their own templates."""
    green_api_connection.push(message("yes"), message("no", "1@c.us"))
    with DAG(f"dag_of_accept_{kind}", schedule=None, params={"chat": CHAT, "folder": str(tmp_path)}) as dag:
        GreenApiDrainNotificationsOperator(
            task_id="drain",
            store=ObjectStorageStore("{{ params.folder }}/accepted"),
            accept=filter_of(kind),
            unmatched=ObjectStorageStore("{{ params.folder }}/rest"),
            receive_timeout=0.2,
        )
    batch = result(run_dag(dag), "drain")
    assert (texts(batch), texts(batch["unmatched"])) == (["yes"], ["no"])
    assert {path.name for path in tmp_path.iterdir()} == {"accepted", "rest"}


@each_kind
def test_filter_and_store_of_a_sensor_are_rendered_in_each_form(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    """The sensor takes the same as the drain, and treats it the same."""
    green_api_connection.push(message("no", "1@c.us"), message("yes"))
    with DAG(f"dag_of_matching_{kind}", schedule=None, params={"chat": CHAT, "folder": str(tmp_path)}) as dag:
        GreenApiNotificationSensor(
            task_id="wait",
            matching=filter_of(kind),
            unmatched=ObjectStorageStore("{{ params.folder }}/rest"),
            receive_timeout=0.2,
            poke_interval=0,
            timeout=30,
        )
    run = run_dag(dag)
    assert Notification.from_dict(result(run, "wait")).text == "yes"
    assert {path.name for path in tmp_path.iterdir()} == {"rest"}


def drain_dag(store: Any, dag_id: str = "dag_of_shared_store") -> DAG:
    with DAG(dag_id, schedule=None, params={"folder": ""}) as dag:
        GreenApiDrainNotificationsOperator(
            task_id="first", store=store, max_notifications=1, receive_timeout=0.2
        ) >> GreenApiDrainNotificationsOperator(task_id="second", store=store, receive_timeout=0.2)
    return dag


def test_store_of_a_module_keeps_its_templates_for_the_next_task_and_run(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Two tasks with one store, and two runs of one Dag, each write where their own templates say."""
    store = ObjectStorageStore("{{ params.folder }}/{{ ti.task_id }}")
    dag = drain_dag(store)
    for folder in ("a", "b"):
        green_api_connection.push(*traffic(seed=ord(folder), n=2))
        run = run_dag(dag, run_conf={"folder": str(tmp_path / folder)})
        assert [result(run, name)["count"] for name in ("first", "second")] == [1, 1]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")) == [
        "a/first",
        "a/second",
        "b/first",
        "b/second",
    ]
    assert str(store.path) == "{{ params.folder }}/{{ ti.task_id }}"


@pytest.mark.parametrize("how", ["partial", "expand"])
def test_mapped_tasks_each_render_a_copy_of_the_store(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path, how: str
) -> None:
    """The second map index doesn't write where the first did."""
    green_api_connection.push(*traffic(seed=1, n=2))
    store = ObjectStorageStore(f"{tmp_path}/{{{{ ti.map_index }}}}")
    with DAG(f"dag_of_mapped_{how}", schedule=None) as dag:
        partial = {"task_id": "drain", "receive_timeout": 0.2, "max_active_tis_per_dagrun": 1}
        if how == "partial":
            GreenApiDrainNotificationsOperator.partial(store=store, **partial).expand(
                max_notifications=[1, 1]  # whichever index Airflow runs first leaves one to the other
            )
        else:
            GreenApiDrainNotificationsOperator.partial(max_notifications=1, **partial).expand(
                store=[store, store]
            )
    run = run_dag(dag)
    assert [result(run, "drain", index)["count"] for index in (0, 1)] == [1, 1]
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def test_store_of_ones_own_is_rendered_on_a_copy_too(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Whatever has ``template_fields`` is left as it was written."""

    class Archive(ObjectStorageStore):
        template_fields = ("path",)

    store = Archive(f"{tmp_path}/{{{{ ti.task_id }}}}")
    green_api_connection.push(*traffic(seed=1, n=2))
    run_dag(drain_dag(store, "dag_of_own_store"))
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def test_output_of_a_task_works_in_every_argument(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Numbers, switches and choices may come from another task, which is waited for."""

    @task(multiple_outputs=True)
    def decide() -> dict[str, Any]:
        return {"one": 1, "no": False, "stop": "stop", "bytes": 100_000}

    with DAG("dag_of_outputs", schedule=None):
        decided = decide()
        drain = GreenApiDrainNotificationsOperator(
            task_id="drain",
            store=SqlStore("store"),
            empty_answers=decided["one"],
            overlap=decided["no"],
            skip_if_empty=decided["no"],
            receive_timeout=0.2,
        )
        process = GreenApiProcessNotificationsOperator(
            task_id="process", handler=print, on_error=decided["stop"], receive_timeout=0.2
        )
        receive = GreenApiReceiveNotificationOperator(
            task_id="receive", max_xcom_bytes=decided["bytes"], on_empty="none", receive_timeout=0.2
        )
    assert [each.upstream_task_ids for each in (drain, process, receive)] == [{"decide"}] * 3


@pytest.mark.airflow
def test_output_of_a_task_inside_a_store_is_waited_for_and_used(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A table that another task names is the one that is written to, in each task that uses the store."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    green_api_connection.push(*traffic(seed=1, n=2))

    @task
    def choose() -> str:
        return "chosen"

    with DAG("dag_of_chosen_table", schedule=None) as dag:
        store = SqlStore("store", table=choose())  # type: ignore[arg-type]
        drain = GreenApiDrainNotificationsOperator(task_id="drain", store=store, receive_timeout=0.2)
        backfill = GreenApiBackfillMessagesOperator(task_id="backfill", store=store, receive_timeout=0.2)
        drain >> backfill
    assert drain.upstream_task_ids == {"choose"}
    assert backfill.upstream_task_ids == {"choose", "drain"}
    run = run_dag(dag)
    assert [result(run, name)["table"] for name in ("drain", "backfill")] == ["chosen", "chosen"]


@pytest.mark.airflow
def test_output_of_a_task_inside_the_store_of_mapped_tasks_is_used(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """What ``.partial()`` gets Airflow doesn't look into, so the Dag sets that dependency."""
    green_api_connection.push(*traffic(seed=1, n=2))

    @task
    def choose() -> str:
        return str(tmp_path / "chosen")

    with DAG("dag_of_mapped_choice", schedule=None) as dag:
        chosen = choose()
        chosen >> GreenApiDrainNotificationsOperator.partial(
            task_id="drain",
            store=ObjectStorageStore(chosen),  # type: ignore[arg-type]
            receive_timeout=0.2,
            max_active_tis_per_dagrun=1,
        ).expand(max_notifications=[1, 1])
    run = run_dag(dag)
    assert [result(run, "drain", index)["count"] for index in (0, 1)] == [1, 1]
    assert {path.name for path in tmp_path.iterdir()} == {"chosen"}


# --- hook ---


def test_operator_has_one_hook_for_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the official providers: a subclass, or a test, may put another in its place."""
    drain = GreenApiDrainNotificationsOperator(
        task_id="drain", store=SqlStore("store"), green_api_conn_id="other"
    )
    assert isinstance(drain.hook, GreenApiHook)
    assert drain.hook is drain.hook
    assert drain.hook.green_api_conn_id == "other"


def test_hook_of_a_subclass_is_the_one_that_is_used(green_api_connection: GreenApiEmulator) -> None:
    """How often a call is tried is set there."""

    class Impatient(GreenApiReceiveNotificationOperator):
        @property
        def hook(self) -> GreenApiHook:  # type: ignore[override]
            return GreenApiHook(self.green_api_conn_id, max_attempts=1)

    green_api_connection.fault("502", times=1)
    with pytest.raises(Exception, match="502"):
        Impatient(task_id="receive", receive_timeout=0.2).execute({})  # type: ignore[arg-type]
    assert len(green_api_connection.requests()) == 1


# --- events of outlets ---

INBOX = Asset("green_api_inbox_of_outlets")


def events_of(run: Any) -> list[Any]:
    """What assets were told by a Dag run."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        events = session.query(AssetEvent).filter_by(source_dag_id=run.dag_id, source_run_id=run.run_id)
        return [event.extra for event in events]


def outlet_dag(dag_id: str, tmp_path: Path, **arguments: Any) -> DAG:
    with DAG(dag_id, schedule=None) as dag:
        GreenApiDrainNotificationsOperator(
            task_id="drain",
            store=ObjectStorageStore(tmp_path / "accepted"),
            outlets=[INBOX],
            receive_timeout=0.2,
            **arguments,
        )
    return dag


def test_event_of_an_outlet_carries_the_batch_and_an_empty_queue_makes_none(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Whoever is started by the asset reads the batch that was meant; nothing starts for nothing."""
    dag = outlet_dag("dag_of_outlets", tmp_path)
    green_api_connection.push(message("yes"))
    run = run_dag(dag)
    (extra,) = events_of(run)
    assert texts(extra["batch"]) == ["yes"]
    empty = run_dag(dag)
    assert str(empty.state) == "success"
    assert events_of(empty) == []


def test_event_of_an_outlet_tells_also_of_what_was_not_accepted(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """A batch of the other store is somebody's too."""
    green_api_connection.push(message("no", "1@c.us"))
    unmatched = ObjectStorageStore(tmp_path / "rest")
    run = run_dag(outlet_dag("dag_of_rest", tmp_path, accept=from_chat, unmatched=unmatched))
    (extra,) = events_of(run)
    assert texts(extra["batch"]["unmatched"]) == ["no"]


def test_event_of_processing_tells_what_was_handled(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """And an empty queue makes none here either; nor does receiving nothing."""
    with DAG("dag_of_processed", schedule=None) as dag:
        GreenApiProcessNotificationsOperator(
            task_id="process",
            handler=lambda notification: None,
            dead_letter=ObjectStorageStore(tmp_path / "dead"),
            outlets=[INBOX],
            receive_timeout=0.2,
        ) >> GreenApiReceiveNotificationOperator(
            task_id="receive", on_empty="none", outlets=[INBOX], receive_timeout=0.2
        )
    green_api_connection.push(message("yes"))
    (extra,) = events_of(run_dag(dag))
    assert (extra["handled"], extra["dead_letters"]) == (1, 0)
    assert events_of(run_dag(dag)) == []


# --- how tasks are shown ---


def serialized(dag: DAG) -> Any:
    from airflow.serialization import serialized_objects

    # Airflow 3.1 has it under the other name.
    serialization = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    return serialization.to_dict(dag)


def test_dag_is_written_the_same_at_each_parse_whatever_its_filters_and_stores_are() -> None:
    """No address in memory gets into it, which would make a new version of the Dag at each parse."""

    class Archive(NotificationStore):
        """A store of one's own."""

    def dag() -> DAG:
        def local(notification: Notification) -> bool:
            return True

        class Judge:
            def __call__(self, notification: Notification) -> bool:
                return True

        with DAG("dag_of_odd_arguments", schedule=None) as dag:
            for number, matching in enumerate((local, Judge(), lambda n: True)):
                GreenApiDrainNotificationsOperator(
                    task_id=f"drain_{number}", store=Archive(), accept=matching, unmatched=SqlStore("rest")
                )
            GreenApiProcessNotificationsOperator(task_id="process", handler=local, dead_letter=Archive())
            GreenApiDeleteNotificationOperator(
                task_id="delete", notification=Notification(1, message("yes"), received_at=NOON)
            )
            GreenApiDrainNotificationsOperator.partial(task_id="mapped", accept=local).expand(
                unmatched=[Archive(), Archive()], store=[Archive()]
            )
            GreenApiProcessNotificationsOperator.partial(task_id="mapped_process", handler=local).expand(
                dead_letter=[Archive()]
            )
        return dag

    one, other = json.dumps(serialized(dag())), json.dumps(serialized(dag()))
    assert " at 0x" not in one
    assert one == other


@pytest.mark.parametrize(
    "operator",
    [GreenApiDrainNotificationsOperator, GreenApiNotificationSensor, GreenApiBackfillMessagesOperator],
)
def test_filters_batches_and_stores_are_shown_as_code(operator: Any) -> None:
    """The page of rendered templates says what is a dict."""
    assert set(operator.template_fields_renderers) <= set(operator.template_fields)
    assert set(operator.template_fields_renderers.values()) <= {"json", "py"}
    assert operator.template_fields_renderers


# --- passing notifications on ---


def test_notification_returned_from_a_task_is_refused_where_it_is_returned(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The text says what to return instead; the task behind it is not the one that breaks."""

    @task
    def pick() -> Notification:
        return Notification(1, message("yes"))

    @task
    def show(notification: Any) -> None:
        print(notification)

    with DAG("dag_of_returned_notification", schedule=None) as dag:
        show(pick())
    run = run_dag(dag)
    assert [run.get_task_instance(name).state for name in ("pick", "show")] == ["failed", "upstream_failed"]
    with pytest.raises(TypeError, match=r"as_xcom\(\).*from_dict"):
        Notification(1, {}).serialize()  # type: ignore[attr-defined]


def test_seconds_may_be_a_timedelta(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Wherever seconds are meant."""
    green_api_connection.push(message("yes"))
    with DAG("dag_of_timedeltas", schedule=None) as dag:
        GreenApiDrainNotificationsOperator(
            task_id="drain",
            store=ObjectStorageStore(tmp_path),
            max_seconds=timedelta(minutes=1),
            receive_timeout=timedelta(milliseconds=200),
            wait_for_reader=timedelta(0),
        )
    assert result(run_dag(dag), "drain")["count"] == 1
