"""Recognising a message where the gateway shows it again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_green_notify.contacts import Contacts
from airflow_green_notify.operators.send_once import NOTE, Outgoing, note_name

CHAT = "12025550101@c.us"
TEXT = Outgoing(CHAT, "Deploy?")
PHOTO = Outgoing(CHAT, "Here", file_name="photo.jpg")
REPORT = Outgoing(CHAT, "", file_name="report.pdf")
POLL = Outgoing(CHAT, "Deploy?", options=("yes", "no"))
OPTIONS = [{"optionName": "yes"}, {"optionName": "no"}]


@pytest.mark.parametrize(
    ("outgoing", "entry"),
    [
        (TEXT, {"chatId": CHAT, "message": "Deploy?"}),
        (TEXT, {"chatId": CHAT, "typeMessage": "textMessage", "textMessage": "Deploy?"}),
        (TEXT, {"chatId": CHAT, "extendedTextMessage": {"text": "Deploy?"}}),
        (Outgoing("79990000000@c.us", "Hi"), {"chatId": "79990000000", "textMessage": "Hi"}),
        (PHOTO, {"chatId": CHAT, "fileName": "photo.jpg", "caption": "Here"}),
        (PHOTO, {"chatId": CHAT, "typeMessage": "imageMessage", "fileName": "3f2a.jpeg", "caption": "Here"}),
        (
            REPORT,
            {"chatId": CHAT, "typeMessage": "documentMessage", "fileName": "report.pdf", "caption": None},
        ),
        (POLL, {"chatId": CHAT, "message": "Deploy?", "options": OPTIONS, "multipleAnswers": False}),
        (
            POLL,
            {
                "chatId": CHAT,
                "typeMessage": "pollMessage",
                "pollMessageData": {"name": "Deploy?", "options": OPTIONS},
            },
        ),
    ],
)
def test_outgoing_is_recognised_in_queue_and_journal(outgoing: Outgoing, entry: dict[str, Any]) -> None:
    """In every form in which send queue and journal show a message."""
    assert outgoing.is_entry(entry, Contacts())


@pytest.mark.parametrize(
    ("outgoing", "entry"),
    [
        (TEXT, {"chatId": "12025550102@c.us", "textMessage": "Deploy?"}),
        (TEXT, {"chatId": CHAT, "textMessage": "Deploy? yes"}),
        (TEXT, {"chatId": CHAT, "caption": "Deploy?", "fileName": "x"}),
        (TEXT, {}),
        (PHOTO, {"chatId": CHAT, "typeMessage": "imageMessage", "caption": "There"}),
        (PHOTO, {"chatId": CHAT, "typeMessage": "videoMessage", "caption": "Here"}),
        (REPORT, {"chatId": CHAT, "typeMessage": "documentMessage", "fileName": "other.pdf", "caption": ""}),
        (REPORT, {"chatId": CHAT, "textMessage": ""}),
        (POLL, {"chatId": CHAT, "message": "Deploy?"}),
        (POLL, {"chatId": CHAT, "message": "Deploy?", "options": OPTIONS[::-1]}),
        (POLL, {"chatId": CHAT, "message": "Deploy", "options": OPTIONS}),
        (POLL, {"chatId": CHAT, "message": "Deploy?", "options": "yes"}),
        (POLL, {"chatId": CHAT, "pollMessageData": {"name": "Deploy?", "options": [None]}}),
        (TEXT, {"chatId": CHAT, "message": "Deploy?", "options": OPTIONS}),
    ],
)
def test_outgoing_is_not_taken_for_another_message(outgoing: Outgoing, entry: dict[str, Any]) -> None:
    """Another chat, text, caption, name or kind is another message."""
    assert not outgoing.is_entry(entry, Contacts())


def test_outgoing_digest_differs_with_each_part_and_hides_the_text() -> None:
    """What is noted in the task's state tells messages apart, and shows none."""
    others = [
        Outgoing(CHAT, "Deploy!"),
        Outgoing("1@c.us", "Deploy?"),
        Outgoing(CHAT, "Deploy?", quoted_message_id="3EB0"),
        Outgoing(CHAT, "Deploy?", file_name="Deploy?"),
        Outgoing(CHAT, "Deploy?", source="Deploy?"),
        POLL,
    ]
    assert len({item.digest for item in [TEXT, *others]}) == 7
    assert TEXT.digest == Outgoing(CHAT, "Deploy?").digest
    assert Outgoing(CHAT, "\ud800").digest


def test_note_of_a_task_is_named_after_the_iteration_of_its_loop() -> None:
    """A loop's iterations share the task's state, also those of one map index."""
    assert note_name({}) == NOTE
    looped = [note_name({"loop": SimpleNamespace(index=index)}) for index in (0, 1)]
    assert len({NOTE, *looped}) == 3
