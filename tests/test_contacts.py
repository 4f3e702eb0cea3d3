"""Who is who: what ids tell, and which are one person's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_green_notify.contacts import Contacts, chat_kind
from airflow_green_notify.errors import GreenApiTransportError
from airflow_green_notify.filters import NotificationFilter, Verdict
from airflow_green_notify.notification import Notification

PHONE, LID = "12025550101@c.us", "200000000000042@lid"
OTHER_PHONE, OTHER_LID = "12025550102@c.us", "200000000000043@lid"
GROUP = "120363025550000042@g.us"
PAIR = {"existsWhatsapp": True, "chatId": LID, "phoneNumber": PHONE}


class Gateway:
    """Answers who is who from a list, and counts the questions."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = answers
        self.questions: list[str] = []
        self.is_away = False

    def ask(self, wanted: str, found: str) -> Iterator[list[dict[str, Any]]]:
        self.questions.append(wanted)
        if self.is_away:
            raise GreenApiTransportError("away")
        yield list(self.answers)


@pytest.mark.parametrize(
    ("chat_id", "kind"),
    [
        ("12025550101@c.us", "private"),
        ("200000000000042@lid", "private"),
        ("10000042", "private"),
        ("US.13491208655302741918", "private"),
        ("120363025550000042@g.us", "group"),
        ("12025550101-1700000000@g.us", "group"),
        ("-10000000000042", "group"),
        ("120363025550000077@newsletter", "channel"),
        ("status@broadcast", "status"),
        ("1700000000@broadcast", "broadcast"),
        ("null@c.us", None),
        ("", None),
        ("somebody", None),
        ("١٢٣", None),
    ],
)
def test_chat_kind_is_told_from_the_id(chat_id: str, kind: str | None) -> None:
    """Each form of the three products stands for one kind; anything else for none."""
    assert chat_kind(chat_id) == kind


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (PHONE, [PHONE], True),
        (PHONE, ["12025550101"], True),
        (PHONE, [OTHER_PHONE], False),
        (PHONE, [LID], True),
        (LID, [PHONE], True),
        (PHONE, [OTHER_LID], False),
        (OTHER_PHONE, [LID], False),
        (LID, [OTHER_LID], False),
        (GROUP, [LID], False),
        (PHONE, [GROUP], False),
        (PHONE, ["null@c.us"], False),
        (OTHER_PHONE, [OTHER_PHONE, LID], True),
        (PHONE, [OTHER_PHONE, LID], False),
        (PHONE, [], False),
    ],
)
def test_contacts_are_the_same_by_equal_ids_or_by_what_an_answer_says(
    wanted: str, found: list[str], same: bool
) -> None:
    """A phone number and a LID are one person's where one answer names both."""
    assert Contacts(Gateway(PAIR).ask).are_same(wanted, found) is same


@pytest.mark.parametrize(
    "answer",
    [
        PAIR,
        {"id": LID, "name": "Anna", "phoneNumber": 12025550101},
        {"id": PHONE, "newChatId": LID},
        {"id": PHONE, "lid": LID, "isAdmin": True},
        {"chatId": LID, "phone": "12025550101"},
    ],
)
def test_contacts_learn_from_each_form_of_answer(answer: dict[str, Any]) -> None:
    """Whichever members carry the ids, they are one person's."""
    contacts = Contacts()
    contacts.learn(answer)
    assert contacts.are_same(PHONE, [LID])
    assert contacts.are_same(LID, [PHONE])


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"chatId": LID, "phoneNumber": 0},
        {"chatId": LID, "phoneNumber": True},
        {"chatId": [LID], "phoneNumber": {"a": 1}},
        {"chatId": LID, "name": PHONE, "contactName": PHONE, "chatName": PHONE},
        {"chatId": GROUP, "phoneNumber": PHONE},
        {"chatId": LID, "phoneNumber": "not a number"},
    ],
)
def test_contacts_learn_nothing_from_names_groups_and_odd_values(answer: dict[str, Any]) -> None:
    """Somebody who calls himself by another's number isn't taken for that one."""
    contacts = Contacts()
    contacts.learn(answer)
    assert not contacts.are_same(PHONE, [LID])
    assert not contacts.are_same(PHONE, [GROUP])


def test_contacts_ask_once_for_each_name_however_many_people_write() -> None:
    """The answer to one question serves all comparisons, a "nobody knows" as well."""
    gateway = Gateway(PAIR)
    contacts = Contacts(gateway.ask)
    for number in range(1_000):
        contacts.are_same(PHONE, [f"{number}@lid"])
        contacts.are_same(OTHER_PHONE, [f"{number}@lid"])
    assert sorted(gateway.questions) == [PHONE, OTHER_PHONE]


def test_contacts_ask_nothing_where_the_ids_tell() -> None:
    """Equal ids, two of one form, groups and channels need no question."""
    gateway = Gateway(PAIR)
    contacts = Contacts(gateway.ask)
    for found in (
        PHONE,
        OTHER_PHONE,
        GROUP,
        "120363025550000077@newsletter",
        "status@broadcast",
        "null@c.us",
    ):
        contacts.are_same(PHONE, [found])
        contacts.are_same(GROUP, [found])
    contacts.are_same("10000042", ["10000043", PHONE])
    assert gateway.questions == []


def test_contacts_that_could_not_be_asked_are_asked_again() -> None:
    """An outage is no answer: it goes through, and isn't remembered."""
    gateway = Gateway(PAIR)
    gateway.is_away = True
    contacts = Contacts(gateway.ask)
    with pytest.raises(GreenApiTransportError):
        contacts.are_same(PHONE, [LID])
    gateway.is_away = False
    assert contacts.are_same(PHONE, [LID])


def message(chat_id: str, sender: str | None = None, text: str = "Yes", **sender_data: Any) -> Notification:
    return Notification(
        1,
        {
            "typeWebhook": "incomingMessageReceived",
            "senderData": {"chatId": chat_id, "sender": sender or chat_id, **sender_data},
            "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}},
        },
    )


@pytest.mark.parametrize(
    ("arguments", "notification", "verdict"),
    [
        ({"chat_id": PHONE}, message(LID), Verdict.MATCH),
        ({"chat_id": LID}, message(PHONE), Verdict.MATCH),
        ({"chat_id": [OTHER_PHONE, PHONE]}, message(LID), Verdict.MATCH),
        ({"chat_id": OTHER_PHONE}, message(LID), Verdict.MISS),
        ({"chat_id": PHONE}, message(OTHER_LID), Verdict.MISS),
        ({"sender": PHONE}, message(GROUP, LID), Verdict.MATCH),
        ({"sender": OTHER_PHONE}, message(GROUP, LID), Verdict.MISS),
        ({"chat_id": PHONE}, message(GROUP, LID), Verdict.MISS),
        ({"chat_id": GROUP, "sender": PHONE}, message(GROUP, LID), Verdict.MATCH),
        ({"not_": {"chat_id": PHONE}}, message(LID), Verdict.MISS),
        ({"not_": {"sender": OTHER_PHONE}}, message(GROUP, LID), Verdict.MATCH),
    ],
)
def test_filter_knows_a_person_under_either_id(
    arguments: dict[str, Any], notification: Notification, verdict: Verdict
) -> None:
    """A Dag names a phone number or a LID, and the notification shows the other; a group is no person."""
    contacts = Contacts(Gateway(PAIR).ask)
    assert NotificationFilter(**arguments).verdict(notification, contacts) is verdict


@pytest.mark.parametrize(
    ("chat_id", "notification"),
    [
        (LID, message(PHONE, LID)),
        (PHONE, message(PHONE, LID)),
        (PHONE, message("10000042", chatType="user", senderPhoneNumber=12025550101)),
        ("10000042", message("10000042", chatType="user", senderPhoneNumber=12025550101)),
    ],
)
def test_filter_asks_nobody_where_the_notification_shows_both_ids(
    chat_id: str, notification: Notification
) -> None:
    """A private chat under the number whose author is a LID, and the numbers that Telegram and MAX show."""
    assert NotificationFilter(chat_id=chat_id).verdict(notification) is Verdict.MATCH
    assert NotificationFilter(sender=chat_id).verdict(notification) is Verdict.MATCH


def test_filter_asks_only_if_all_else_fits() -> None:
    """Who is who costs a question, so it comes last."""
    gateway = Gateway(PAIR)
    contacts = Contacts(gateway.ask)
    wanted = NotificationFilter(chat_id=PHONE, text="^Yes", not_={"sender": OTHER_PHONE})
    assert wanted.verdict(message(LID, text="No"), contacts) is Verdict.MISS
    assert gateway.questions == []
    assert wanted.verdict(message(LID), contacts) is Verdict.MATCH


def test_filter_knows_whose_status_it_is() -> None:
    """What was sent to a phone number is delivered under a LID."""
    delivered = Notification(
        1, {"typeWebhook": "outgoingMessageStatus", "chatId": LID, "status": "delivered"}
    )
    contacts = Contacts(Gateway(PAIR).ask)
    for chat_id, verdict in ((PHONE, Verdict.MATCH), (OTHER_PHONE, Verdict.MISS)):
        wanted = NotificationFilter(chat_id=chat_id, status="delivered")
        assert wanted.verdict(delivered, contacts) is verdict


def test_message_to_oneself_is_found_by_ones_own_number() -> None:
    """Nobody is at the other end, and the chat has its id all the same."""
    note = message(PHONE)
    note.body["instanceData"] = {"wid": PHONE}
    assert note.phone is None
    assert NotificationFilter(chat_id=PHONE).verdict(note) is Verdict.MATCH
