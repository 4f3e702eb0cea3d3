"""Receive and delete: compare-and-delete never touches another notification."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import DAG, task

from airflow_green_notify.drain.compare_and_delete import compare_and_delete
from airflow_green_notify.drain.doubt import MAX_DOUBTS
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications, traffic
from airflow_green_notify.errors import GreenApiUnavailableError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDeleteNotificationOperator,
    GreenApiReceiveNotificationOperator,
)


def receive(**arguments: Any) -> dict[str, Any] | None:
    operator = GreenApiReceiveNotificationOperator(
        task_id="receive", **({"receive_timeout": 0.2} | arguments)
    )
    return operator.execute({})  # type: ignore[arg-type]


def delete(**arguments: Any) -> bool:
    operator = GreenApiDeleteNotificationOperator(task_id="delete", **({"receive_timeout": 0.2} | arguments))
    return operator.execute({})  # type: ignore[arg-type]


@pytest.fixture
def gateway(green_api_connection: GreenApiEmulator) -> GreenApiEmulator:
    """A gateway with five notifications."""
    green_api_connection.push(*traffic(seed=3, n=5))
    return green_api_connection


def test_receive_leaves_the_notification_at_the_head(gateway: GreenApiEmulator) -> None:
    """Receiving twice gives the same notification; nothing is deleted."""
    first, second = receive(), receive()
    assert first is not None
    assert second is not None
    assert first["key"] == second["key"]
    assert len(gateway.queue()) == 5


@pytest.mark.parametrize("idle", ["null", "empty"])
def test_receive_empty_queue_does_what_on_empty_says(idle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip, None or failure, under each form of an empty answer."""
    with GreenApiEmulator(idle=idle) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        assert receive(on_empty="none") is None
        with pytest.raises(AirflowSkipException):
            receive()
        with pytest.raises(AirflowFailException, match="No notification came"):
            receive(on_empty="fail")


def test_receive_too_large_for_xcom_is_refused_and_stays(green_api_connection: GreenApiEmulator) -> None:
    """A notification above max_xcom_bytes fails the task; the text names the drain; nothing is deleted."""
    body = example_notifications()[0]["body"] | {"padding": "x" * 5_000_000}
    green_api_connection.push(body)
    with pytest.raises(AirflowFailException, match="GreenApiDrainNotificationsOperator"):
        receive()
    assert green_api_connection.queue() == [body]
    assert GreenApiHook().receive_notification(1) == Notification(1, body)


def test_delete_the_head_deletes_it_and_a_retry_recognises_it(gateway: GreenApiEmulator) -> None:
    """The first try deletes; the retry of a task that died after it deletes nothing more."""
    notification = receive()
    assert delete(notification=notification) is True
    assert delete(notification=notification) is False
    assert [entry["deletions"] for entry in gateway.audit()] == [1, 0, 0, 0, 0]


def test_delete_of_what_lost_its_thumbnail_deletes_it(green_api_connection: GreenApiEmulator) -> None:
    """XCom has no thumbnails; the notification is the same all the same."""
    green_api_connection.push({"messageData": {"fileMessageData": {"jpegThumbnail": "x", "caption": "c"}}})
    assert delete(notification=receive()) is True


def test_delete_of_a_made_up_key_deletes_nothing(gateway: GreenApiEmulator) -> None:
    """The key of the head, which a doorbell's events show, on the body of something else."""
    forged = Notification(1, {"typeWebhook": "incomingCall"}).as_dict() | {"key": receive()["key"]}
    assert delete(notification=forged) is False
    assert len(gateway.queue()) == 5


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "500", "500_after", "429"])
def test_delete_in_doubt_deletes_the_given_one_only(fault: str, gateway: GreenApiEmulator) -> None:
    """A delete cut before or after its effect, or answered 500, ends with that one gone, and no other."""
    notification = receive()
    gateway.fault(fault, method="deleteNotification", times=1)
    assert delete(notification=notification) is True
    assert [entry["deletions"] for entry in gateway.audit()] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("missing", ["false", "500"])
@pytest.mark.parametrize("receipt_id", ["stable", "new"])
def test_delete_after_another_consumer_and_a_restarted_counter_touches_nothing(
    receipt_id: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The given notification is gone, and its receipt id now names another one, which stays."""
    with GreenApiEmulator(receipt_id=receipt_id, missing_receipt=missing) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        gateway.push(*traffic(seed=3, n=5))
        notification = receive()
        other = GreenApiHook()
        head = other.receive_notification(1)
        assert head is not None
        assert other.delete_notification(head.receipt_id)
        gateway.restart_receipts()
        next_head = other.receive_notification(1)
        assert next_head is not None
        assert notification is not None
        assert delete(notification=notification) is False
        assert [entry["deletions"] for entry in gateway.audit()] == [1, 0, 0, 0, 0]


def test_delete_refused_for_ever_raises_within_a_bound(
    gateway: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delete that never works is a retryable error after a few requests, with pauses between them."""
    monkeypatch.setattr("airflow_green_notify.drain.doubt.pause_after", lambda failures, last: 0.01)
    notification = receive()
    gateway.clear_requests()
    gateway.fault("502", method="deleteNotification", times=None)
    with pytest.raises(GreenApiUnavailableError):
        delete(notification=notification)
    assert len(gateway.requests()) == 2 * MAX_DOUBTS + 1


def test_delete_if_gone_does_what_it_says(gateway: GreenApiEmulator) -> None:
    """Skip or fail instead of ignoring that the notification is not at the head."""
    gone = Notification(1, {"typeWebhook": "none"})
    assert delete(notification=gone) is False
    with pytest.raises(AirflowSkipException):
        delete(notification=gone, if_gone="skip")
    with pytest.raises(AirflowFailException, match="not at the head"):
        delete(notification=gone, if_gone="fail")


def test_delete_one_empty_answer_is_not_taken_for_gone(gateway: GreenApiEmulator) -> None:
    """A false empty answer is followed by another look."""
    notification = receive()
    gateway.fault("status", status=200, body="", method="receiveNotification", times=1)
    assert delete(notification=notification) is True


def test_delete_by_receipt_id_is_the_plain_call(gateway: GreenApiEmulator) -> None:
    """With receipt_id= alone the number is deleted without a comparison; a rendered string will do."""
    head = receive()
    assert head is not None
    assert delete(receipt_id=str(head["receipt_id"])) is True
    assert delete(receipt_id=999) is False
    with pytest.raises(ValueError, match="must be a whole number"):
        delete(receipt_id="1 OR 1=1")


@pytest.mark.parametrize(
    "wrong", [{}, {"notification": {}, "receipt_id": 1}, {"notification": "{'key': 1}"}, {"notification": {}}]
)
def test_delete_wrong_arguments_are_refused_and_ask_nothing(
    wrong: dict[str, Any], gateway: GreenApiEmulator
) -> None:
    """What is no notification is refused with words, before any request."""
    with pytest.raises(ValueError, match="notification"):
        delete(**wrong)
    assert not gateway.requests()


def test_delete_of_what_a_task_did_not_return_says_so(
    gateway: GreenApiEmulator, run_dag: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A person who marks the receiving task as a success leaves nothing to delete."""

    @task
    def receive_nothing() -> None:
        return None

    with DAG("dag_of_nothing_to_delete", schedule=None) as dag:
        GreenApiDeleteNotificationOperator(task_id="delete", notification=receive_nothing(), retries=2)  # type: ignore[arg-type]
    ti = run_dag(dag).get_task_instance("delete")
    assert (ti.state, ti.try_number) == ("failed", 1)
    assert not gateway.requests()
    assert "Was it marked as a success" in capsys.readouterr().out


def test_delete_takes_a_notification_in_each_form(gateway: GreenApiEmulator) -> None:
    """The object, its dict and that as JSON text are all understood."""
    forms: list[Callable[[dict[str, Any]], Any]] = [Notification.from_dict, dict, json.dumps]
    for form in forms:
        value = receive()
        assert value is not None
        assert delete(notification=form(value)) is True
    assert len(gateway.queue()) == 2


REFUSALS = [
    ({"status": 401, "body": ""}, "apiTokenInstance"),
    ({"status": 403, "body": "Forbidden"}, "idInstance and apiUrl"),
    ({"status": 400, "body": "instance is starting or not authorized"}, "authorize the instance"),
    ({"status": 400, "body": "Instance account is expired. Renew your instance"}, "renew"),
    ({"status": 466, "body": "{}"}, "the plan's limit"),
]


@pytest.mark.airflow
@pytest.mark.parametrize(("answer", "advice"), REFUSALS, ids=lambda value: str(value)[:20])
def test_task_refused_for_good_fails_at_once_without_a_retry(
    answer: dict[str, Any],
    advice: str,
    gateway: GreenApiEmulator,
    run_dag: Callable[..., Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No retry is burnt on what nobody but a person can fix, and the text says what to do."""
    gateway.fault("status", method="receiveNotification", times=None, **answer)
    with DAG(f"refused_{answer['status']}_{time.time_ns()}", schedule=None) as dag:
        GreenApiReceiveNotificationOperator(task_id="receive", retries=3)
    run = run_dag(dag)
    (ti,) = run.get_task_instances()
    assert (str(ti.state), ti.try_number) == ("failed", 1)
    assert len(gateway.requests()) == 1
    out, err = capfd.readouterr()
    assert advice in out + err


@pytest.mark.parametrize("fault", ["429", "502", "cut_before", "truncated"])
def test_receive_passing_fault_is_repeated_with_back_off(fault: str, gateway: GreenApiEmulator) -> None:
    """Two failures are followed by success; the pauses grow."""
    gateway.fault(fault, method="receiveNotification", times=2)
    assert receive() is not None
    asked = [request["at"] for request in gateway.requests()]
    assert len(asked) == 3
    assert asked[1] - asked[0] > 0.4
    assert asked[2] - asked[1] > 0.9


def test_receive_lasting_fault_ends_within_a_bound(gateway: GreenApiEmulator) -> None:
    """A gateway that stays down is asked max_attempts times and no more."""
    gateway.fault("503", times=None)
    with pytest.raises(GreenApiUnavailableError, match="in trouble"):
        GreenApiHook(max_attempts=3).receive_notification(1)
    assert len(gateway.requests()) == 3


def test_compare_and_delete_in_split_mode_deletes_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a received notification is hidden for a while, the delete waits for it to come back."""
    with GreenApiEmulator(redelivery="split", redelivery_after=0.3) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        gateway.push(*traffic(seed=3, n=1))
        hook = GreenApiHook()
        head = hook.receive_notification(1)
        assert head is not None
        assert compare_and_delete(hook, head.key, receive_timeout=1) is True
