"""Sending a message or a file: once, and within the gateway's limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiTransportError
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiSendFileOperator,
    GreenApiSendMessageOperator,
    send_once,
)
from airflow_green_notify.stores import ObjectStorageStore, read_batch
from tests.frames import locals_of
from tests.servers import BUCKET

CHAT = "12025550101@c.us"
needs_task_state = pytest.mark.skipif(
    "task_state_store" not in KNOWN_CONTEXT_KEYS, reason="Airflow below 3.3 keeps no task state"
)


def message_task(message: str = "Deploy?", **arguments: Any) -> GreenApiSendMessageOperator:
    return GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, message=message, **arguments)


def texts(gateway: GreenApiEmulator) -> list[str]:
    return [item["message"] for item in gateway.sent()]


def test_send_message_in_a_real_dag_run_is_rendered_and_returns_the_id(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any]
) -> None:
    """The rendered text reaches the chat, quoting, and the XCom is the message's id."""
    ti = run_task(
        GreenApiSendMessageOperator,
        chat_id=CHAT,
        message="Run {{ run_id }}?",
        quoted_message_id="3EB0C767D26A1D7F21C{{ 1 + 1 }}",
    )
    (sent,) = green_api_connection.sent()
    assert sent["message"] == f"Run {ti.run_id}?"
    assert (sent["chatId"], sent["quotedMessageId"]) == (CHAT, "3EB0C767D26A1D7F21C2")
    assert ti.xcom_pull(task_ids="task") == sent["idMessage"]


def test_send_message_is_followed_by_its_delivery_statuses(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """The id that the task returns is the one that the notifications of its delivery name."""
    green_api_connection.settings(outgoingWebhook="yes")
    with DAG("dag_of_delivery", schedule=None) as dag:
        ask = GreenApiSendMessageOperator(task_id="ask", chat_id=CHAT, message="Hello")
        drained = GreenApiDrainNotificationsOperator(
            task_id="drain", store=ObjectStorageStore(tmp_path), receive_timeout=0.1, until=None
        )
        ask >> drained
    run = run_dag(dag)
    xcom = {
        task_id: run.get_task_instance(task_id).xcom_pull(task_ids=task_id) for task_id in ("ask", "drain")
    }
    told = [(item.id_message, item.status) for item in read_batch(xcom["drain"])]
    assert told == [(xcom["ask"], status) for status in ("sent", "delivered", "read")]


def test_send_message_mapped_over_chats_sends_to_each(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """Arguments of the shared base class can be given by partial() and expand()."""
    chats = [CHAT, "12025550102@c.us"]
    with DAG("dag_of_mapped_sends", schedule=None) as dag:
        GreenApiSendMessageOperator.partial(task_id="ask", message="Hello").expand(chat_id=chats)
    assert run_dag(dag).state == "success"
    assert sorted(item["chatId"] for item in green_api_connection.sent()) == chats


def test_send_message_cut_after_the_effect_succeeds_in_the_same_try(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """An answer that was lost is looked for, and found, in place of a second message."""
    green_api_connection.fault("cut_after", method="sendMessage")
    id_message = message_task().execute(context)
    assert [item["idMessage"] for item in green_api_connection.sent()] == [id_message]


@needs_task_state
@pytest.mark.parametrize("fault", ["cut_after", "500_after"])
@pytest.mark.parametrize("switches", [{"journal_lag": 2.0}, {"send_delay": 1.5, "journal_lag": 2.0}])
def test_send_message_cut_after_the_effect_over_a_retry_reaches_the_chat_once(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], fault: str, switches: dict[str, Any]
) -> None:
    """A retry waits for a lagging journal, also behind a send queue, before it would send again."""
    green_api_connection.switch(**switches)
    green_api_connection.fault(fault, method="sendMessage")
    green_api_connection.fault("status", status=403, method="showMessagesQueue")
    ti = run_task(GreenApiSendMessageOperator, retries=1, chat_id=CHAT, message="Once", journal_lag=4)
    (sent,) = green_api_connection.sent()
    assert ti.state == "success"
    assert ti.try_number == 2
    assert ti.xcom_pull(task_ids="task") == sent["idMessage"]


def test_send_message_cut_before_the_effect_is_sent_by_the_retry(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """What neither send queue nor journal shows is sent again, once."""
    green_api_connection.fault("cut_before", method="sendMessage")
    with pytest.raises(GreenApiTransportError):
        message_task(journal_lag=0.5).execute(context)
    assert message_task(journal_lag=0.5).execute(context) == green_api_connection.sent()[0]["idMessage"]
    assert texts(green_api_connection) == ["Deploy?"]


def test_send_message_after_a_noted_answer_returns_it_without_asking(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """A try that died after the answer leaves a note that the next try returns."""
    id_message = message_task().execute(context)
    green_api_connection.clear_requests()
    assert message_task().execute(context) == id_message
    assert green_api_connection.requests() == []


def test_send_message_with_another_text_is_another_message(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """The note of one content doesn't hold back another."""
    for message in ("One", "Two"):
        message_task(message).execute(context)
    assert texts(green_api_connection) == ["One", "Two"]


def test_send_message_in_each_iteration_of_a_loop_is_sent(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """The same text, map index and task state: each iteration sends, and each of them once."""
    for index in (0, 1, 1):
        message_task().execute(context | {"loop": SimpleNamespace(index=index)})
    assert texts(green_api_connection) == ["Deploy?"] * 2


@pytest.mark.parametrize("sent", [True, False])
def test_send_message_in_a_retry_without_task_state_looks_first(
    green_api_connection: GreenApiEmulator, sent: bool
) -> None:
    """Airflow below 3.3 keeps no notes: what an earlier try sent is found where the gateway shows it."""
    green_api_connection.switch(rate_limits=False)
    if sent:
        message_task().execute({})
    run = SimpleNamespace(start_date=datetime.now(UTC))
    retry: Any = {"dag_run": run, "ti": SimpleNamespace(try_number=2)}
    id_message = message_task(journal_lag=0.3).execute(retry)
    assert [item["idMessage"] for item in green_api_connection.sent()] == [id_message]


def test_send_message_same_text_sent_before_is_not_taken_for_the_lost_one(
    green_api_connection: GreenApiEmulator, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent before this task began is another message."""
    monkeypatch.setattr(send_once, "CLOCK_TOLERANCE", 0.0)
    green_api_connection.switch(rate_limits=False)
    message_task().execute({})
    time.sleep(1.1)
    green_api_connection.fault("cut_before", method="sendMessage")
    with pytest.raises(GreenApiTransportError):
        message_task().execute(context)


def test_send_message_without_deduplicate_never_looks(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """With deduplicate=False a lost answer is just an error."""
    green_api_connection.fault("cut_after", method="sendMessage")
    with pytest.raises(GreenApiTransportError):
        message_task(deduplicate=False).execute(context)
    assert {item["method"] for item in green_api_connection.requests()} == {"sendMessage"}
    assert not context["task_state_store"]


def test_send_message_beyond_the_quota_fails_at_once_and_leaves_no_note(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """A refusal that no retry fixes burns none, says what to do, and leaves nothing to look for."""
    green_api_connection.switch(quota_chats=0)
    with pytest.raises(AirflowFailException, match="plan"):
        message_task().execute(context)
    assert not context["task_state_store"]


def test_send_message_of_a_suspended_account_fails_at_once(
    monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    """A suspended account is told in words; only MAX refuses to take its messages."""
    with GreenApiEmulator(type_instance="v3") as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        gateway.state("suspended")
        with pytest.raises(AirflowFailException, match="suspended"):
            message_task().execute(context)


@pytest.mark.parametrize(("type_instance", "limit"), [("whatsapp", 20000), ("telegram", 4096), ("v3", 4000)])
def test_send_message_at_the_products_limit_is_sent_and_beyond_it_is_refused_before_sending(
    monkeypatch: pytest.MonkeyPatch, type_instance: str, limit: int
) -> None:
    """Each product's own limit holds, before anything is sent."""
    with GreenApiEmulator(type_instance=type_instance, rate_limits=False) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        message_task("x" * limit).execute({})
        with pytest.raises(AirflowFailException, match=f"at most {limit}"):
            message_task("x" * (limit + 1)).execute({})
        assert [len(text) for text in texts(gateway)] == [limit]


def test_send_message_empty_fails_at_once(green_api_connection: GreenApiEmulator) -> None:
    """A text of white space alone is refused here."""
    with pytest.raises(AirflowFailException, match="empty"):
        message_task(" \n").execute({})


def test_send_file_by_path_uploads_it_with_name_and_caption(
    green_api_connection: GreenApiEmulator, run_task: Callable[..., Any], tmp_path: Path
) -> None:
    """A local file arrives whole, under its name, with caption and quote."""
    file = tmp_path / "report.csv"
    file.write_bytes(b"day,sum\n" * 50_000)
    ti = run_task(
        GreenApiSendFileOperator,
        chat_id=CHAT,
        file=file,
        caption="For {{ dag.dag_id }}",
        quoted_message_id="3EB0C767D26A1D7F21C2",
    )
    (sent,) = green_api_connection.sent()
    assert (sent["method"], sent["fileName"], sent["size"]) == ("sendFileByUpload", "report.csv", 400_000)
    assert sent["caption"] == f"For {ti.dag_id}"
    assert sent["quotedMessageId"] == "3EB0C767D26A1D7F21C2"
    assert ti.xcom_pull(task_ids="task") == sent["idMessage"]


def test_send_file_from_a_bucket_uploads_it(
    green_api_connection: GreenApiEmulator,
    run_task: Callable[..., Any],
    s3_connection: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An ObjectStoragePath is read as it is sent."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE_S3", s3_connection)
    path = ObjectStoragePath(f"s3://store_s3@{BUCKET}/reports/day.csv")
    path.write_bytes(b"1,2\n" * 1000)
    run_task(GreenApiSendFileOperator, chat_id=CHAT, file=path)
    (sent,) = green_api_connection.sent()
    assert (sent["method"], sent["fileName"], sent["size"]) == ("sendFileByUpload", "day.csv", 4000)


def test_send_file_by_url_is_left_to_the_gateway(green_api_connection: GreenApiEmulator) -> None:
    """An http URL goes by URL; the name comes from its end."""
    url = green_api_connection.media("plan.pdf", 1000)
    GreenApiSendFileOperator(task_id="t", chat_id=CHAT, file=url).execute({})
    (sent,) = green_api_connection.sent()
    assert (sent["method"], sent["fileName"], sent["urlFile"]) == ("sendFileByUrl", "plan.pdf", url)


@pytest.mark.parametrize("name", ["report.pdf", "photo.jpg"])
def test_send_file_cut_after_the_effect_reaches_the_chat_once(
    green_api_connection: GreenApiEmulator, context: Any, tmp_path: Path, name: str
) -> None:
    """A file whose answer was lost is found again."""
    (tmp_path / name).write_bytes(b"content")
    green_api_connection.fault("cut_after", method="sendFileByUpload")
    task = GreenApiSendFileOperator(task_id="t", chat_id=CHAT, file=tmp_path / name, caption="Here")
    assert task.execute(context) == green_api_connection.sent()[0]["idMessage"]
    assert len(green_api_connection.sent()) == 1


def test_send_file_too_large_or_caption_too_long_fails_before_sending(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """The limits of files are checked before anything is sent."""
    large = tmp_path / "large.bin"
    with large.open("wb") as stream:
        stream.truncate(100 * 1024**2 + 1)
    with pytest.raises(AirflowFailException, match="100 MiB"):
        GreenApiSendFileOperator(task_id="t", chat_id=CHAT, file=large).execute({})
    with pytest.raises(AirflowFailException, match="caption"):
        GreenApiSendFileOperator(task_id="t", chat_id=CHAT, file=tmp_path, caption="x" * 1025).execute({})
    assert green_api_connection.requests() == []


# --- secrets ---


@pytest.mark.parametrize(
    ("operator", "argument", "value"),
    [
        (GreenApiSendMessageOperator, "message", "{{ conn.green_api_default.password }}"),
        (GreenApiSendMessageOperator, "message", "{{ conn.green_api_default.password[:20] | upper }}"),
        (GreenApiSendMessageOperator, "quoted_message_id", "{{ conn.green_api_default.password | list }}"),
        (GreenApiSendFileOperator, "caption", "{{ conn.green_api_default.password | urlencode }}"),
        (GreenApiSendFileOperator, "file_name", "{{ conn.green_api_default.password }}.pdf"),
        (GreenApiSendFileOperator, "file", "https://files.example/{{ conn.green_api_default.password }}"),
        (GreenApiSendMessageOperator, "message", "{{ conn.other.password }} is masked"),
        (GreenApiSendFileOperator, "caption", "{{ var.value.other_api_key }}"),
    ],
)
def test_send_of_a_secret_fails_at_once_and_names_the_argument(
    green_api_connection: GreenApiEmulator,
    run_task: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    operator: Any,
    argument: str,
    value: str,
) -> None:
    """The token in any spelling, and what Airflow masks, is never sent; no retry, no value in any log."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "http", "password": "another secret"}')
    monkeypatch.setenv("AIRFLOW_VAR_OTHER_API_KEY", "yet another one")
    url = green_api_connection.media("plan.pdf", 10)
    required = {"message": "Hi"} if operator is GreenApiSendMessageOperator else {"file": url}
    ti = run_task(operator, retries=1, **{"chat_id": CHAT} | required | {argument: value})
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert green_api_connection.sent() == []
    log = "".join(capfd.readouterr())
    assert f"AirflowFailException: {argument} holds " in log
    for secret in (green_api_connection.api_token, "another secret", "yet another one"):
        assert secret not in log


@pytest.mark.parametrize("argument", ["message", "chat_id"])
def test_send_of_a_secret_leaves_it_in_no_frame_and_no_note(
    green_api_connection: GreenApiEmulator, context: Any, argument: str
) -> None:
    """Tools that report errors keep the locals of every frame."""
    token = green_api_connection.api_token
    task = message_task()
    setattr(task, argument, f"so: {token}")
    with pytest.raises(AirflowFailException, match=f"^{argument} holds the token") as raised:
        task.execute(context)
    assert not [text for text in locals_of(raised.value) if token in text]
    assert (context["task_state_store"], green_api_connection.requests()) == ({}, [])
