"""Waiting until what was sent is delivered, as the statuses say that a Dag stores."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_green_notify.drain import StopCondition, drain
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook, delivery
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiSendMessageOperator
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.triggers import GreenApiStoredDeliveryTrigger, stored_delivery

CHAT = "12025550101@c.us"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return {"rate_limits": False}


@pytest.fixture
def gateway(green_api_connection: GreenApiEmulator) -> GreenApiEmulator:
    """A gateway that tells of statuses."""
    green_api_connection.settings(outgoingWebhook="yes")
    return green_api_connection


@pytest.fixture(params=["table", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store") if request.param == "table" else ObjectStorageStore(tmp_path / "batches")


@pytest.fixture
def send(run_task: Callable[..., Any], store: Any) -> Callable[..., Any]:
    def run(**arguments: Any) -> Any:
        given = {"chat_id": CHAT, "message": "Deploy?", "wait_for": "delivered", "wait_in": store}
        return run_task(GreenApiSendMessageOperator, **given | arguments)

    return run


@contextmanager
def reading(store: Any) -> Iterator[None]:
    """Read the queue into the store meanwhile, batch after batch."""
    ended = threading.Event()

    def read() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            with store.open(f"reader/{number}/drain/-1") as opened:
                stop = StopCondition(max_seconds=1, empty_answers=1)
                drain(GreenApiHook(), opened, stop=stop, receive_timeout=0.2)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()


def status(id_message: str, word: str, chat_id: str = CHAT, instance: int = 1101000001) -> dict[str, Any]:
    return {
        "typeWebhook": "outgoingMessageStatus",
        "instanceData": {"idInstance": instance, "typeInstance": "whatsapp"},
        "timestamp": int(time.time()),
        "chatId": chat_id,
        "idMessage": id_message,
        "status": word,
        "description": "SWE004: the group\nis full",
    }


def stored(store: Any, *bodies: Any) -> None:
    """Store notifications, one received after the other."""
    with store.open(f"reader/{time.monotonic()}/drain/-1") as opened:
        for body in bodies:
            opened.put(Notification(1, body))


def trigger(store: Any, seconds: float, wait_for: str = "delivered", **statuses: Any) -> Any:
    of_message = {"type_webhook": "outgoingMessageStatus", "id_message": "3EB0"} | statuses
    since, deadline = "2020-01-01T00:00:00+00:00", time.time() + seconds
    return GreenApiStoredDeliveryTrigger(store.described(), of_message, since, 0, wait_for, deadline)


@MODES
@pytest.mark.parametrize("wait_for", ["sent", "delivered", "read"])
def test_send_ends_with_the_status_that_a_reader_stores(
    gateway: GreenApiEmulator, send: Callable[..., Any], store: Any, wait_for: str, deferrable: bool
) -> None:
    """The gateway isn't asked what became of it; a status from before the run is none."""
    stored(store, status("3EB0", "read"))
    gateway.switch(status_delay=0.4)
    with reading(store):
        ti = send(wait_for=wait_for, deferrable=deferrable)
    (sent,) = gateway.sent()
    assert (ti.state, str(ti.xcom_pull(task_ids="task"))) == ("success", sent["idMessage"])
    assert {"getMessage", "lastOutgoingMessages"} & {item["method"] for item in gateway.requests()} == set()


@MODES
def test_message_that_fails_fails_the_task_for_good(
    gateway: GreenApiEmulator, send: Callable[..., Any], store: Any, deferrable: bool
) -> None:
    """No retry changes what became of it, and nothing is sent again."""
    gateway.deliver_as("noAccount")
    with reading(store):
        ti = send(retries=2, deferrable=deferrable)
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert len(gateway.sent()) == 1


def test_wait_that_is_over_may_skip_the_task(gateway: GreenApiEmulator, send: Callable[..., Any]) -> None:
    """Nobody reads the queue, so nothing is stored."""
    assert send(max_wait=0, on_failed="skip").state == "skipped"


async def test_failure_is_told_in_the_gateways_own_words(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one line, after it was seen for a while."""
    monkeypatch.setattr(delivery, "CONFIRMATION", 0.1)
    stored(store, status("3EB0", "sent"), status("3EB0", "failed"))
    event = await trigger(store, 60).event()
    assert (event["undelivered"], event["retryable"]) == (True, False)
    assert r"3EB0 was not delivered, 'failed' (SWE004: the group\nis full): the messenger" in event["error"]


async def test_failure_that_is_final_is_not_waited_on(store: Any) -> None:
    """Whatever comes behind it."""
    stored(store, status("3EB0", "noAccount"), status("3EB0", "delivered"))
    assert "'noAccount'" in (await trigger(store, 60).event())["error"]


async def test_message_that_failed_and_was_delivered_after_all_is_delivered(store: Any) -> None:
    """Whether it was sent again in between, or not."""
    stored(store, status("3EB0", "yellowCard"), status("3EB0", "sent"), status("3EB0", "delivered"))
    assert (await trigger(store, 60).event())["error"] is None


async def test_failure_that_is_followed_by_another_stage_is_none(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is on its way again, until the deadline."""
    monkeypatch.setattr(delivery, "CONFIRMATION", 2.0)
    monkeypatch.setattr(stored_delivery, "FIRST_LOOK", 0.0)
    stored(store, status("3EB0", "failed"), status("3EB0", "sent"))
    event = await trigger(store, 4).event()
    assert (event["undelivered"], event["retryable"]) == (True, True)
    assert "3EB0 is 'sent' in the store" in event["error"]


async def test_next_status_is_looked_for_behind_the_one_before(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each status of a thousand waits would take the look that they share back to where they began."""
    began_at: list[int] = []
    with closing(store.stream()) as stream:
        kind = type(stream)
    read = kind.read

    def reading(stream: Any, after: int, limit: int) -> Any:
        began_at.append(after)
        return read(stream, after, limit)

    monkeypatch.setattr(kind, "read", reading)
    others = [status(f"{number}", "sent") for number in range(5)]
    stored(store, *others, status("3EB0", "sent"), status("3EB0", "delivered"), status("3EB0", "read"))
    assert (await trigger(store, 60, "read").event())["error"] is None
    assert began_at.count(0) == 1


@pytest.mark.parametrize(
    "other", [{"instance": 1101000002}, {"chat_id": "10000043"}], ids=["instance", "chat"]
)
async def test_status_of_another_message_of_the_same_id_is_none(
    store: Any, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    """Ids are unique within an instance, or within a chat."""
    monkeypatch.setattr(stored_delivery, "FIRST_LOOK", 0.0)
    stored(store, status("3EB0", "read", **{"chat_id": "10000042"} | other))
    mine: dict[str, Any] = {"chat_id": "10000042", "body": {"instanceData.idInstance": "1101000001"}}
    event = await trigger(store, 2, **mine).event()
    assert "3EB0 has no status in the store" in event["error"]
    stored(store, status("3EB0", "read", chat_id="10000042"))
    assert (await trigger(store, 60, **mine).event())["error"] is None


@pytest.mark.parametrize(
    ("green_api_switches", "chat_id", "chat"),
    [({"type_instance": "whatsapp"}, CHAT, None), ({"type_instance": "telegram"}, "10000042", "10000042")],
    ids=["whatsapp", "telegram"],
)
def test_statuses_are_those_of_the_instance_and_of_a_chat_that_counts_its_messages(
    gateway: GreenApiEmulator, context: Any, store: Any, chat_id: str, chat: str | None
) -> None:
    """On WhatsApp a chat goes by two ids, and a message's own will do."""
    task = GreenApiSendMessageOperator(
        task_id="ask", chat_id=chat_id, message="Deploy?", wait_for="read", wait_in=store, deferrable=True
    )
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context)
    statuses = deferral.value.trigger.statuses
    assert statuses.get("chat_id") == chat
    assert statuses["id_message"] == gateway.sent()[0]["idMessage"]
    assert statuses["body"] == {"instanceData.idInstance": gateway.id_instance}


def test_message_of_a_run_that_was_cleared_is_looked_for_since_it_was_sent(
    gateway: GreenApiEmulator, context: Any, store: Any
) -> None:
    """The run began anew after its statuses were stored, and the task doesn't send again."""
    task = GreenApiSendMessageOperator(
        task_id="ask", chat_id=CHAT, message="Deploy?", wait_for="read", wait_in=store, deferrable=True
    )
    sent_at = datetime.now(UTC)
    for start in (sent_at, sent_at + timedelta(hours=1), sent_at + timedelta(hours=2)):
        with pytest.raises(TaskDeferred) as deferral:
            task.execute(context | {"dag_run": SimpleNamespace(start_date=start)})
        assert datetime.fromisoformat(deferral.value.trigger.since) < sent_at
    assert len(gateway.sent()) == 1


def test_trigger_is_serialized_as_it_was(tmp_path: Path) -> None:
    """JSON values, and no credentials."""
    path, arguments = trigger(ObjectStorageStore(tmp_path), 10).serialize()
    assert path == "airflow_green_notify.triggers.stored_delivery.GreenApiStoredDeliveryTrigger"
    assert GreenApiStoredDeliveryTrigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
