"""A notification's key, its fields, and its forms."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.errors import GreenApiPayloadError
from airflow_green_notify.json_text import canonical_json, from_text
from airflow_green_notify.notification import Notification
from tests.odd_bodies import ODD, PORTABLE, nested

EXAMPLES = example_notifications()
FIELDS = (
    "type_webhook",
    "type_message",
    "instance_id",
    "type_instance",
    "timestamp",
    "id_message",
    "chat_id",
    "sender",
    "sender_name",
    "text",
    "status",
    "state",
    "download_url",
    "file_name",
    "mime_type",
    "quoted_id",
    "chat_kind",
    "direction",
    "sent_from",
    "phone",
    "lid",
    "is_undecrypted",
)
COLUMNS = [
    "key",
    "instance_id",
    "type_webhook",
    "type_message",
    "notified_at",
    "received_at",
    "chat_id",
    "sender",
    "sender_name",
    "id_message",
    "text",
    "status",
    "download_url",
    "file_name",
    "mime_type",
    "quoted_id",
    "body",
]
MEMBERS = (
    "typeWebhook",
    "instanceData",
    "timestamp",
    "idMessage",
    "senderData",
    "messageData",
    "chatId",
    "from",
    "status",
    "stateInstance",
)
ODD_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "\x00",
    "\ud800",
    [],
    ["a"],
    {},
    {"chatId": 5, "sender": [], "idInstance": {}, "typeMessage": None},
    {
        "textMessageData": [],
        "quotedMessage": "x",
        "fileMessageData": 7,
        "extendedTextMessageData": {"text": 1},
    },
]


def example(line: int) -> Notification:
    """The notification in this line of notifications.ndjson (from 1)."""
    return Notification(line, EXAMPLES[line - 1]["body"])


def text_message(text: str, payload: str = "textMessageData", name: str = "textMessage") -> Notification:
    return Notification(1, {"messageData": {payload: {name: text}}})


# --- key ---


def test_key_of_known_body_is_the_documented_hash() -> None:
    """The key is the SHA-256 of the canonical JSON, 32 hex digits: a stored key must never change."""
    assert Notification(1, {"b": "é", "a": [1, 2.5, None, True]}).key == "2d13915cea65e5c86a2097e51aa092fb"


def test_keys_of_known_bodies_stay_what_they_are() -> None:
    """A store recognises what it has held for years: no key changes, of an ordinary body or of an odd one."""
    examples = "".join(Notification(0, each["body"]).key for each in EXAMPLES)
    assert hashlib.sha256(examples.encode()).hexdigest() == KEYS_OF_EXAMPLES
    odd = "".join(Notification(0, body).key for body in [*PORTABLE.values(), *ODD.values()] if is_flat(body))
    assert hashlib.sha256(odd.encode()).hexdigest() == KEYS_OF_ODD_BODIES


KEYS_OF_EXAMPLES = "557d75e771ee542d30ead46c5c8a4cc5a524ed13bfa40dd91861bec2b19079fa"
KEYS_OF_ODD_BODIES = "875c4965d9f9b1f43010704fd25c59eda955a2a9a572a6dfa5cf4e8eb0fa5d14"


def is_flat(body: Any) -> bool:
    """Whether Python's own functions get by on the call stack."""
    try:
        json.dumps(body)
    except RecursionError:
        return False
    return True


@pytest.mark.parametrize("line", range(1, len(EXAMPLES) + 1))
def test_key_of_reordered_and_reparsed_body_is_the_same(line: int) -> None:
    """Order of members and another trip through JSON leave the key as it is."""
    body = EXAMPLES[line - 1]["body"]
    reordered = json.loads(json.dumps(dict(reversed(body.items())), indent=3, ensure_ascii=line % 2 == 0))
    assert Notification(line, reordered).key == Notification(0, body).key


def test_keys_of_the_examples_are_all_different() -> None:
    """Different notifications have different keys."""
    assert len({example(line).key for line in range(1, 81)}) == 80


@pytest.mark.parametrize(
    "other",
    [{"a": "1"}, {"a": 1.0}, {"a": True}, {"a": [1]}, {"a": None}, {"a": 1, "b": None}, {}, None, "", [], 0],
)
def test_key_of_a_body_that_differs_only_in_type_is_another(other: Any) -> None:
    """Bodies that Python may hold for equal, or nearly so, don't share a key."""
    assert Notification(1, other).key != Notification(1, {"a": 1}).key


def test_key_ignores_receipt_id_and_time() -> None:
    """A notification that comes twice has one key."""
    first = Notification(1, {"a": 1}, received_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert first.key == Notification(2, {"a": 1}).key


@pytest.mark.parametrize(
    "body", ["\ud800", {"\udfff": "\x00"}, {"é": "\ud83d\ude00"}, None, [], 7, nested(100), nested(5_000)]
)
def test_key_of_any_json_value_is_32_hex_digits(body: Any) -> None:
    """There is no body without a key."""
    assert re.fullmatch("[0-9a-f]{32}", Notification(1, body).key)


def test_notifications_are_frozen_and_hash_by_key() -> None:
    """A notification can be put into sets, and nobody changes it on the way."""
    notification = Notification(1, {"a": [1]})
    assert {notification, Notification(1, {"a": [1]})} == {notification}
    with pytest.raises(FrozenInstanceError):
        notification.receipt_id = 2  # type: ignore[misc]


def test_repr_shows_key_and_type_but_nothing_that_people_wrote() -> None:
    """Log lines carry no message text, no chat and no name."""
    shown = repr(example(1))
    assert example(1).key in shown
    assert "incomingMessageReceived" in shown
    private = (example(1).text, example(1).chat_id, example(1).sender_name)
    assert not any(value and value in shown for value in private)


# --- fields ---


@pytest.mark.parametrize("line", range(1, len(EXAMPLES) + 1))
def test_fields_of_an_example_have_their_types(line: int) -> None:
    """Every field of every documented kind is a string, or absent; the type of the event is always there."""
    notification = example(line)
    for name in set(FIELDS) - {"timestamp", "is_undecrypted"}:
        assert isinstance(getattr(notification, name), str | None), name
    assert notification.type_webhook == EXAMPLES[line - 1]["body"]["typeWebhook"]
    assert notification.instance_id == str(EXAMPLES[line - 1]["body"]["instanceData"]["idInstance"])
    assert notification.timestamp is None or notification.timestamp.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (1, {"type_message": "textMessage", "type_instance": "whatsapp", "quoted_id": None, "status": None}),
        (31, {"status": "sent", "state": None, "sender": None, "type_message": None}),
        (40, {"state": "notAuthorized", "status": None, "chat_id": None}),
        (44, {"state": "online"}),
        (46, {"status": "offer", "type_webhook": "incomingCall"}),
        (54, {"timestamp": None, "type_webhook": "quotaExceeded"}),
        (56, {"type_instance": "telegram"}),
        (60, {"type_instance": "v3"}),
    ],
)
def test_fields_of_kinds_are_read_from_where_they_are(line: int, expected: dict[str, Any]) -> None:
    """Each kind gives the fields it has and no others."""
    notification = example(line)
    assert {name: getattr(notification, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (1, ("private", "incoming", None, "12025550101", None)),
        (2, ("group", "incoming", None, "12025550102", None)),
        (29, ("private", "outgoing", "phone", "12025550101", None)),
        (30, ("private", "outgoing", "api", "12025550101", None)),
        (31, ("private", "outgoing", "api", "12025550101", None)),
        (35, ("group", "outgoing", "api", None, None)),
        (38, (None, None, None, None, None)),
        (46, ("private", "incoming", None, "12025550101", None)),
        (55, ("private", "incoming", None, "12025550101", None)),
        (56, ("group", "incoming", None, None, None)),
        (60, ("private", "incoming", None, None, None)),
        (61, ("private", "outgoing", "api", None, None)),
        (62, ("private", "outgoing", None, None, None)),
        (64, ("private", "incoming", None, None, "200000000000042@lid")),
        (72, ("group", "incoming", None, None, "200000000000043@lid")),
        (73, ("private", "incoming", None, "12025550101", "200000000000042@lid")),
        (74, ("private", "outgoing", "api", None, "200000000000042@lid")),
        (75, ("private", "incoming", None, None, None)),
        (76, ("status", "incoming", None, "12025550101", None)),
        (77, (None, "incoming", None, None, None)),
        (78, ("channel", "incoming", None, None, None)),
        (79, ("broadcast", "incoming", None, "12025550101", None)),
        (80, ("channel", "incoming", None, None, None)),
    ],
)
def test_who_is_at_the_other_end_and_where(line: int, expected: tuple[str | None, ...]) -> None:
    """The kind of chat, the direction, what sent it, and the person's number and LID where they are shown."""
    names = ("chat_kind", "direction", "sent_from", "phone", "lid")
    assert tuple(getattr(example(line), name) for name in names) == expected


def test_status_of_a_message_sent_from_the_phone_says_so() -> None:
    """A status tells what sent its message."""
    status = {**EXAMPLES[30]["body"], "sendByApi": False}
    assert Notification(1, status).sent_from == "phone"


@pytest.mark.parametrize(
    "number",
    [0, -1, True, None, "", "0", "+1 202", 10**4_000, 1.5, [], {}],
    ids=lambda value: type(value).__name__,
)
def test_phone_of_a_hidden_or_odd_number_is_none(number: Any) -> None:
    """Telegram and MAX show 0 for a number that is hidden."""
    body = {**EXAMPLES[54]["body"]}
    body["senderData"] = {**body["senderData"], "senderPhoneNumber": number}
    assert Notification(1, body).phone is None


@pytest.mark.parametrize("line", range(1, 31))
def test_text_of_message_examples_is_what_the_person_wrote(line: int) -> None:
    """Whatever payload carries the words, ``text`` finds them; kinds without words have ``None``."""
    wordless = {11, 12, 13, 18}
    assert (example(line).text is None) == (line in wordless)


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ("textMessageData", "textMessage"),
        ("extendedTextMessageData", "text"),
        ("fileMessageData", "caption"),
        ("editedMessageData", "textMessage"),
        ("editedMessageData", "caption"),
        ("buttonsResponseMessage", "selectedButtonText"),
        ("listResponseMessage", "title"),
        ("templateButtonReplyMessage", "selectedDisplayText"),
        ("interactiveButtonsReply", "contentText"),
        ("pollMessageData", "name"),
    ],
)
def test_text_is_found_in_each_payload(payload: str, name: str) -> None:
    """Text, caption, answer to buttons, lists and templates: all are ``text``."""
    assert text_message("wörds", payload, name).text == "wörds"


@pytest.mark.parametrize("line", [4, 14, 16, 17, 18, 21, 23, 25])
def test_quoted_id_of_answers_is_the_message_they_belong_to(line: int) -> None:
    """Quotes, reactions, votes, edits, deletions and answers to buttons all name their message."""
    assert example(line).quoted_id


def test_call_has_the_other_side_as_chat_and_sender() -> None:
    """A call can be matched by chat, though its body says ``from``."""
    body = EXAMPLES[45]["body"]
    assert example(46).chat_id == example(46).sender == body["from"]


def test_chat_of_a_status_is_found_at_the_top() -> None:
    """Statuses carry the chat beside the status, not in ``senderData``."""
    assert example(32).chat_id == EXAMPLES[31]["body"]["chatId"]


def test_timestamp_counts_seconds_and_is_aware() -> None:
    """The gateway's unit is seconds since 1970, UTC."""
    assert Notification(1, {"timestamp": 1790409607}).timestamp == datetime(2026, 9, 26, 8, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, True, "1790409607", [], {}, 10**20, -(10**20), 1e300, "NaN"])
def test_timestamp_of_another_form_is_none(value: Any) -> None:
    """No odd timestamp raises, and none is guessed at."""
    assert Notification(1, {"timestamp": value}).timestamp is None


@pytest.mark.parametrize("marker", ["{{SWE001}}", "{{SWE003}}", "{{SWE999}}"])
def test_undecrypted_markers_are_recognised(marker: str) -> None:
    """All markers that stand for a text which couldn't be decrypted are told apart from texts."""
    assert text_message(marker).is_undecrypted
    assert not text_message(f"what is {marker}?").is_undecrypted
    assert not example(9).is_undecrypted


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
def test_fields_of_odd_bodies_never_raise(member: str, value: Any) -> None:
    """A member of an unexpected type makes fields absent, never an exception."""
    notification = Notification(1, {**EXAMPLES[0]["body"], member: value})
    for name in FIELDS:
        getattr(notification, name)
    assert notification.as_row()["key"] == notification.key


@pytest.mark.parametrize("body", ODD_VALUES, ids=repr)
def test_fields_of_a_body_that_is_no_object_are_absent(body: Any) -> None:
    """Whatever JSON stands in the place of the body, the fields say ``None``."""
    notification = Notification(1, body)
    assert [getattr(notification, name) for name in FIELDS[:-1]] == [None] * (len(FIELDS) - 1)
    assert notification.is_undecrypted is False


# --- forms ---


@pytest.mark.parametrize("line", range(1, len(EXAMPLES) + 1))
def test_row_of_an_example_is_flat_and_its_body_whole(line: int) -> None:
    """A row has exactly the table's columns, scalars only, and the body as JSON text from which all comes."""
    row = example(line).as_row()
    assert list(row) == COLUMNS
    assert all(isinstance(value, str | datetime | None) for value in row.values())
    assert json.loads(row["body"]) == EXAMPLES[line - 1]["body"]
    assert row["body"].encode()


def test_row_of_a_state_change_has_the_state_as_status() -> None:
    """Notifications about the instance itself tell their state in the column ``status``."""
    assert example(40).as_row()["status"] == "notAuthorized"


@pytest.mark.parametrize("line", range(1, len(EXAMPLES) + 1))
def test_dict_of_an_example_comes_back_equal(line: int) -> None:
    """JSON form and back: the same notification, its body an object that can be read as it is."""
    value = json.loads(json.dumps(example(line).as_dict()))
    assert list(value) == ["key", "receipt_id", "received_at", "body"]
    assert value["body"] == EXAMPLES[line - 1]["body"]
    back = Notification.from_dict(value)
    assert back == example(line)
    assert back.received_at == datetime.fromisoformat(value["received_at"])


@pytest.mark.parametrize("body", (PORTABLE | ODD).values(), ids=PORTABLE | ODD)
def test_dict_of_an_odd_body_comes_back_exactly(body: Any) -> None:
    """No body is changed by its JSON form, and its key is that of the original, and known to be."""
    notification = Notification(3, body)
    back = Notification.from_dict(strict_json(notification.as_dict(thumbnails=False)))
    assert (back.key, back.receipt_id, back.key_is_checked) == (notification.key, 3, True)
    assert canonical_json(back.body) == canonical_json(body)
    assert Notification(4, back.body).key == notification.key


def strict_json(value: Any) -> Any:
    """What a reader of JSON that knows no NaN makes of it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(json.dumps(value), parse_constant=refuse)


@pytest.mark.parametrize("body", PORTABLE.values(), ids=PORTABLE)
def test_dict_of_what_all_read_holds_the_body_alone(body: Any) -> None:
    """The ordinary case is the gateway's object, and nothing beside it."""
    value = Notification(1, body).as_dict()
    assert value["body"] == body
    assert "body_text" not in value


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_dict_of_what_some_refuse_holds_an_object_that_all_read_and_the_exact_text(body: Any) -> None:
    """``body`` is never a text, a list or a number, and never what a column or an engine fails on."""
    value = Notification(1, body).as_dict()
    assert isinstance(value["body"], dict | None)
    assert canonical_json(from_text(value["body_text"])) == canonical_json(body)
    assert not UNREADABLE.search(json.dumps(value["body"]))
    if isinstance(body, dict) and "typeWebhook" in body:
        assert value["body"]["typeWebhook"] == "incomingMessageReceived"


UNREADABLE = re.compile(r'\\u0000|\\ud[89a-f]|NaN|Infinity|"__|\d{19}(?!\d*\.0)|[\[{][\s\[{"in:]{400}')


def test_dict_of_an_odd_body_says_what_stands_in_the_place_of_what() -> None:
    """Text is legible still, what is no number of 64 bits is None, and so is what lies too deep."""
    body = {
        "a\0": "b\ud800c",
        "nan": float("nan"),
        "big": [10**30, 1],
        "deep": nested(20),
        "old": {"__var": 1},
    }
    value = Notification(1, body).as_dict()["body"]
    deep = value.pop("deep")
    assert value == {"a\ufffd": "b\ufffdc", "nan": None, "big": [None, 1], "old": None}
    assert json.dumps(deep).count("[") == 14


def test_dict_with_the_body_as_text_is_read() -> None:
    """The form in which odd bodies were written before."""
    value = Notification(1, {"a": 1}).as_dict() | {"body": '{"a": NaN}'}
    assert repr(Notification.from_dict(value).body) == "{'a': nan}"


def test_dict_without_thumbnails_keeps_the_key_of_the_whole() -> None:
    """Thumbnails may be left out of XCom; the notification is the same all the same."""
    notification = Notification(1, {"a": [{"jpegThumbnail": "x" * 100, "b": 1}], "jpegThumbnail": ""})
    value = notification.as_dict(thumbnails=False)
    assert value["body"] == {"a": [{"b": 1}]}
    assert Notification.from_dict(value).key == notification.key
    assert notification.as_dict()["body"] == notification.body


@pytest.mark.parametrize(
    "key", ["k", "/victim/x", "../" * 3, "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", "", 5, None]
)
def test_dict_with_a_key_that_is_none_is_refused(key: Any) -> None:
    """A key becomes a name of files, so it is 32 hex digits, whoever wrote it."""
    with pytest.raises(ValueError, match="Not a notification"):
        Notification.from_dict(Notification(1, {}).as_dict() | {"key": key})


def test_error_of_a_wrong_dict_quotes_what_stands_in_it_in_one_short_line() -> None:
    """Whoever may write an XCom doesn't write lines of the log."""
    forged = Notification(1, {}).as_dict() | {"key": "\x1b[2J\nlevel=error" + "x" * 5_000_000}
    with pytest.raises(ValueError, match="Not a notification") as raised:
        Notification.from_dict(forged)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1_000


def test_dict_with_the_key_of_another_body_is_told_apart() -> None:
    """Its key is kept, and marked: nothing may take it for that notification."""
    real, other = Notification(1, {"a": 1}), Notification(1, {"a": 2})
    assert Notification.from_dict(real.as_dict()).key_is_checked
    forged = Notification.from_dict(other.as_dict() | {"key": real.key})
    assert (forged.key, forged.key_is_checked) == (real.key, False)
    assert not real.is_meant_by(forged)
    assert not real.is_meant_by(other)
    assert real.is_meant_by(Notification.from_dict(real.as_dict()))


def test_dict_without_thumbnails_still_means_its_notification() -> None:
    """What was left out is left out of the comparison, and nothing else is."""
    real = Notification(1, {"a": {"jpegThumbnail": "x", "b": 1}})
    without = Notification.from_dict(real.as_xcom())
    assert (without.key, without.key_is_checked) == (real.key, False)
    assert real.is_meant_by(without)
    altered = Notification.from_dict(real.as_xcom() | {"body": {"a": {"b": 2}}})
    assert not real.is_meant_by(altered)


KEY = "0" * 32


def test_dict_of_a_time_elsewhere_keeps_the_moment() -> None:
    """A moment stays the same moment, whatever zone it was given in."""
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    assert Notification.from_dict(Notification(1, {}, moment).as_dict()).received_at == moment


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"body": {}},
        {"key": "k", "receipt_id": "x", "received_at": "2026-01-01T00:00:00+00:00", "body": {}},
        {"key": "k", "receipt_id": 1, "received_at": "yesterday", "body": {}},
        {"key": "k", "receipt_id": 1, "received_at": None, "body": {}},
        {"key": KEY, "receipt_id": float("inf"), "received_at": "2026-01-01T00:00:00+00:00", "body": {}},
        {"key": KEY, "receipt_id": 1, "received_at": "2026-01-01T00:00:00", "body": {}},
        {"key": KEY, "receipt_id": 1, "received_at": "0001-01-01T00:00:00+23:00", "body": {}},
        {"key": "k", "receipt_id": 1, "received_at": "2026-01-01T00:00:00+00:00", "body": "{broken"},
        {"receiptId": 1, "body": {}},
        "text",
        None,
        [],
    ],
)
def test_dict_of_another_form_is_refused_with_a_remedy(value: Any) -> None:
    """Who passes something else is told what to pass."""
    with pytest.raises(ValueError, match="GreenApiReceiveNotificationOperator"):
        Notification.from_dict(value)


def test_xcom_form_leaves_thumbnails_out_and_fits_its_limit() -> None:
    """The limit is hard, counted without thumbnails, and exactly reachable."""
    notification = Notification(1, {"a": "ä" * 50, "jpegThumbnail": "x" * 10_000})
    size = len(json.dumps(notification.as_dict(thumbnails=False)))
    assert notification.as_xcom(size)["body"] == {"a": "ä" * 50}
    with pytest.raises(GreenApiPayloadError, match="GreenApiDrainNotificationsOperator"):
        notification.as_xcom(size - 1)
