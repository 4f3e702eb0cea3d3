"""Every refusal that the gateway's contract lists (its sections 1, 2, 3 and 5.5) and the error it becomes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from airflow_green_notify import errors
from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.answers import read_answer
from airflow_green_notify.protocol.calls import Call
from airflow_green_notify.protocol.refusals import REFUSALS, refusal_error

TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"

RECEIVE = calls.receive_notification(5)
DELETE = calls.delete_notification(1)
STATE = calls.get_state_instance()
SETTINGS = calls.set_settings(incomingWebhook="yes")
CLEAR = calls.clear_webhooks_queue()
SEND = calls.send_message("1@c.us", "text", None)
FILE = calls.send_file_by_url("1@c.us", "https://example.org/a", "a", None, None)
DOWNLOAD = calls.download_file("1@c.us", "AA", None)

Refused = errors.GreenApiResponseError
Unauthorized = errors.GreenApiUnauthorizedError
WebhookUrlSet = errors.GreenApiWebhookUrlSetError
Instance = errors.GreenApiInstanceError
Quota = errors.GreenApiQuotaError
Unavailable = errors.GreenApiUnavailableError

WEBHOOK_URL_SET = (
    "Message cannot be received because custom webhook url is set. Go to cabinet, clear webhook url for "
    "instance: 1101000001 and wait for about 1 minute for another attempt"
)
QUOTA = {
    "invokeStatus": {
        "method": "sendMessage",
        "used": 1,
        "total": 2,
        "status": "QUOTE_ALLOWED",
        "description": "",
    },
    "correspondentsStatus": {
        "method": "correspondents",
        "used": "3",
        "total": "3",
        "status": "CORRESPONDENTS_QUOTE_EXCEEDED",
        "description": "only 12025550199@c.us may be written to",
    },
}


class Row(NamedTuple):
    """A row of the contract: the call, its answer, the error, and words of the remedy."""

    call: Call
    status: int
    body: Any
    error: type[Refused]
    remedy: str


CONTRACT = [
    # section 2: DeleteNotification, and so ReceiveNotification (1.8)
    Row(DELETE, 400, "Parameter idInstance not an integer", Unauthorized, "login"),
    Row(RECEIVE, 400, "Parameter idInstance not an integer", Unauthorized, "login"),
    Row(DELETE, 400, "Parameter apiTokenInstance not define", Unauthorized, "password"),
    Row(RECEIVE, 400, "Parameter apiTokenInstance not define", Unauthorized, "password"),
    Row(DELETE, 400, WEBHOOK_URL_SET, WebhookUrlSet, "clear webhookUrl"),
    Row(RECEIVE, 400, WEBHOOK_URL_SET, WebhookUrlSet, "wait a minute"),
    Row(RECEIVE, 400, {"message": WEBHOOK_URL_SET}, WebhookUrlSet, "clear webhookUrl"),
    Row(DELETE, 500, {"message": "Parameter receiptId must be a Number!"}, Refused, "integer"),
    Row(DELETE, 500, "Parameter receiptId must be a Number!", Refused, "integer"),
    Row(DELETE, 400, "Parameter receiptId must be a Number", Refused, "retry won't help"),
    Row(DELETE, 500, {"message": "Internal Server Error"}, Unavailable, "later"),
    # section 3.1: the standard table
    Row(STATE, 204, "", Refused, "retry won't help"),
    Row(STATE, 400, "instance in starting process try later", Unavailable, "5 minutes"),
    Row(RECEIVE, 400, "instance is starting or not authorized", Instance, "authorize"),
    Row(RECEIVE, 400, "instance account not authorized", Instance, "authorize"),
    Row(STATE, 400, "Instance account is expired. Renew your instance from personal area", Instance, "renew"),
    Row(STATE, 400, "Instance is deleted", Instance, "existing instance"),
    Row(SEND, 400, "bad request data", Refused, "retry won't help"),
    Row(SEND, 400, "Bad Request Validation failed", Refused, "retry won't help"),
    Row(SEND, 400, "Validation failed. Details: 'chatId' is required", Refused, "'chatId' is required"),
    Row(SEND, 400, "Unexpected token _ in JSON at position 7", Refused, "position 7"),
    Row(RECEIVE, 401, "", Unauthorized, "token is wrong"),
    Row(RECEIVE, 401, "Unauthorized", Unauthorized, "token is wrong"),
    Row(RECEIVE, 403, "", Unauthorized, "instance id or the host"),
    Row(RECEIVE, 403, "Forbidden", Unauthorized, "instance id or the host"),
    Row(SEND, 403, "Your account is suspended", Instance, "suspended"),
    Row(STATE, 404, "Not Found", Refused, "no such method"),
    Row(RECEIVE, 429, "Too Many Requests", Unavailable, "too many requests"),
    Row(RECEIVE, 429, "", Unavailable, "requests_per_second"),
    Row(SEND, 466, QUOTA, Quota, "next month"),
    Row(RECEIVE, 466, "", Quota, "next month"),
    Row(SEND, 469, "", Quota, "2 hours"),
    Row(RECEIVE, 499, "Client Closed Request", Unavailable, "later"),
    Row(
        FILE,
        500,
        "File from url exceeded max upload size. Size: 120mb Limit: 100mb Url: https://example.org/a",
        Refused,
        "100 MB",
    ),
    Row(FILE, 500, {"message": "request entity too large"}, Refused, "100 MB"),
    Row(FILE, 413, "request entity too large", Refused, "100 MB"),
    Row(RECEIVE, 502, "<html>502 Bad Gateway</html>", Unavailable, "later"),
    # beside the vendor's table: what the tiers in front of it say
    Row(RECEIVE, 413, "", Unavailable, "later"),
    Row(RECEIVE, 503, "", Unavailable, "later"),
    Row(RECEIVE, 504, "<html>504</html>", Unavailable, "later"),
    Row(RECEIVE, 408, "", Unavailable, "later"),
    Row(RECEIVE, 530, "", Unavailable, "later"),
    Row(RECEIVE, 301, "", Refused, "redirects"),
    Row(RECEIVE, 307, "", Refused, "host"),
    Row(RECEIVE, 405, "", Refused, "retry won't help"),
    Row(RECEIVE, 201, "{}", Refused, "retry won't help"),
    # refusals dressed as HTTP 200
    Row(STATE, 200, {"status": False, "reason": "instance is starting or not authorized"}, Instance, "auth"),
    Row(RECEIVE, 200, {"code": 401, "description": "Unauthorized"}, Unauthorized, "token is wrong"),
    Row(DELETE, 200, {"code": 401, "description": "Unauthorized"}, Unauthorized, "token is wrong"),
    Row(RECEIVE, 200, {"code": 502, "message": "Bad Gateway"}, Unavailable, "later"),
    # section 5.5: the queue can be cleared once a minute; section 9: no such file
    Row(CLEAR, 400, WEBHOOK_URL_SET, WebhookUrlSet, "clear webhookUrl"),
    Row(
        CLEAR,
        200,
        {"isCleared": False, "reason": "Too many requests", "leftTime": 46},
        Unavailable,
        "wait 46 s",
    ),
    Row(
        DOWNLOAD,
        400,
        "File message encrypted url not found by chatId 1@c.us and idMessage AA",
        Refused,
        "not found",
    ),
    Row(
        SETTINGS, 400, "Validation failed. Details: 'value' must have at least 2 keys", Refused, "won't help"
    ),
]


def as_bytes(body: Any) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def refusal(call: Call[Any], status: int, body: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read_answer(call, status, as_bytes(body), token=TOKEN, **more)
    return caught.value


@pytest.mark.parametrize(
    "row", CONTRACT, ids=lambda row: f"{row.call.method}-{row.status}-{str(row.body)[:40]}"
)
def test_refusal_of_the_contract_becomes_its_error_and_names_the_remedy(row: Row) -> None:
    """Each refusal gives exactly one kind of error, whose text says what happened and what to do."""
    error = refusal(row.call, row.status, row.body)
    assert type(error) is row.error
    assert row.remedy.lower() in str(error).lower()
    assert row.call.method in str(error) or row.call is CLEAR
    assert error.retryable is (row.error is Unavailable)


@pytest.mark.parametrize(
    "row",
    [row for row in CONTRACT if row.status >= 400],
    ids=lambda row: f"{row.call.method}-{row.status}-{str(row.body)[:40]}",
)
@pytest.mark.parametrize("form", ["text", "message", "reason", "message and path", "recorded"])
def test_refusal_in_each_form_of_body_is_understood(row: Row, form: str) -> None:
    """There is no uniform error body: text, ``message``, ``reason``, with ``path`` or without, are equal."""
    text = row.body if isinstance(row.body, str) else row.body.get("message", "")
    path = f"/waInstance1101000001/{row.call.method}/{TOKEN}"
    body = {
        "text": text,
        "message": {"message": text},
        "reason": {"status": False, "reason": text},
        "message and path": {"message": text, "path": path},
        "recorded": {"statusCode": row.status, "timestamp": "2026-08-03T09:00:00.000Z", "path": path}
        | {"message": f"{text}; Cannot GET {path}"},
    }[form]
    error = refusal(row.call, row.status, body)
    assert type(error) is row.error
    assert TOKEN not in str(error)


@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
def test_refusal_in_another_case_is_understood(case: Any) -> None:
    """The gateway's texts are told apart whatever their case."""
    assert type(refusal(RECEIVE, 400, case(WEBHOOK_URL_SET))) is WebhookUrlSet


@pytest.mark.parametrize("status", range(100, 600))
def test_refusal_with_any_status_is_an_error_of_ours(status: int) -> None:
    """No status but 200 passes for an answer, and none is without an error."""
    if status != 200:
        error = refusal(RECEIVE, status, "null")
        assert error.status == status
        assert error.retryable is (status in (408, 413, 429, 499) or status >= 500)


def test_refusal_carries_status_and_reason() -> None:
    """Code can tell refusals apart without reading the text."""
    error = refusal(SEND, 400, "Validation failed. Details: 'chatId' is required")
    assert (error.status, error.reason) == (400, "Validation failed. Details: 'chatId' is required")


def test_refusal_in_a_body_of_200_carries_the_status_it_names() -> None:
    """The number in the body counts, not the 200 around it."""
    assert refusal(STATE, 200, {"code": 401, "description": "Unauthorized"}).status == 401


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("\xb2", None),
        ("9" * 400, float("inf")),
    ],
)
def test_refusal_carries_retry_after_when_it_is_in_seconds(header: str | None, seconds: float | None) -> None:
    """``Retry-After`` is passed on where it is a number, and any other form of it does no harm."""
    assert refusal(RECEIVE, 429, "", retry_after=header).retry_after == seconds


def test_refused_clearing_carries_the_seconds_left() -> None:
    """Who wants to clear the queue again knows when."""
    assert refusal(CLEAR, 200, {"isCleared": False, "leftTime": 46}).retry_after == 46.0
    assert refusal(CLEAR, 200, {"isCleared": False}).retry_after is None


def test_quota_refusal_tells_the_numbers_but_no_chat() -> None:
    """The body of a 466 may list chats, which are personal data."""
    error = refusal(SEND, 466, QUOTA)
    assert "CORRESPONDENTS_QUOTE_EXCEEDED: 3 of 3" in str(error)
    assert "12025550199" not in str(error)
    assert "12025550199" not in error.reason


def test_refusal_with_an_endless_body_has_a_short_text() -> None:
    """A page of HTML in the place of a reason doesn't fill the log."""
    assert len(str(refusal(RECEIVE, 502, "<html>" + "x" * 1_000_000))) < 1000


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"\x80" * 10, b'{"message": {"a": [1]}}', b"[1]", b"7"])
def test_refusal_with_an_odd_body_is_still_that_refusal(body: bytes) -> None:
    """What stands in a refusal's body may be anything."""
    with pytest.raises(Unauthorized):
        read_answer(RECEIVE, 401, body)


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row.statuses}-{row.reason}")
def test_row_of_the_table_is_reached_by_some_refusal_of_the_contract(row: Any) -> None:
    """The table has no dead row: each is the first to fit something in the contract."""
    fitting = (
        next(first for first in REFUSALS if first.fits(case.status, as_bytes(case.body).decode()))
        for case in CONTRACT
    )
    assert row in fitting


def test_refusal_error_without_words_names_method_and_status() -> None:
    """An empty body leaves no empty brackets in the text."""
    text = str(refusal_error("receiveNotification", 502, ""))
    assert text.startswith("receiveNotification was refused with 502: ")
