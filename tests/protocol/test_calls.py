"""What is asked of the gateway: addresses, waiting times, and what may be sent twice."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import unquote

import pytest

from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.calls import Call
from airflow_green_notify.protocol.upload import Upload

UPLOAD = Upload(io.BytesIO(b"abc"), 3, "a.txt", "text/plain", {"chatId": "1@c.us"}, "boundary")
CALLS: dict[str, Call[Any]] = {
    call.method: call
    for call in (
        calls.receive_notification(5),
        calls.delete_notification(7),
        calls.get_state_instance(),
        calls.get_settings(),
        calls.set_settings(webhookUrl=""),
        calls.get_webhooks_count(),
        calls.clear_webhooks_queue(),
        calls.send_message("1@c.us", "text", "AA"),
        calls.send_file_by_url("1@c.us", "https://example.org/a", "a", "caption", "AA"),
        calls.send_file_by_upload(UPLOAD),
        calls.download_file("1@c.us", "AA", None),
        calls.show_messages_queue(),
        calls.last_incoming_messages(10),
        calls.last_outgoing_messages(10),
    )
}


@pytest.mark.parametrize(
    ("method", "verb", "address"),
    [
        ("receiveNotification", "GET", "receiveNotification/TOKEN?receiveTimeout=5"),
        ("deleteNotification", "DELETE", "deleteNotification/TOKEN/7"),
        ("getStateInstance", "GET", "getStateInstance/TOKEN"),
        ("getSettings", "GET", "getSettings/TOKEN"),
        ("setSettings", "POST", "setSettings/TOKEN"),
        ("getWebhooksCount", "GET", "getWebhooksCount/TOKEN"),
        ("clearWebhooksQueue", "DELETE", "clearWebhooksQueue/TOKEN"),
        ("sendMessage", "POST", "sendMessage/TOKEN"),
        ("sendFileByUrl", "POST", "sendFileByUrl/TOKEN"),
        ("sendFileByUpload", "POST", "sendFileByUpload/TOKEN"),
        ("downloadFile", "POST", "downloadFile/TOKEN"),
        ("showMessagesQueue", "GET", "showMessagesQueue/TOKEN"),
        ("lastIncomingMessages", "GET", "lastIncomingMessages/TOKEN?minutes=10"),
        ("lastOutgoingMessages", "GET", "lastOutgoingMessages/TOKEN?minutes=10"),
    ],
)
def test_call_has_the_verb_and_address_of_the_contract(method: str, verb: str, address: str) -> None:
    """Every method is asked as the vendor's page says."""
    call = CALLS[method]
    assert call.verb == verb
    assert (
        call.url("https://api.example.org", "1101", "TOKEN")
        == f"https://api.example.org/waInstance1101/{address}"
    )


@pytest.mark.parametrize(
    ("seconds", "written"), [(5, "5"), (5.0, "5"), (60.0, "60"), (0.05, "0.05"), (7.5, "7.5")]
)
def test_receive_timeout_is_written_as_the_integer_it_is(seconds: float, written: str) -> None:
    """The gateway documents an integer; only a fraction is written as one."""
    assert calls.receive_notification(seconds).url("", "1", "T").endswith(f"?receiveTimeout={written}")


@pytest.mark.parametrize("token", ["a/b", "a?b#c", "a b", "a%2Fb", "ключ", "..", "a\nb", "\x00"])
def test_token_with_any_character_stays_one_segment_of_the_path(token: str) -> None:
    """No token can lead to another address."""
    url = CALLS["receiveNotification"].url("https://h", "1", token)
    segments = url.partition("?")[0].split("/")
    assert len(segments) == 6
    assert unquote(segments[5]) == token
    assert url.isascii()
    assert url.isprintable()


def test_calls_that_must_not_be_repeated_say_so() -> None:
    """Deleting, clearing and sending may have had their effect already; all else does no harm twice."""
    not_repeatable = {name for name, call in CALLS.items() if not call.idempotent}
    assert not_repeatable == {
        "deleteNotification",
        "clearWebhooksQueue",
        "sendMessage",
        "sendFileByUrl",
        "sendFileByUpload",
    }


@pytest.mark.parametrize("seconds", [0.1, 5, 60])
def test_timeout_of_receiving_is_15_seconds_over_the_hold(seconds: float) -> None:
    """The gateway may hold the request open for all of ``receiveTimeout``, and then answers."""
    assert calls.receive_notification(seconds).timeout == seconds + 15


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_timeout_of_every_call_is_finite(call: Call[Any]) -> None:
    """Nothing waits for ever."""
    assert 15 <= call.timeout <= 180


@pytest.mark.parametrize(
    ("methods", "limit"),
    [
        ("receiveNotification deleteNotification", 100),
        ("sendMessage sendFileByUrl sendFileByUpload", 50),
        ("downloadFile", 5),
        ("getStateInstance getSettings setSettings getWebhooksCount clearWebhooksQueue", 1),
        ("lastIncomingMessages lastOutgoingMessages showMessagesQueue", 1),
    ],
)
def test_rate_of_each_method_is_the_documented_one(methods: str, limit: int) -> None:
    """Requests per second, as the vendor's table has them."""
    assert {CALLS[method].rate[:2] for method in methods.split()} == {(limit, 1.0)}


def test_only_the_queue_is_read_at_the_rate_of_the_connection() -> None:
    """``requests_per_second`` is for receiving and for deleting; all else keeps the documented rate."""
    adjustable = [name for name, call in CALLS.items() if call.rate.is_adjustable]
    assert adjustable == ["receiveNotification", "deleteNotification"]


def test_only_the_journals_may_be_asked_for_less() -> None:
    """An answer that is too large says what to do: fewer minutes, or another host."""
    journals = [name for name, call in CALLS.items() if "fewer minutes" in call.bounds.advice]
    assert journals == ["lastIncomingMessages", "lastOutgoingMessages"]


def test_rate_of_downloading_on_max_is_lower() -> None:
    """MAX allows one downloadFile a second, the other products five."""
    assert calls.download_file("1", "AA", "v3").rate[:2] == (1, 1.0)
    assert calls.download_file("1", "AA", "telegram").rate[:2] == (5, 1.0)


def test_only_uploads_go_to_the_media_host() -> None:
    """``mediaUrl`` is for uploads, ``apiUrl`` for all else."""
    assert [name for name, call in CALLS.items() if call.media] == ["sendFileByUpload"]


def test_optional_arguments_are_left_out_when_absent() -> None:
    """What wasn't given isn't sent as null."""
    assert calls.send_message("1", "a", None).payload == {"chatId": "1", "message": "a"}
    assert calls.send_file_by_url("1", "u", "f", None, None).payload == {
        "chatId": "1",
        "urlFile": "u",
        "fileName": "f",
    }
