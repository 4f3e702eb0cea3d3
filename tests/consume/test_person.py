"""Whose a notification is."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.consume.person import Person
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.notification import Notification

PHONE, LID = "12025550101@c.us", "200000000000042@lid"
OTHER = "12025550102@c.us"
GROUP = "120363025550000042@g.us"


def body(sender: str = OTHER, chat: str = GROUP, **fields: Any) -> dict[str, Any]:
    return {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001, "wid": "12025550199@c.us"},
        "timestamp": 1_700_000_000,
        "idMessage": "3EB0",
        "senderData": {"chatId": chat, "sender": sender, "senderName": "Somebody"},
    } | fields


NAMED = {
    "chat": body(chat=PHONE),
    "author": body(sender=PHONE),
    "author of what is quoted": body(
        messageData={"quotedMessage": {"stanzaId": "3EB1", "participant": PHONE, "textMessage": "Mine"}}
    ),
    "participant": body(messageData={"participants": [OTHER, PHONE]}),
    "voter": body(messageData={"votes": [{"optionName": "Yes", "optionVoters": [PHONE]}]}),
    "mention": body(messageData={"textMessageData": {"textMessage": "Ask @12025550101, please"}}),
    "card": body(messageData={"contactMessageData": {"vcard": "TEL;waid=12025550101:+12025550101"}}),
    "call": {"typeWebhook": "incomingCall", "from": PHONE},
    "status": {"typeWebhook": "outgoingMessageStatus", "chatId": PHONE, "status": "read"},
    "number": body(senderData={"chatId": GROUP, "sender": "10000042", "senderPhoneNumber": 12025550101}),
    "digits": body(messageData={"contactMessageData": {"phoneContact": "12025550101"}}),
    "name of a member": body(messageData={"reads": {PHONE: 1_700_000_000}}),
}


@pytest.mark.parametrize("where", NAMED)
def test_body_that_names_a_person_is_that_persons(where: str) -> None:
    """Wherever the id is."""
    assert Person([PHONE]).is_named_in(NAMED[where])
    assert not Person(["12025550177@c.us"]).is_named_in(NAMED[where])


STRANGERS = {
    "the account itself": body(instanceData={"wid": PHONE}),
    "a longer number": body(messageData={"textMessageData": {"textMessage": "@120255501012 there"}}),
    "a name": body(senderData={"chatId": GROUP, "sender": OTHER, "senderName": "12025550101"}),
    "free text": body(messageData={"textMessageData": {"textMessage": "12025550101"}}),
    "a message's id": body(idMessage="12025550101"),
    "a moment": body(timestamp=12025550101),
    "an answer": body(messageData={"quotedMessage": {"stanzaId": "12025550101", "participant": OTHER}}),
    "no object": ["12025550101"],
    "nothing": None,
}


@pytest.mark.parametrize("where", STRANGERS)
def test_body_that_names_a_person_not_is_nobodys(where: str) -> None:
    """Names and texts are whatever people choose, and numbers of messages and moments are no people."""
    assert not Person([PHONE]).is_named_in(STRANGERS[where])


def test_person_of_a_lid_is_found_by_mention_and_of_a_group_by_its_chat() -> None:
    """A mention has the digits alone."""
    mention = body(messageData={"textMessageData": {"textMessage": "@200000000000042"}})
    assert Person([LID]).is_named_in(mention)
    assert Person([GROUP]).is_named_in(mention)
    assert Person([10000042]).is_named_in(body(sender="10000042"))


def test_person_has_the_ids_that_a_notification_shows_together() -> None:
    """The author's LID in the chat of the number; then the LID alone will do."""
    person = Person([PHONE])
    assert not person.learn(Notification(1, body(sender=LID, chat=GROUP)))
    assert person.learn(Notification(2, body(sender=LID, chat=PHONE)))
    assert not person.learn(Notification(2, body(sender=LID, chat=PHONE)))
    assert person.is_named_in(body(sender=LID, chat=GROUP))
    assert person.words == {"12025550101", "200000000000042"}


def test_person_has_no_id_of_a_group_or_of_the_system() -> None:
    """Whoever writes in a group is not the group, and 0@c.us is WhatsApp itself."""
    person = Person([GROUP])
    assert not person.learn(Notification(1, body(sender=PHONE)))
    person = Person([PHONE])
    assert not person.learn(Notification(1, body(sender=PHONE, chat="0@c.us")))


@pytest.mark.parametrize(
    "contacts", [[], "12025550101@c.us", [""], ["Ann"], [None], [True], ["status@broadcast"]]
)
def test_contact_that_is_no_id_is_refused(contacts: Any) -> None:
    """In words, before anything is looked for."""
    with pytest.raises(GreenApiConfigError, match="contact"):
        Person(contacts)
