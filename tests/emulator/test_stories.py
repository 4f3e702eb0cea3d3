"""Statuses, also called stories: sent, listed, seen, deleted."""

from __future__ import annotations

from typing import Any

CHAT = "12025550101@c.us"
OTHER = "12025550102@c.us"
BROADCAST = "status@broadcast"


def show(client: Any, message: str = "Open all night", **more: Any) -> str:
    """Send a text as a status and return its id."""
    return client.post("sendTextStatus", message=message, **more).json()["idMessage"]


def test_sent_statuses_are_listed_newest_first(client: Any) -> None:
    """A text has its looks, a picture its link; both are outgoing statuses and no messages."""
    first = show(client, backgroundColor="#228B22", font="SERIF")
    link = {"urlFile": "https://example.org/a.jpg", "fileName": "a.jpg", "caption": "c"}
    second = client.post("sendMediaStatus", **link).json()["idMessage"]
    picture, text = client.get("getOutgoingStatuses").json()
    assert [text["idMessage"], picture["idMessage"]] == [first, second]
    assert (text["type"], text["chatId"], text["textMessage"]) == ("outgoing", BROADCAST, "Open all night")
    assert text["extendedTextMessage"]["backgroundColor"] == "#228B22"
    assert (picture["typeMessage"], picture["caption"]) == ("imageMessage", "c")
    assert client.get("lastOutgoingMessages").json() == []
    client.gateway.advance(2 * 3600)
    assert client.get("getOutgoingStatuses", minutes=60).json() == []


def test_statistic_names_who_was_shown_it(client: Any) -> None:
    """Those that were named, or else the contacts with a name."""
    client.post("addContact", chatId=OTHER, firstName="Boris")
    chosen, everybody = show(client, participants=[CHAT]), show(client)
    for id_message, viewer in ((chosen, CHAT), (everybody, OTHER)):
        (seen,) = client.get("getStatusStatistic", idMessage=id_message).json()
        assert (seen["participant"], seen["status"]) == (viewer, "read")


def test_deleted_status_is_gone(client: Any) -> None:
    """Deleting answers nothing; the status is neither listed nor counted any more."""
    id_message = show(client)
    answer = client.post("deleteStatus", idMessage=id_message)
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.get("getOutgoingStatuses").json() == []
    assert client.get("getStatusStatistic", idMessage=id_message).status_code == 400
    assert client.post("deleteStatus", idMessage=id_message).status_code == 400


def test_statuses_of_others_are_listed_apart(client: Any, body: Any) -> None:
    """What comes from the broadcast chat is an incoming status."""
    data = {"typeMessage": "textMessage", "textMessageData": {"textMessage": "Hi"}}
    story = body(1, senderData={"chatId": BROADCAST, "sender": CHAT}, messageData=data)
    client.gateway.push(story, body(2, senderData={"chatId": CHAT, "sender": CHAT}, messageData=data))
    (entry,) = client.get("getIncomingStatuses").json()
    assert (entry["idMessage"], entry["senderId"]) == ("M1", CHAT)
