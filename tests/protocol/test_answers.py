"""Good answers, empty answers, and answers that are not what the contract says."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.errors import (
    GreenApiError,
    GreenApiPayloadError,
    GreenApiUnauthorizedError,
    GreenApiUnavailableError,
)
from airflow_green_notify.notification import Notification
from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.answers import outcome_of, read_answer
from airflow_green_notify.protocol.calls import Call

RECEIVE = calls.receive_notification(5)
DELETE = calls.delete_notification(1)
CLEAR = calls.clear_webhooks_queue()
JOURNALS = [calls.last_incoming_messages(1440), calls.last_outgoing_messages(1440)]
NEVER_EMPTY = [
    DELETE,
    CLEAR,
    calls.get_state_instance(),
    calls.get_settings(),
    calls.set_settings(),
    calls.get_webhooks_count(),
    calls.send_message("1", "a", None),
    calls.send_file_by_url("1", "https://example.org/a", "a", None, None),
    calls.download_file("1", "AA", None),
]
EMPTIES = [b"", b" ", b"\r\n\t ", b"null", b" null\n", b"{}", b"[]", b"{ }", b"[ ]\n"]


def good(call: Call[Any], answer: Any) -> Any:
    return read_answer(call, 200, json.dumps(answer).encode())


# --- empty ---


@pytest.mark.parametrize("body", EMPTIES)
def test_receiving_an_empty_answer_is_no_notification(body: bytes) -> None:
    """Both wire forms of "nothing came", and those taken as such to be safe, are ``None``."""
    assert read_answer(RECEIVE, 200, body) is None


@pytest.mark.parametrize("body", EMPTIES)
@pytest.mark.parametrize("call", JOURNALS, ids=lambda call: call.method)
def test_empty_journal_is_an_empty_list(call: Call[Any], body: bytes) -> None:
    """A journal without entries is a list without entries."""
    assert read_answer(call, 200, body) == []


@pytest.mark.parametrize("body", EMPTIES)
@pytest.mark.parametrize("call", NEVER_EMPTY, ids=lambda call: call.method)
def test_empty_answer_of_another_method_is_unavailable(call: Call[Any], body: bytes) -> None:
    """The gateway gives an empty 200 now and then: that is neither a result nor a fault of the user."""
    with pytest.raises(GreenApiUnavailableError, match=call.method):
        read_answer(call, 200, body)


# --- receiving ---


@pytest.mark.parametrize("envelope", example_notifications(), ids=lambda each: f"{each['receiptId']}")
@pytest.mark.parametrize("ascii_only", [True, False])
def test_receiving_an_example_gives_its_body_unchanged(envelope: dict[str, Any], ascii_only: bool) -> None:
    """Whether the gateway escapes or not, the body is what it sent."""
    raw = json.dumps(envelope, ensure_ascii=ascii_only).encode()
    received = read_answer(RECEIVE, 200, raw)
    assert (received.receipt_id, received.body) == (envelope["receiptId"], envelope["body"])


@pytest.mark.parametrize("receipt_id", [0, -1, 2**31, 2**63, 10**30])
def test_receiving_any_integer_as_receipt_id_is_accepted(receipt_id: int) -> None:
    """The contract says integer and no more."""
    assert good(RECEIVE, {"receiptId": receipt_id, "body": {}}).receipt_id == receipt_id


@pytest.mark.parametrize(
    "answer",
    [
        {"body": {}},
        {"receiptId": None, "body": {}},
        {"receiptId": "1", "body": {}},
        {"receiptId": 1.0, "body": {}},
        {"receiptId": True, "body": {}},
        {"receiptId": [1], "body": {}},
        {"receiptid": 1, "body": {}},
        [{"receiptId": 1, "body": {}}],
        "receiptId",
        1,
        0,
        True,
        False,
        {"result": True},
    ],
    ids=repr,
)
def test_receiving_without_an_integer_receipt_id_is_a_payload_error(answer: Any) -> None:
    """What can't be deleted afterwards is no notification; it is never taken for an empty queue."""
    with pytest.raises(GreenApiPayloadError, match="receiptId"):
        good(RECEIVE, answer)


@pytest.mark.parametrize("body", [None, {}, [], "", "text", 0, False, [1, {"a": 2}]], ids=repr)
def test_receiving_any_body_is_accepted(body: Any) -> None:
    """A body that can't be understood is still a notification: understanding is the reader's business."""
    received = good(RECEIVE, {"receiptId": 1, "body": body})
    assert isinstance(received, Notification)
    assert received.body == body


def test_receiving_without_a_body_is_accepted() -> None:
    """Even an envelope without a body can be stored and deleted, and so doesn't block the queue."""
    assert good(RECEIVE, {"receiptId": 1}).body is None


@pytest.mark.parametrize(
    "body",
    [
        {"code": 401, "message": "Unauthorized"},
        {"status": False, "reason": "instance is starting or not authorized"},
        {"message": "Too Many Requests"},
    ],
)
def test_receiving_a_body_that_looks_like_a_refusal_is_a_notification(body: dict[str, Any]) -> None:
    """Only the envelope can refuse, never what somebody wrote."""
    assert good(RECEIVE, {"receiptId": 1, "body": body}).body == body
    assert good(RECEIVE, {"receiptId": 1, "body": {}, **body}).receipt_id == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
def test_receiving_numbers_beyond_json_gives_text_that_can_be_stored(number: str) -> None:
    """Numbers that no JSON column takes are kept as their digits, and don't block the queue."""
    received = read_answer(RECEIVE, 200, b'{"receiptId":1,"body":{"a":%b}}' % number.encode())
    assert received.body == {"a": number}
    assert Notification.from_dict(json.loads(json.dumps(received.as_dict()))).key == received.key


@pytest.mark.parametrize(
    "number", ["0", "-0", "1.0", "1e300", "1e-300", "123456789012345678901234567890", "9" * 900]
)
def test_receiving_numbers_gives_numbers(number: str) -> None:
    """Ordinary and large numbers are numbers."""
    received = read_answer(RECEIVE, 200, b'{"receiptId":1,"body":{"a":%b}}' % number.encode())
    assert received.body == {"a": json.loads(number)}
    assert not isinstance(received.body["a"], str)


@pytest.mark.parametrize("levels", [500, 950, 1_000, 20_000])
def test_receiving_a_deeply_nested_body_has_the_same_key_however_deep_the_call_stack(levels: int) -> None:
    """What nests deeper than Python reads is read all the same, and is one notification everywhere."""
    raw = b'{"receiptId":7,"body":{"b":%b,"a":1}}' % (b"[" * levels + b"]" * levels)

    def received(frames: int) -> Notification:
        return received(frames - 1) if frames else read_answer(RECEIVE, 200, raw)

    shallow, deep = received(0), received(400)
    assert (shallow.receipt_id, shallow.body["a"]) == (7, 1)
    canonical = b'{"a":1,"b":%b}' % (b"[" * levels + b"]" * levels)
    assert shallow.key == deep.key == hashlib.sha256(canonical).hexdigest()[:32]


def test_receiving_five_megabytes_is_received_whole() -> None:
    """There is no limit of size in the protocol."""
    assert len(good(RECEIVE, {"receiptId": 1, "body": {"a": "я" * 5_000_000}}).body["a"]) == 5_000_000


# --- not JSON ---


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"OK",
        b'{"receiptId":1,"body":{',
        b'{"receiptId":1}{"receiptId":2}',
        b"{'receiptId': 1}",
        b"\xff\xff\xff",
        b'{"receiptId":1,"body":"\xc3"}',
        b"undefined",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("call", [RECEIVE, *NEVER_EMPTY], ids=lambda call: call.method)
def test_answer_that_is_not_json_is_a_payload_error(call: Call[Any], body: bytes) -> None:
    """Something that isn't the gateway is told from an empty queue; what it said is not repeated."""
    with pytest.raises(GreenApiPayloadError, match="host") as caught:
        read_answer(call, 200, body)
    assert "html" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("depth", [500, 835, 900, 950, 980, 990, 1000, 5000])
@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize(
    "form", ['{"receiptId":1,"body":%s}', '{"message":%s}', '{"isCleared":false,"reason":%s}']
)
@pytest.mark.parametrize("call", [RECEIVE, CLEAR, DELETE], ids=lambda call: call.method)
def test_answer_of_any_depth_is_read_or_refused_in_words(
    call: Call[Any], status: int, form: str, depth: int
) -> None:
    """Python gives up on what is nested deeply, at a depth that depends on who calls: no error of its own
    comes out of it."""
    body = (form % ("[" * depth + "]" * depth)).encode()
    outcome = outcome_of(call, status, body)
    if isinstance(outcome, GreenApiError):
        assert (outcome.__context__, outcome.__traceback__) == (None, None)
    assert isinstance(outcome, GreenApiUnauthorizedError) is (status == 401)


@pytest.mark.parametrize(
    "left", ["9" * 900, "-" + "9" * 900, "1e308", "1e999", "-5", "true", "[]", '"5"', "NaN"]
)
def test_refused_clearing_survives_any_number_of_seconds_left(left: str) -> None:
    """What is no number of seconds is no reason to fail otherwise than the contract says."""
    with pytest.raises(GreenApiUnavailableError, match="once a minute") as caught:
        read_answer(CLEAR, 200, b'{"isCleared":false,"leftTime":%b}' % left.encode())
    assert len(str(caught.value)) < 200
    assert caught.value.retry_after is None or 0 <= caught.value.retry_after <= 86_400


# --- deleting ---


@pytest.mark.parametrize("answer", [{"result": True}, {"result": True, "reason": ""}])
def test_deleting_answered_true_is_true(answer: Any) -> None:
    """With and without an empty reason, deleted is deleted."""
    assert good(DELETE, answer) is True


@pytest.mark.parametrize("answer", [{"result": False}, {"result": False, "reason": "it was deleted before"}])
def test_deleting_answered_false_is_false(answer: Any) -> None:
    """A receipt id that the gateway doesn't know is a result, not an error."""
    assert good(DELETE, answer) is False


@pytest.mark.parametrize("form", ['{"message": "%s", "path": "/x"}', "%s", '{"reason": "%s"}'])
def test_deleting_with_the_unknown_receipt_text_is_false(form: str) -> None:
    """The contract's other form of "not found" means the same as ``false``."""
    text = "Cannot read properties of undefined (reading 'findUnAckedMessage')"
    assert read_answer(DELETE, 500, (form % text).encode()) is False


def test_unknown_receipt_text_of_another_method_is_an_error() -> None:
    """Only a delete may take that 500 for an answer."""
    with pytest.raises(GreenApiUnavailableError):
        read_answer(RECEIVE, 500, b"Cannot read properties of undefined (reading 'findUnAckedMessage')")


@pytest.mark.parametrize(
    "answer", [{"result": None}, {"result": 1}, {"result": "true"}, {"ok": True}, [True], 1, True]
)
def test_deleting_with_an_odd_answer_is_a_payload_error(answer: Any) -> None:
    """Nothing but the word ``true`` counts as deleted, and nothing but ``false`` as not."""
    with pytest.raises(GreenApiPayloadError):
        good(DELETE, answer)


# --- the other methods ---


@pytest.mark.parametrize(
    ("call", "answer", "result"),
    [
        (calls.get_state_instance(), {"stateInstance": "authorized"}, "authorized"),
        (calls.get_state_instance(), {"stateInstance": "somethingNew"}, "somethingNew"),
        (calls.get_settings(), {"webhookUrl": ""}, {"webhookUrl": ""}),
        (calls.set_settings(), {"saveSettings": True}, True),
        (calls.set_settings(), {"saveSettings": False}, False),
        (calls.get_webhooks_count(), {"count": 0}, 0),
        (calls.get_webhooks_count(), {"count": 12}, 12),
        (calls.get_webhooks_count(), {"\u0441ount": 12}, 12),
        (CLEAR, {"isCleared": True, "reason": ""}, True),
        (calls.send_message("1", "a", None), {"idMessage": "3EB0"}, "3EB0"),
        (calls.send_file_by_url("1", "u", "f", None, None), {"idMessage": "3EB0"}, "3EB0"),
        (
            calls.download_file("1", "AA", None),
            {"downloadUrl": "https://example.org/a"},
            "https://example.org/a",
        ),
        (JOURNALS[0], [{"type": "incoming"}], [{"type": "incoming"}]),
        (JOURNALS[1], [{"type": "outgoing"}, {}], [{"type": "outgoing"}, {}]),
    ],
)
def test_good_answer_gives_the_result(call: Call[Any], answer: Any, result: Any) -> None:
    """Each method gives what the contract says its answer holds."""
    assert good(call, answer) == result


@pytest.mark.parametrize("call", [*NEVER_EMPTY, *JOURNALS], ids=lambda call: call.method)
@pytest.mark.parametrize("answer", [[1], ["a"], "text", 7, True, [[{}]]], ids=repr)
def test_answer_of_another_shape_is_a_payload_error(call: Call[Any], answer: Any) -> None:
    """An answer of another type than it should be never passes for one."""
    with pytest.raises(GreenApiPayloadError):
        good(call, answer)


@pytest.mark.parametrize(
    "call", [call for call in NEVER_EMPTY if call.method != "getSettings"], ids=lambda call: call.method
)
def test_answer_without_its_member_is_a_payload_error(call: Call[Any]) -> None:
    """An answer that lacks what it should hold never passes for one."""
    answer = {"other": None}
    with pytest.raises(GreenApiPayloadError):
        good(call, answer)
