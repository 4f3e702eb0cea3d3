"""What each view shows of a few notifications, on each database."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.message import ABOUT_ANOTHER, MESSAGE_TYPES
from airflow_green_notify.models.making import create_models
from airflow_green_notify.notification import Notification
from tests.models.conftest import (
    ANNA,
    BORIS,
    GROUP,
    INSTANCE,
    LID,
    OTHER,
    TELEGRAM,
    VERA,
    about,
    by_bot,
    by_human,
    call,
    clock,
    message,
    poll,
    put,
    rows,
    state,
    status,
)

DAY = 24 * 60
"""Minutes."""


@pytest.fixture
def store(sql_store: Any) -> Any:
    """An empty store, with its models, on each database in turn."""
    create_models(sql_store)
    return sql_store


def by_id(store: Any, view: str, *columns: str) -> dict[str, Any]:
    """The values of some columns by id of the message, which is unique here."""
    found = rows(store, view, "id_message", *columns)
    assert len({row["id_message"] for row in found}) == len(found)
    return {row["id_message"]: tuple(row[name] for name in columns) for row in found}


# --- messages ---


def test_messages_say_what_the_notification_says(store: Any) -> None:
    """Each of the examples that brings a message is one row, with what Notification's properties tell."""
    examples = [Notification(0, each["body"]) for each in example_notifications()]
    put(store, [each.body for each in examples])
    expected = {
        each.id_message: each
        for each in examples
        if each.type_webhook in MESSAGE_TYPES and each.type_message not in ABOUT_ANOTHER
    }
    names = ("direction", "sent_from", "chat_kind", "text", "quoted_id", "sender", "chat_id", "type_message")
    told = by_id(store, "messages", *names)
    assert len(told) == 43
    assert told == {key: tuple(getattr(each, name) for name in names) for key, each in expected.items()}


def test_text_is_the_last_one_that_is_not_empty(store: Any) -> None:
    """Edits count by their own time; one without data, or of another instance, changes nothing."""
    put(
        store,
        [
            about("E2", 3, "M1", "editedMessage", "third"),
            about("E1", 2, "M1", "editedMessage", "second"),
            about("E3", 4, "M1", "editedMessage", ""),
            about("E4", 5, "M1", "editedMessage", None),
            message("M1", 1, "first"),
            message("M2", 1, "other"),
            about("E5", 6, "M2", "editedMessage", "elsewhere", instance=OTHER),
            about("D1", 9, "M1", "deletedMessage"),
        ],
    )
    assert by_id(store, "messages", "text", "num_characters", "edited_at", "deleted_at") == {
        "M1": ("third", 5, clock(2), clock(9)),
        "M2": ("other", 5, None, None),
    }


def test_message_is_one_row_however_often_it_came(store: Any) -> None:
    """What was decrypted later takes the place of the marker; of equal ones the first counts."""
    put(
        store,
        [
            message("M1", 1, "{{SWE001}}"),
            message("M1", 2, "Now I can read it"),
            message("M1", 3, "Now I can read it"),
            message("M2", 4, "{{SWE001}}"),
        ],
    )
    assert by_id(store, "messages", "text", "sent_at") == {
        "M1": ("Now I can read it", clock(2)),
        "M2": ("{{SWE001}}", clock(4)),
    }


def test_ids_are_told_apart_by_instance_and_on_telegram_by_chat(store: Any) -> None:
    """Two instances may have equal chats; Telegram counts messages chat by chat."""
    put(
        store,
        [
            message("1", 1, "W"),
            message("1", 1, "O", instance=OTHER),
            message("1", 1, "first chat", chat="10000042", instance=TELEGRAM),
            message("1", 1, "second chat", chat="10000043", instance=TELEGRAM),
            about("1", 2, "1", "editedMessage", "changed", chat="10000043", instance=TELEGRAM),
            about("2", 2, "1", "editedMessage", "W!", chat=LID),
        ],
    )
    texts = [(row["instance_id"], row["chat_id"], row["text"]) for row in rows(store, "messages")]
    assert sorted(texts) == [
        (TELEGRAM, "10000042", "first chat"),
        (TELEGRAM, "10000043", "changed"),
        (INSTANCE, ANNA, "W!"),
        (OTHER, ANNA, "O"),
    ]


def test_messages_tell_of_forwarding_and_files(store: Any) -> None:
    """A text that only looks like JSON says nothing."""
    file = {"downloadUrl": "https://media.example.org/1", "fileName": "a.jpg", "mimeType": "image/jpeg"}
    forwarded = {"text": "f", "isForwarded": True}
    put(
        store,
        [
            message("T", 1, '"isForwarded": true'),
            message(
                "F", 2, data={"typeMessage": "extendedTextMessage", "extendedTextMessageData": forwarded}
            ),
            message("I", 3, data={"typeMessage": "imageMessage", "fileMessageData": file}),
            message(
                "L",
                4,
                data={"typeMessage": "videoMessage", "fileMessageData": file | {"downloadUrl": "{{SWE002}}"}},
            ),
            message("N", 5, data={"typeMessage": "stickerMessage"}),
        ],
    )
    assert by_id(store, "messages", "is_forwarded", "media_state") == {
        "T": (0, None),
        "F": (1, None),
        "I": (0, "available"),
        "L": (0, "too_large"),
        "N": (0, "missing"),
    }


# --- statuses ---


def test_status_is_the_one_that_goes_furthest(store: Any) -> None:
    """Whatever the order of the statuses' times; a failure counts until the message arrives all the same."""
    put(
        store,
        [
            by_bot("M1", 0),
            status("M1", 2, "read"),
            status("M1", 3, "sent"),
            status("M1", 1, "delivered"),
            by_human("M2", 0),
            status("M2", 1, "sent"),
            status("M2", 2, "failed", description="SWE004: too many"),
            by_bot("M3", 0),
            status("M3", 1, "failed"),
            status("M3", 5, "delivered"),
            status("M4", 1, "noAccount", sendByApi=False),
            status("M5", 1, ""),
        ],
    )
    names = ("status", "sent_at", "delivered_at", "read_at", "failed_at", "arrived_after_failure_at")
    assert by_id(store, "message_statuses", *names) == {
        "M1": ("read", clock(0), clock(1), clock(2), None, None),
        "M2": ("failed", clock(0), None, None, clock(2), None),
        "M3": ("delivered", clock(0), clock(5), None, clock(1), clock(5)),
        "M4": ("noAccount", None, None, None, clock(1), None),
        "M5": (None, None, None, None, None, None),
    }
    names = ("sent_from", "failure_reason", "seconds_to_deliver", "seconds_to_read", "has_message")
    assert by_id(store, "message_statuses", *names) == {
        "M1": ("api", None, 60, 60, 1),
        "M2": ("api", "SWE004: too many", None, None, 1),
        "M3": ("api", "failed", 300, None, 1),
        "M4": ("phone", "noAccount", None, None, 0),
        "M5": ("api", None, None, None, 0),
    }
    assert by_id(store, "messages", "status", "failure_reason") == {
        "M1": ("read", None),
        "M2": ("failed", "SWE004: too many"),
        "M3": ("delivered", "failed"),
    }


# --- conversations ---


def test_conversation_ends_with_silence(store: Any) -> None:
    """A message more than 24 h after the last one begins another; chats of other instances are others."""
    put(
        store,
        [
            message("A", 0),
            by_bot("B", 1),
            message("C", 5),
            by_human("D", 10),
            message("E", 10 + DAY),
            message("F", 10 + 2 * DAY + 1),
            by_bot("G", 10 + 2 * DAY + 2),
            message("H", 3, instance=OTHER),
        ],
    )
    assert rows(store, "conversations") == sorted(
        [
            _conversation(
                0,
                10 + DAY,
                incoming=3,
                outgoing=2,
                by_bot=1,
                by_human=1,
                first_bot_answer_at=clock(1),
                first_human_answer_at=clock(10),
                seconds_to_bot_answer=60,
                seconds_to_human_answer=600,
                waiting_since=clock(10 + DAY),
            ),
            _conversation(
                10 + 2 * DAY + 1,
                10 + 2 * DAY + 2,
                incoming=1,
                outgoing=1,
                by_bot=1,
                first_bot_answer_at=clock(10 + 2 * DAY + 2),
                seconds_to_bot_answer=60,
                is_one_touch=1,
            ),
            _conversation(3, 3, instance_id=OTHER, incoming=1, waiting_since=clock(3)),
        ],
        key=repr,
    )


def _conversation(start: float, end: float, **more: Any) -> dict[str, Any]:
    nothing = {
        "instance_id": INSTANCE,
        "chat_id": ANNA,
        "started_at": clock(start),
        "started_on": clock(start)[:10],
        "last_at": clock(end),
        "chat_kind": "private",
        "contact_key": ANNA,
        "started_by": "customer",
        "incoming": 0,
        "outgoing": 0,
        "by_bot": 0,
        "by_human": 0,
        "first_bot_answer_at": None,
        "first_human_answer_at": None,
        "seconds_to_bot_answer": None,
        "seconds_to_human_answer": None,
        "waiting_since": None,
        "is_one_touch": 0,
    }
    return nothing | more


def test_conversation_that_the_business_began_is_answered_after_the_customer_wrote(store: Any) -> None:
    """What was sent before that is no answer."""
    put(store, [by_bot("A", 0), by_human("B", 1), message("C", 2), by_human("D", 4)])
    (found,) = rows(store, "conversations")
    assert (found["started_by"], found["first_bot_answer_at"]) == ("bot", None)
    assert (found["first_human_answer_at"], found["seconds_to_human_answer"]) == (clock(4), 120)


def test_messages_of_one_second_are_of_one_conversation(store: Any) -> None:
    """One of them comes first, the same one everywhere."""
    put(store, [message("A", 0), message("B", 0), message("C", DAY), message("D", DAY)])
    assert [row["incoming"] for row in rows(store, "conversations")] == [4]
    assert [row["messages"] for row in rows(store, "response_times")] == [4]
    put(store, [message("E", 0, chat=BORIS), by_human("F", 0, chat=BORIS)], "dag/2/drain/-1")
    assert [row["chat_id"] for row in rows(store, "conversations")] == [ANNA, BORIS]


def test_silence_is_a_parameter(store: Any) -> None:
    """Models are made again with another one."""
    put(store, [message("A", 0), message("B", 31), message("C", 61)])
    assert len(rows(store, "conversations")) == 1
    create_models(store, silence=30 * 60)
    assert [row["started_at"] for row in rows(store, "conversations")] == [clock(0), clock(31)]


def test_response_times_have_a_row_for_each_turn(store: Any) -> None:
    """Messages in a row are one turn; a reaction, an edit and a status are none; a turn may wait for ever."""
    put(
        store,
        [
            message("A", 0),
            message("B", 1),
            about("R", 1.5, "A", "reactionMessage", "👍"),
            status("X", 1.6, "read"),
            by_human("C", 3),
            by_bot("D", 4),
            message("E", 6),
            by_bot("F", 6.5),
            message("G", 7),
        ],
    )
    found = rows(
        store, "response_times", "asked_at", "messages", "answered_by", "answered_at", "seconds_to_answer"
    )
    assert [tuple(row.values()) for row in found] == [
        (clock(0), 2, "human", clock(3), 180),
        (clock(6), 1, "bot", clock(6.5), 30),
        (clock(7), 1, None, None, None),
    ]


# --- people ---


def test_contact_is_one_person_by_phone_and_lid(store: Any) -> None:
    """A notification that carries both shows it, also for what came under the LID alone."""
    put(
        store,
        [
            message("A", 0, name="Anna"),
            message("B", 1, chat=LID, name="Anna P."),
            message("C", 2, sender=LID, name="Anna"),
            message("D", 3, chat=GROUP, sender=LID, name="Anna"),
            by_bot("E", 4, chat=LID),
            message("F", 5, chat=GROUP, sender=BORIS, name="Boris"),
            by_bot("G", 6, chat=GROUP),
            message("H", 7, chat="200000000000099@lid", name=""),
            message("I", 8, chat="10000042", name="T", instance=TELEGRAM, senderPhoneNumber=12025550109),
        ],
    )
    assert rows(store, "contacts") == sorted(
        [
            _contact(ANNA, 0, 4, "Anna, Anna P.", phone="12025550101", lid=LID, incoming=4, outgoing=1),
            _contact(BORIS, 5, 5, "Boris", phone="12025550102"),
            _contact("200000000000099@lid", 7, 7, None, lid="200000000000099@lid"),
            _contact("10000042", 8, 8, "T", phone="12025550109", instance_id=TELEGRAM),
        ],
        key=repr,
    )
    assert by_id(store, "messages", "contact_key")["B"] == (ANNA,)


def _contact(contact_key: str, first: float, last: float, names: str | None, **more: Any) -> dict[str, Any]:
    known = {
        "instance_id": INSTANCE,
        "contact_key": contact_key,
        "phone": None,
        "lid": None,
        "names": names,
        "first_seen_at": clock(first),
        "last_seen_at": clock(last),
        "incoming": 1,
        "outgoing": 0,
    }
    return known | more


def test_chats_have_a_row_for_each_chat_of_an_instance(store: Any) -> None:
    """The name is the newest one that a message shows."""
    put(
        store,
        [
            message("A", 0, chat=GROUP, sender=ANNA, name="Old name"),
            message("B", 1, chat=GROUP, sender=BORIS, name="Night shift"),
            by_bot("C", 2),
        ],
    )
    common = {"instance_id": INSTANCE, "first_message_at": clock(2), "last_message_at": clock(2)}
    assert rows(store, "chats") == [
        common
        | {"chat_id": ANNA, "chat_kind": "private", "name": "Anna"}
        | {"last_incoming_at": None, "incoming": 0, "outgoing": 1, "senders": 0},
        common
        | {"chat_id": GROUP, "chat_kind": "group", "name": "Night shift"}
        | {"first_message_at": clock(0), "last_message_at": clock(1), "last_incoming_at": clock(1)}
        | {"incoming": 2, "outgoing": 0, "senders": 2},
    ]


# --- days ---


def test_day_counts_messages_and_how_far_they_came(store: Any) -> None:
    """By the message's day in UTC, also where only a status tells of it; what is late counts there."""
    put(
        store,
        [
            message("A", 0),
            message("A", 1),
            by_bot("B", 2),
            status("B", 2 * DAY, "read"),
            by_human("C", 3, chat=BORIS),
            status("C", 4, "delivered"),
            status("D", 5, "failed", chatId=VERA),
            message("E", 14 * 60),
        ],
    )
    days = rows(store, "instance_daily")
    assert [(row["day"], row["incoming"]) for row in days] == [("2026-11-30", 1), ("2026-12-01", 1)]
    first = days[0]
    counts = ("chats", "outgoing", "by_bot", "by_human", "delivered_count", "read_count", "failed_count")
    assert tuple(first[name] for name in counts) == (3, 3, 2, 1, 2, 1, 1)
    assert first["delivered_share"] == pytest.approx(2 / 3, abs=1e-4)
    assert (days[1]["outgoing"], days[1]["failed_share"]) == (0, None)
    hours = rows(store, "messages_per_hour", "day", "hour", "incoming", "outgoing")
    assert [tuple(row.values()) for row in hours] == [("2026-11-30", 10, 1, 2), ("2026-12-01", 0, 1, 0)]


def test_state_lasts_until_the_next_one_of_its_instance(store: Any) -> None:
    """The last one has no end yet."""
    put(store, [state(0, "starting"), state(5, "authorized"), state(2, "blocked", OTHER)])
    found = rows(store, "instance_states", "instance_id", "since", "until", "state", "seconds")
    assert [tuple(row.values()) for row in found] == [
        (INSTANCE, clock(0), clock(5), "starting", 300),
        (INSTANCE, clock(5), None, "authorized", None),
        (OTHER, clock(2), None, "blocked", None),
    ]


def test_one_of_two_states_of_a_second_lasts(store: Any) -> None:
    """Which one is told by their keys: the gateway counts in seconds."""
    put(store, [state(0, "starting"), state(0, "authorized")])
    ends = [row["until"] for row in rows(store, "instance_states")]
    assert sorted(ends, key=str) == [clock(0), None]


def test_call_is_one_row_of_all_its_phases(store: Any) -> None:
    """It began with the first phase that came, and its status is the last one."""
    put(
        store,
        [
            call("C1", 3, "hangUp", duration=42, isVideo=True),
            call("C1", 1, "offer"),
            call("C1", 2, "pickUp"),
            call("C2", 1, "offer"),
            call("C2", 2, "missed"),
        ],
    )
    names = ("status", "started_at", "answered_at", "ended_at", "duration", "is_video", "contact_key")
    assert by_id(store, "calls", *names) == {
        "C1": ("hangUp", clock(1), clock(2), clock(3), 42, 1, ANNA),
        "C2": ("missed", clock(1), None, clock(2), None, 0, ANNA),
    }


# --- what is said about messages ---


def test_reaction_is_the_last_one_of_a_person(store: Any) -> None:
    """An empty one takes it back."""
    put(
        store,
        [
            message("M", 0, chat=GROUP, sender=VERA),
            about("R1", 1, "M", "reactionMessage", "👍", chat=GROUP, sender=ANNA),
            about("R2", 3, "M", "reactionMessage", "🎉", chat=GROUP, sender=ANNA),
            about("R3", 1, "M", "reactionMessage", "👍", chat=GROUP, sender=BORIS),
            about("R4", 2, "M", "reactionMessage", "", chat=GROUP, sender=BORIS),
            about("R5", 1, "M", "reactionMessage", "👎", chat=GROUP, sender=VERA),
        ],
    )
    found = rows(store, "reactions", "id_message", "sender", "reaction", "reacted_at")
    assert [tuple(row.values()) for row in found] == [
        ("M", ANNA, "🎉", clock(3)),
        ("M", VERA, "👎", clock(1)),
    ]


def test_poll_shows_the_latest_tally(store: Any) -> None:
    """One row for each vote, and one for an option without any; before the first vote all are without."""
    options = [{"optionName": "Now"}, {"optionName": "Später"}]
    put(
        store,
        [
            poll("P1", 0, options=options),
            poll("U2", 3, stanzaId="P1", votes=[_votes("Now", ANNA, BORIS), _votes("Später")]),
            poll("U1", 2, stanzaId="P1", votes=[_votes("Now"), _votes("Später", ANNA)]),
            poll("P2", 0, options=options, multipleAnswers=True),
            poll("P3", 1, options=options[:1]),
            poll("U3", 0.5, stanzaId="P3", votes=[_votes("Now", VERA)]),
        ],
    )
    found = rows(
        store, "polls", "id_message", "option_name", "voter", "asked_at", "counted_at", "multiple_answers"
    )
    assert [tuple(row.values()) for row in found] == [
        ("P1", "Now", ANNA, clock(0), clock(3), 0),
        ("P1", "Now", BORIS, clock(0), clock(3), 0),
        ("P1", "Später", None, clock(0), clock(3), 0),
        ("P2", "Now", None, clock(0), clock(0), 1),
        ("P2", "Später", None, clock(0), clock(0), 1),
        ("P3", "Now", VERA, clock(1), clock(0.5), 0),
    ]


def _votes(name: str, *voters: str) -> dict[str, Any]:
    return {"optionName": name, "optionVoters": [*voters]}
