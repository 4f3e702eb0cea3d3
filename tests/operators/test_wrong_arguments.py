"""Wrong arguments of every class: refused in the Dag file, or before anything is asked of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from airflow.models import DagBag
from airflow.sdk import DAG, BaseOperator, task
from airflow.triggers.base import BaseEventTrigger

from airflow_green_notify.assets import create_asset
from airflow_green_notify.drain import adrain, drain
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.messaging import GreenApiMessageQueueProvider
from airflow_green_notify.notification import Notification
from airflow_green_notify.notifiers import GreenApiNotifier
from airflow_green_notify.operators import (
    GreenApiBackfillMessagesOperator,
    GreenApiCallOperator,
    GreenApiConfigureInstanceOperator,
    GreenApiCreateModelsOperator,
    GreenApiDeleteNotificationOperator,
    GreenApiDownloadMediaOperator,
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    GreenApiReadNewOperator,
    GreenApiReceiveNotificationOperator,
    GreenApiSendFileOperator,
    GreenApiSendMessageOperator,
    GreenApiSendPollOperator,
)
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.task import WrongArgumentError
from airflow_green_notify.triggers import GreenApiDoorbellTrigger, GreenApiNotificationTrigger

PHONE = "+1 202 555 0101"


async def later(notification: Notification) -> bool:
    return True


def echo(notification: Notification) -> str | None:
    return notification.text


def bit_by_bit(notification: Notification) -> Iterator[bool]:
    yield True


def without_argument() -> bool:
    return True


class Later:
    async def __call__(self, notification: Notification) -> bool:
        return True


# What each class needs to be made at all.
NEEDED: dict[type[BaseOperator], dict[str, Any]] = {
    GreenApiDrainNotificationsOperator: {"store": SqlStore("warehouse")},
    GreenApiProcessNotificationsOperator: {"handler": print, "dead_letter": SqlStore("warehouse")},
    GreenApiReceiveNotificationOperator: {},
    GreenApiDeleteNotificationOperator: {"receipt_id": 1},
    GreenApiDownloadMediaOperator: {"notifications": [], "path": "media"},
    GreenApiBackfillMessagesOperator: {"store": SqlStore("warehouse")},
    GreenApiConfigureInstanceOperator: {},
    GreenApiSendMessageOperator: {"chat_id": "12025550101@c.us", "message": "Hello"},
    GreenApiSendFileOperator: {"chat_id": "12025550101@c.us", "file": "report.pdf"},
    GreenApiSendPollOperator: {
        "chat_id": "12025550101@c.us",
        "message": "Shall we?",
        "options": ["yes", "no"],
    },
    GreenApiCallOperator: {"verb": "GET", "method": "getContacts"},
    GreenApiNotificationSensor: {},
    GreenApiReadNewOperator: {"store": SqlStore("warehouse"), "consumer": "billing"},
    GreenApiCreateModelsOperator: {"store": SqlStore("warehouse")},
}
OF_STORES = (GreenApiReadNewOperator, GreenApiCreateModelsOperator)
"""Those that read a store, and never the gateway."""

OF_GATEWAY = [operator for operator in NEEDED if operator not in OF_STORES]
DRAIN = GreenApiDrainNotificationsOperator
PROCESS = GreenApiProcessNotificationsOperator
SENSOR = GreenApiNotificationSensor
RECEIVE = GreenApiReceiveNotificationOperator
DELETE = GreenApiDeleteNotificationOperator
MEDIA = GreenApiDownloadMediaOperator
BACKFILL = GreenApiBackfillMessagesOperator
CONFIGURE = GreenApiConfigureInstanceOperator
SEND = GreenApiSendMessageOperator
SEND_FILE = GreenApiSendFileOperator
POLL = GreenApiSendPollOperator
CALL = GreenApiCallOperator
READ_NEW = GreenApiReadNewOperator
MODELS = GreenApiCreateModelsOperator
REST = SqlStore("rest")

WRONG: list[tuple[type[BaseOperator], dict[str, Any], str]] = [
    *(
        (operator, {"green_api_conn_id": ""}, "green_api_conn_id is ''; .*connection")
        for operator in OF_GATEWAY
    ),
    *((operator, {"green_api_conn_id": None}, "green_api_conn_id is None") for operator in OF_GATEWAY),
    *(
        (operator, {"receive_timeout": 100}, "receive_timeout is 100; it must be .* between 5 and 60")
        for operator in (DRAIN, PROCESS, SENSOR, RECEIVE, DELETE, BACKFILL)
    ),
    *(
        (operator, wrong, text)
        for operator in (DRAIN, PROCESS)
        for wrong, text in (
            ({"max_notifications": 0}, "max_notifications is 0; it must be a whole number from 1 on"),
            ({"max_notifications": "two"}, "max_notifications is 'two'"),
            ({"max_notifications": 2.5}, "max_notifications is 2.5"),
            ({"max_notifications": True}, "max_notifications is True"),
            ({"max_seconds": -1}, "max_seconds is -1; it must be a number of seconds above 0"),
            ({"max_seconds": float("nan")}, "max_seconds is nan"),
            ({"max_seconds": "long"}, "max_seconds is 'long'"),
            ({"empty_answers": 0}, "empty_answers is 0"),
            ({"until": "yesterday"}, "until is 'yesterday'; it must be 'start', None or a timestamp"),
            ({"until": datetime(2026, 1, 1)}, "until is .*time zone"),
            ({"until": "2026-01-01"}, "until is '2026-01-01'.*time zone"),
            ({"wait_for_reader": -1}, "wait_for_reader is -1; it must be a number of seconds from 0 on"),
            ({"overlap": "maybe"}, "overlap is 'maybe'; it must be True or False"),
            ({"skip_if_empty": 1}, "skip_if_empty is 1; it must be True or False"),
        )
    ),
    (DRAIN, {"store": "warehouse"}, "store is 'warehouse'; it must be a store, such as SqlStore"),
    (DRAIN, {"store": SqlStore}, "store is <class .*SqlStore'>"),
    (DRAIN, {"store": None}, "store is None"),
    *(
        (READ_NEW, wrong, text)
        for wrong, text in (
            ({"store": "warehouse"}, "store is 'warehouse'; it must be a store, such as SqlStore"),
            ({"consumer": ""}, "consumer is ''; it must be a name"),
            ({"consumer": "a "}, "consumer is 'a '"),
            ({"matching": {"txt": "x"}}, "matching: 'txt' is no part of a filter"),
            ({"matching": echo}, "matching is a function, which"),
            ({"start": "2026-01-01"}, "start is '2026-01-01'; it must be 'beginning', 'now' or a time"),
            ({"page_size": 0}, "page_size is 0"),
            ({"skip_if_empty": 1}, "skip_if_empty is 1"),
            ({"wait_for_reader": -1}, "wait_for_reader is -1"),
            ({"do_xcom_push": False}, "do_xcom_push is False"),
        )
    ),
    (MODELS, {"store": "warehouse"}, "store is 'warehouse'; it must be a SqlStore"),
    (MODELS, {"silence": 0}, "silence is 0; it must be a number of seconds above 0"),
    (DRAIN, {"accept": {"type_webhook": "x"}}, "accept and unmatched go together"),
    (DRAIN, {"unmatched": REST}, "accept and unmatched go together"),
    (DRAIN, {"accept": {}, "unmatched": "delete"}, "unmatched is 'delete'; it must be a store"),
    (DRAIN, {"accept": {}, "unmatched": SqlStore("warehouse")}, "store and unmatched are the same"),
    (
        DRAIN,
        {
            "store": ObjectStorageStore("s3://bucket/a"),
            "accept": {},
            "unmatched": ObjectStorageStore("s3://bucket/a/", format="parquet"),
        },
        "store and unmatched are the same",
    ),
    (DRAIN, {"accept": {"txt": "x"}, "unmatched": REST}, "accept: 'txt' is no part of a filter"),
    (DRAIN, {"accept": {"text": "("}, "unmatched": REST}, r"accept: text='\(' is no regular expression"),
    (DRAIN, {"accept": {"chat_id": PHONE}, "unmatched": REST}, r"accept: chat_id is '\+1 202 555 0101'"),
    (DRAIN, {"accept": NotificationFilter(sender=PHONE), "unmatched": REST}, r"accept: sender is '\+1"),
    (DRAIN, {"accept": "incoming", "unmatched": REST}, "accept is 'incoming'; it must be a Notification"),
    (DRAIN, {"accept": NotificationFilter, "unmatched": REST}, "accept is <class .*NotificationFilter'>"),
    (DRAIN, {"accept": later, "unmatched": REST}, "accept is later, which is async"),
    (DRAIN, {"accept": Later(), "unmatched": REST}, "accept is .*Later.*, which is async"),
    (DRAIN, {"accept": bit_by_bit, "unmatched": REST}, "accept is bit_by_bit, which is a generator"),
    (
        DRAIN,
        {"accept": without_argument, "unmatched": REST},
        "accept is without_argument, which doesn't take",
    ),
    (DRAIN, {"do_xcom_push": False}, "do_xcom_push is False"),
    (PROCESS, {"handler": "load"}, "handler is 'load'; it must be a function"),
    (PROCESS, {"handler": later}, "handler is later, which is async"),
    (PROCESS, {"handler": Later()}, "handler is .*Later.*, which is async"),
    (PROCESS, {"handler": bit_by_bit}, "handler is bit_by_bit, which is a generator"),
    (PROCESS, {"handler": without_argument}, "handler is without_argument, which doesn't take"),
    (PROCESS, {"dead_letter": "warehouse"}, "dead_letter is 'warehouse'; it must be a store"),
    (PROCESS, {"dead_letter": None}, "dead_letter is None"),
    (PROCESS, {"max_attempts": 0}, "max_attempts is 0; it must be a whole number from 1 on"),
    (PROCESS, {"on_error": "ignore"}, "on_error is 'ignore'; it must be 'dead_letter' or 'stop'"),
    (SENSOR, {"matching": {"chat_id": PHONE}}, r"matching: chat_id is '\+1 202 555 0101'"),
    (SENSOR, {"matching": {"chat_id": ["1@c.us", PHONE]}}, r"matching: chat_id is '\+1 202 555 0101'"),
    (SENSOR, {"matching": {"quoted_id": ""}}, "matching: quoted_id is ''"),
    (SENSOR, {"matching": bit_by_bit}, "matching is bit_by_bit, which is a generator"),
    (SENSOR, {"unmatched": SqlStore}, "unmatched is <class"),
    (SENSOR, {"max_xcom_bytes": 0}, "max_xcom_bytes is 0"),
    (SENSOR, {"deferrable": "{{ params.deferrable }}"}, "deferrable is .*; it must be True or False"),
    (RECEIVE, {"on_empty": "ignore"}, "on_empty is 'ignore'; it must be 'skip', 'none' or 'fail'"),
    (RECEIVE, {"max_xcom_bytes": "much"}, "max_xcom_bytes is 'much'"),
    (DELETE, {"receipt_id": None}, "Give either notification= or receipt_id="),
    (DELETE, {"notification": {}}, "Give either notification= or receipt_id="),
    (DELETE, {"receipt_id": "first"}, "receipt_id is 'first'; it must be a whole number"),
    (DELETE, {"receipt_id": None, "notification": {"key": 1}}, "notification: Not a notification"),
    (DELETE, {"if_gone": "retry"}, "if_gone is 'retry'; it must be 'ignore', 'skip' or 'fail'"),
    (MEDIA, {"notifications": None}, "notifications is None"),
    (MEDIA, {"notifications": 5}, "notifications is 5"),
    (MEDIA, {"path": ""}, "path is ''"),
    (MEDIA, {"on_failed": "skip"}, "on_failed is 'skip'; it must be 'list' or 'fail'"),
    (BACKFILL, {"store": "warehouse"}, "store is 'warehouse'"),
    (BACKFILL, {"minutes": 0}, "minutes is 0; it must be a whole number from 1 on"),
    (BACKFILL, {"journals": ["calls"]}, "journals is .*'calls'.*; it must be .*'incoming' and 'outgoing'"),
    (BACKFILL, {"journals": ()}, "journals is"),
    (BACKFILL, {"do_xcom_push": False}, "do_xcom_push is False"),
    (CONFIGURE, {"switch_on": ["incoming"]}, "switch_on is .*'incoming'.*; it must be .*incomingCallWebhook"),
    (CONFIGURE, {"switch_off": 5}, "switch_off is 5"),
    (CONFIGURE, {"switch_off": "incomingWebhook"}, "switch_on and switch_off both name incomingWebhook"),
    (CONFIGURE, {"max_wait": -1}, "max_wait is -1"),
    (CONFIGURE, {"poll_interval": 0}, "poll_interval is 0"),
    (CONFIGURE, {"deferrable": "yes"}, "deferrable is 'yes'; it must be True or False"),
    *(
        (operator, wrong, text)
        for operator in (SEND, SEND_FILE, POLL)
        for wrong, text in (
            ({"chat_id": PHONE}, r"chat_id is '\+1 202 555 0101'; it must be the id of a chat, such as"),
            ({"chat_id": "12025550101"}, ""),
            ({"chat_id": -1001234567890}, ""),
            ({"chat_id": "120363000000000000@g.us"}, ""),
            ({"chat_id": "200000000000042@lid"}, ""),
            ({"chat_id": "status@broadcast"}, "chat_id is 'status@broadcast'"),
            ({"chat_id": None}, "chat_id is None"),
            ({"chat_id": "Ann"}, "chat_id is 'Ann'"),
            ({"deduplicate": "often"}, "deduplicate is 'often'"),
            ({"journal_lag": -1}, "journal_lag is -1"),
            ({"wait_for": "arrived"}, "wait_for is 'arrived'; it must be 'sent', 'delivered' or 'read'"),
            ({"wait_for": "read", "deduplicate": False}, "deduplicate is False; wait_for= needs it"),
            ({"wait_in": REST}, "wait_in= needs wait_for="),
            ({"wait_for": "read", "wait_in": "warehouse"}, "wait_in is 'warehouse'; it must be a SqlStore"),
            ({"on_failed": "ignore"}, "on_failed is 'ignore'; it must be 'fail' or 'skip'"),
            ({"max_wait": -1}, "max_wait is -1"),
            ({"poll_interval": 0}, "poll_interval is 0"),
            ({"deferrable": "{{ x }}"}, "deferrable is .*; it must be True or False, and no template"),
        )
    ),
    (SEND_FILE, {"file": ""}, "file is ''"),
    (SEND, {"message": None, "messages": ["a"], "wait_for": "read"}, "messages= takes no wait_for="),
    (
        POLL,
        {"options": ["yes"]},
        "options: The poll has 1 options.* it must have 2 to 12",
    ),
    (POLL, {"options": ["yes", "yes"]}, "options: The poll has 2 options, 1 of them different"),
    (POLL, {"options": "yes"}, "options: The poll's options must be a list of texts"),
    (POLL, {"multiple_answers": "perhaps"}, "multiple_answers is 'perhaps'"),
    (CALL, {"verb": "PUT"}, "verb is 'PUT'; it must be 'GET', 'POST' or 'DELETE'"),
    (CALL, {"method": "archive/Chat"}, "method is 'archive/Chat'; it must be the name of a gateway method"),
    (
        CALL,
        {"method": "ReceiveNotification"},
        "method is .*GreenApiReceiveNotificationOperator",
    ),
    (CALL, {"method": "deleteNotification"}, "method is .*GreenApiDeleteNotificationOperator"),
    (CALL, {"method": "updateApiToken"}, "method is 'updateApiToken', which answers with the new token"),
    (CALL, {"payload": ["chatId"]}, r"payload is \['chatId'\]; it must be a dict"),
    (CALL, {"repeat": "perhaps"}, "repeat is 'perhaps'"),
    (CALL, {"max_xcom_bytes": 0}, "max_xcom_bytes is 0"),
]


def names(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else ""


@pytest.mark.parametrize(("operator", "wrong", "text"), WRONG, ids=names)
def test_wrong_argument_is_refused_where_the_dag_is_parsed(
    operator: type[BaseOperator], wrong: dict[str, Any], text: str
) -> None:
    """The text names the argument, what it was, and what is allowed."""
    arguments = {"task_id": "task"} | NEEDED[operator] | wrong
    if not text:
        operator(**arguments)
        return
    with pytest.raises(WrongArgumentError, match=f"^{text}") as refused:
        operator(**arguments)
    assert isinstance(refused.value, ValueError)


def test_text_about_a_wrong_argument_is_the_import_error_of_the_dag_file(
    airflow_db: None, tmp_path: Path
) -> None:
    """Whoever opens the user interface reads it there."""
    file = tmp_path / "dag_of_import_error.py"
    file.write_text(
        "from airflow.sdk import DAG\n"
        "from airflow_green_notify.operators import GreenApiReceiveNotificationOperator\n"
        "with DAG('dag_of_import_error'):\n"
        "    GreenApiReceiveNotificationOperator(task_id='receive', on_empty='ignore')\n"
    )
    bag = DagBag(tmp_path)
    [error] = bag.import_errors.values()
    assert error.rstrip().endswith("on_empty is 'ignore'; it must be 'skip', 'none' or 'fail'.")
    assert not bag.dags


def test_error_of_another_kind_in_a_constructor_stays_what_it_is() -> None:
    """An argument that is missing, or one too many, is named by Airflow."""
    with pytest.raises(TypeError, match="store"):
        DRAIN(task_id="task")
    with pytest.raises(TypeError, match="stor"):
        DRAIN(task_id="task", store=REST, stor=REST)


@pytest.mark.parametrize("operator", NEEDED)
def test_template_in_any_argument_is_taken_where_the_dag_is_parsed(operator: type[BaseOperator]) -> None:
    """What it renders to is known only when the task runs.

    ``messages`` is never rendered, and which assets ``routes`` lead to is known to Airflow where it parses.
    """
    names = {*operator.template_fields} - {"receipt_id", "messages", "routes"}
    assert ("green_api_conn_id" in names) == (operator in OF_GATEWAY)
    for name in names:
        arguments = NEEDED[operator] | {name: "{{ params.x }}"}
        if name in ("accept", "unmatched") and operator is DRAIN:
            arguments |= {"accept": {"chat_id": "{{ params.x }}"}, "unmatched": REST, name: "{{ params.x }}"}
        if name == "notification":
            arguments.pop("receipt_id")
        if name == "notifications" and operator is SEND:
            arguments |= {"message": None, "messages": echo}
        operator(task_id="task", **arguments)


@pytest.mark.parametrize(
    ("operator", "name", "rendered"),
    [
        (DRAIN, "store", "warehouse"),
        (DRAIN, "max_notifications", "0"),
        (DRAIN, "until", "2026-01-01"),
        (DRAIN, "empty_answers", "none"),
        (DRAIN, "skip_if_empty", "perhaps"),
        (PROCESS, "max_attempts", 0),
        (PROCESS, "on_error", "ignore"),
        (RECEIVE, "on_empty", "ignore"),
        (RECEIVE, "max_xcom_bytes", "0"),
        (DELETE, "if_gone", "retry"),
        (MEDIA, "on_failed", "skip"),
        (BACKFILL, "journals", "calls"),
        (BACKFILL, "minutes", "-5"),
        (CONFIGURE, "switch_on", "incoming"),
        (SEND, "chat_id", PHONE),
        (SEND_FILE, "chat_id", "None"),
        (SEND, "deduplicate", "often"),
        (SEND, "wait_for", "arrived"),
        (POLL, "multiple_answers", "perhaps"),
        (CALL, "method", "../x"),
        (CALL, "payload", "text"),
        (READ_NEW, "consumer", "None"),
        (READ_NEW, "start", "soon"),
        (MODELS, "silence", "long"),
    ],
)
def test_wrong_argument_of_a_template_fails_the_task_at_once(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    operator: type[BaseOperator],
    name: str,
    rendered: Any,
) -> None:
    """It fails without a retry, the log names the argument, and the gateway is asked for nothing."""
    with DAG(f"dag_of_wrong_{operator.__name__}_{name}", schedule=None, params={"wrong": rendered}) as dag:
        arguments = NEEDED[operator] | {name: "{{ params.wrong }}"}
        operator(task_id="task", retries=2, **arguments)
    ti = run_dag(dag).get_task_instance("task")
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert green_api_connection.requests() == []
    assert f"{name} is " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("operator", "given", "mapped", "text"),
    [
        (DRAIN, {}, {"max_notifications": 0}, "max_notifications is 0; it must be"),
        (DRAIN, {"unmatched": REST}, {"accept": {"txt": "x"}}, "accept: 'txt' is no part of a filter"),
        (DRAIN, {"do_xcom_push": False}, {"max_notifications": 1}, "do_xcom_push is False"),
        (PROCESS, {"max_attempts": 0}, {"max_notifications": 1}, "max_attempts is 0; it must be"),
        (RECEIVE, {}, {"on_empty": "ignore"}, "on_empty is 'ignore'; it must be"),
        (DELETE, {}, {"receipt_id": None}, "Give either notification= or receipt_id="),
        (SEND, {}, {"chat_id": None}, "chat_id is None; message= needs chat_id="),
        (SENSOR, {}, {"matching": 5}, "matching is 5; it must be"),
    ],
    ids=names,
)
@pytest.mark.parametrize("of_a_task", [False, True], ids=["literal", "of_a_task"])
def test_wrong_argument_of_a_mapped_task_fails_it_at_once(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    operator: type[BaseOperator],
    given: dict[str, Any],
    mapped: dict[str, Any],
    text: str,
    of_a_task: bool,
) -> None:
    """It is constructed when it runs: it fails without a retry either, and the log says what was wrong."""

    @task
    def values() -> list[dict[str, Any]]:
        return [mapped]

    dag_id = "_".join(["dag_of_mapped", operator.__name__, *given, *mapped, str(of_a_task)])
    with DAG(dag_id, schedule=None) as dag:
        rest = {name: value for name, value in NEEDED[operator].items() if name not in mapped}
        operator.partial(task_id="task", retries=2, retry_delay=0, **rest | given).expand_kwargs(
            values() if of_a_task else [mapped]
        )
    ti = run_dag(dag).get_task_instance("task", map_index=0)
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert green_api_connection.requests() == []
    assert text in capsys.readouterr().out


def test_same_store_by_way_of_templates_is_refused_when_it_is_known(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """A filter whose rest goes where the accepted goes filters nothing."""
    with DAG("dag_of_same_store", schedule=None, params={"conn": "store"}) as dag:
        DRAIN(
            task_id="drain",
            store=SqlStore("store"),
            accept={},
            unmatched=SqlStore("{{ params.conn }}"),
            retries=2,
        )
    ti = run_dag(dag).get_task_instance("drain")
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert green_api_connection.requests() == []


@pytest.mark.parametrize("rendered", [None, "", "None"])
def test_optional_number_rendered_to_nothing_is_no_limit(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Any, rendered: Any
) -> None:
    """``"{{ params.limit }}"`` of a parameter that is ``None`` is the text "None"."""
    green_api_connection.push({"typeWebhook": "a"}, {"typeWebhook": "b"})
    with DAG("dag_of_no_limit", schedule=None, params={"limit": rendered}) as dag:
        DRAIN(
            task_id="drain",
            store=ObjectStorageStore(tmp_path),
            max_notifications="{{ params.limit }}",
            max_seconds="{{ params.limit }}",
            until="{{ params.limit }}",
            receive_timeout=0.2,
        )
    assert run_dag(dag).get_task_instance("drain").xcom_pull(task_ids="drain")["count"] == 2


@pytest.mark.parametrize("operator", NEEDED)
def test_constructor_names_every_argument(operator: type[BaseOperator]) -> None:
    """Behind ``**kwargs`` are those of every Airflow task; all but functions and switches are templates."""
    named = {*signature(operator.__init__).parameters}
    assert named >= {*operator.judges}  # type: ignore[attr-defined]
    assert named - {"self", "kwargs", "handler", "deferrable", "allow_private_addresses"} == {
        *operator.template_fields
    }


def test_drain_names_every_argument_of_its_async_twin() -> None:
    """They differ in one default only."""
    sync, twin = signature(drain).parameters, signature(adrain).parameters
    assert [*sync] == [*twin]
    assert {name for name in sync if sync[name] != twin[name]} == {"store_in_thread"}


# --- what is no operator ---


needs_shared_streams = pytest.mark.skipif(
    not hasattr(BaseEventTrigger, "create_shared_stream_producer"), reason="came with Airflow 3.3"
)


@pytest.mark.parametrize(
    ("trigger", "wrong", "text"),
    [
        (GreenApiDoorbellTrigger, {"receive_timeout": 100}, "receive_timeout is 100"),
        (GreenApiDoorbellTrigger, {"green_api_conn_id": None}, "green_api_conn_id is None"),
        (GreenApiDoorbellTrigger, {"min_ring_interval": -1}, "min_ring_interval is -1"),
        (GreenApiDoorbellTrigger, {"ring_again_after": "soon"}, "ring_again_after is 'soon'"),
        pytest.param(
            GreenApiNotificationTrigger,
            {"receive_timeout": 100},
            "receive_timeout is 100",
            marks=needs_shared_streams,
        ),
        pytest.param(
            GreenApiNotificationTrigger,
            {"green_api_conn_id": None},
            "green_api_conn_id is None",
            marks=needs_shared_streams,
        ),
    ],
    ids=names,
)
def test_wrong_argument_of_a_trigger_is_refused_as_a_type_error(
    trigger: type, wrong: dict[str, Any], text: str
) -> None:
    """That is the one error in a constructor that a triggerer outlives."""
    with pytest.raises(TypeError, match=f"^{text}"):
        trigger(**wrong)


def test_wrong_argument_of_a_notifier_is_refused_where_the_dag_is_parsed() -> None:
    """An alert that can't be sent is found before the night it is needed."""
    with pytest.raises(ValueError, match=r"^chat_id is '\+1 202"):
        GreenApiNotifier(chat_id=PHONE)
    with pytest.raises(ValueError, match=r"^green_api_conn_id is ''"):
        GreenApiNotifier(chat_id="1@c.us", green_api_conn_id="")
    GreenApiNotifier(chat_id="{{ params.chat_id }}")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"instance_id": "abc"}, "instance_id is 'abc'; it must be .*digits"),
        ({"instance_id": None}, "An asset needs either instance_id or fleet"),
        ({"host": "https://api.green-api.com"}, "host is 'https://api.green-api.com'; it must be"),
        ({"host": ""}, "host is ''"),
    ],
)
def test_wrong_argument_of_an_asset_is_refused_where_the_dag_is_parsed(
    wrong: dict[str, Any], text: str
) -> None:
    """An asset with a wrong name is one that nothing ever tells about."""
    with pytest.raises(ValueError, match=f"^{text}"):
        create_asset(**{"instance_id": 1101000001} | wrong)


def test_queue_without_a_connection_is_refused() -> None:
    """``green-api://`` names none."""
    provider = GreenApiMessageQueueProvider()
    with pytest.raises(ValueError, match=r"^green_api_conn_id is ''"):
        provider.trigger_class()(**provider.trigger_kwargs("green-api://"))
