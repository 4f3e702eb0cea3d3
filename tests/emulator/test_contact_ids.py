"""Persons by phone number and by LID: what the gateway shows under which of the two."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator.people import lid_of, phone_of

CHAT = "12025550101@c.us"
LID = "200012025550101@lid"
GROUP = "120363025550000042@g.us"
OWN = "12025550100@c.us"


@pytest.fixture
def lids(emulate: Any) -> Any:
    """A gateway that shows LIDs, with all notifications on."""
    client = emulate(contact_ids="lid")
    client.gateway.settings(outgoingAPIMessageWebhook="yes", outgoingWebhook="yes")
    return client


def send(client: Any, chat_id: str = CHAT, message: str = "Deploy?") -> str:
    """Send a text and return its id."""
    return client.post("sendMessage", chatId=chat_id, message=message).json()["idMessage"]


def chat_of(body: dict[str, Any]) -> str:
    """The chat that a notification is about."""
    return body["chatId"] if "chatId" in body else body["senderData"]["chatId"]


def test_lid_of_a_phone_is_always_the_same_and_leads_back() -> None:
    """The two ids of a person follow from each other; a LID of no phone leads nowhere."""
    assert lid_of(CHAT) == LID
    assert phone_of(LID) == CHAT
    assert phone_of("200000000000042@lid") is None
    assert phone_of("12@lid") is None
    assert phone_of("x@lid") is None


def test_message_to_a_phone_is_notified_and_journaled_under_the_lid(lids: Any) -> None:
    """Echo, statuses, answer, journals, history and the message itself name the LID; the record the phone."""
    lids.gateway.reply("Deploy", "yes")
    id_message = send(lids)
    echo, *statuses, answer = lids.gateway.queue()
    assert {chat_of(body) for body in (echo, *statuses, answer)} == {LID}
    assert answer["senderData"]["sender"] == LID
    assert echo["senderData"]["sender"] == OWN
    assert answer["messageData"]["quotedMessage"]["stanzaId"] == id_message
    assert answer["messageData"]["quotedMessage"]["participant"] == OWN
    assert lids.get("lastOutgoingMessages").json()[0]["chatId"] == LID
    entry = lids.get("lastIncomingMessages").json()[0]
    assert (entry["chatId"], entry["senderId"]) == (LID, LID)
    for chat_id in (CHAT, LID):
        assert lids.post("getMessage", chatId=chat_id, idMessage=id_message).json()["chatId"] == LID
        assert len(lids.post("getChatHistory", chatId=chat_id).json()) == 2
    assert lids.gateway.sent()[0]["chatId"] == CHAT


def test_message_to_a_lid_reaches_the_same_person(lids: Any) -> None:
    """A send to the LID of somebody known is the same chat: for answers, statuses and the quota."""
    lids.gateway.switch(quota_chats=1)
    lids.gateway.reply("Deploy", "yes", chat_id=CHAT)
    lids.gateway.deliver_as("noAccount", chat_id=CHAT)
    send(lids)
    assert lids.post("sendMessage", chatId=LID, message="Deploy?").status_code == 200
    assert [body.get("status") for body in lids.gateway.queue()][3:] == [None, "noAccount", None]


def test_pushed_notifications_stay_as_they_are_and_journals_show_the_lid(lids: Any, body: Any) -> None:
    """The queue serves what was pushed; the journal shows the same message under the LID."""
    data = {"typeMessage": "textMessage", "textMessageData": {"textMessage": "Hi"}}
    pushed = body(senderData={"chatId": CHAT, "sender": CHAT}, messageData=data)
    lids.gateway.push(pushed)
    assert lids.drain() == [pushed]
    (entry,) = lids.get("lastIncomingMessages").json()
    assert (entry["idMessage"], entry["chatId"], entry["senderId"]) == (pushed["idMessage"], LID, LID)


def test_group_keeps_its_id_and_names_its_members_by_both(lids: Any) -> None:
    """In a group the member appears by LID; getGroupData gives phone and LID, as recorded."""
    lids.gateway.reply("Deploy", "yes")
    send(lids, GROUP)
    answer = lids.gateway.queue()[-1]
    assert answer["senderData"]["chatId"] == GROUP
    assert answer["senderData"]["sender"] == LID
    group = lids.post("getGroupData", groupId=GROUP).json()
    assert {"id": CHAT, "lid": LID, "isAdmin": False, "isSuperAdmin": False} in group["participants"]


def test_contacts_change_midway(emulate: Any) -> None:
    """The first message shows the phone, everything after it the LID: also the first one's answer."""
    client = emulate(contact_ids="changes midway")
    client.gateway.settings(outgoingAPIMessageWebhook="yes", outgoingWebhook="yes")
    client.gateway.reply("Deploy", "yes")
    send(client)
    echo, *statuses, answer = client.gateway.queue()
    assert {chat_of(body) for body in (echo, *statuses)} == {CHAT}
    assert chat_of(answer) == LID
    assert client.get("lastOutgoingMessages").json()[0]["chatId"] == LID
    client.gateway.switch(contact_ids_change_after=3)
    assert client.get("lastOutgoingMessages").json()[0]["chatId"] == CHAT


def test_media_and_links_work_by_either_id(lids: Any) -> None:
    """The notification of a file names the LID; a fresh link is had by phone and by LID."""
    body = lids.gateway.media_message("a.jpg", 10)
    assert body["senderData"]["chatId"] == LID
    for chat_id in (CHAT, LID):
        answer = lids.post("downloadFile", chatId=chat_id, idMessage=body["idMessage"])
        assert answer.status_code == 200


@pytest.mark.parametrize(("switch", "shown"), [("c.us", CHAT), ("lid", LID)])
def test_check_whatsapp_answers_the_id_that_messages_appear_under(
    emulate: Any, switch: str, shown: str
) -> None:
    """It takes a number, its digits, or either id."""
    client = emulate(contact_ids=switch)
    for asked in ({"phoneNumber": 12025550101}, {"chatId": "12025550101"}, {"chatId": CHAT}, {"chatId": LID}):
        answer = client.post("checkWhatsapp", **asked).json()
        assert answer == {"existsWhatsapp": True, "chatId": shown}


def test_contacts_and_contact_info_give_both_ids(lids: Any) -> None:
    """Where LIDs are in use, a contact has its phone and its LID."""
    send(lids)
    (contact,) = lids.get("getContacts").json()
    assert (contact["id"], contact["lid"]) == (CHAT, LID)
    for chat_id in (CHAT, LID):
        info = lids.post("getContactInfo", chatId=chat_id).json()
        assert (info["chatId"], info["lid"]) == (CHAT, LID)


def test_asking_about_a_stranger_makes_no_contact(client: Any) -> None:
    """Somebody whom the account neither wrote to nor heard of is looked up, and no contact afterwards."""
    assert client.post("getContactInfo", chatId=CHAT).json()["name"] == ""
    assert client.get("getContacts").json() == []


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_other_products_have_no_lids(emulate: Any, type_instance: str) -> None:
    """The switch concerns WhatsApp alone."""
    client = emulate(type_instance=type_instance, contact_ids="lid")
    client.gateway.settings(outgoingWebhook="yes")
    send(client)
    assert {chat_of(body) for body in client.gateway.queue()} == {"12025550101"}
