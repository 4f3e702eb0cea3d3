"""Groups: made, changed, left; what they say of their members."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications

CHAT = "12025550101@c.us"
OTHER = "12025550102@c.us"
OWN = "12025550100@c.us"


@pytest.fixture(params=["whatsapp", "telegram", "v3"])
def club(emulate: Any, request: Any) -> Any:
    """A client of each product with a group of the account and one member."""
    client = emulate(type_instance=request.param)
    members = [CHAT] if request.param == "whatsapp" else ["12025550101"]
    made = client.post("createGroup", groupName="Night shift", chatIds=members).json()
    client.group = made["chatId"]
    client.key = "groupId" if request.param == "whatsapp" else "chatId"
    client.other = OTHER if request.param == "whatsapp" else "12025550102"
    return client


def data(client: Any) -> dict[str, Any]:
    """What getGroupData answers."""
    return client.post("getGroupData", **{client.key: client.group}).json()


def call(client: Any, method: str, **more: Any) -> Any:
    """Call a method about the group."""
    return client.post(method, **{client.key: client.group}, **more).json()


def members(client: Any) -> dict[str, tuple[bool, bool]]:
    """Who is in the group, and as what."""
    named = "id" if client.instance.type_instance == "whatsapp" else "chatId"
    return {each[named]: (each["isAdmin"], each["isSuperAdmin"]) for each in data(client)["participants"]}


def test_created_group_belongs_to_the_account(club: Any) -> None:
    """Its id is of the product's form; the account owns it and sees the invitation."""
    shown = data(club)
    assert club.group.endswith("@g.us") or club.group.startswith("-")
    assert (shown[club.key], shown["subject"], shown["size"]) == (club.group, "Night shift", 2)
    assert shown["groupInviteLink"].startswith("https://")
    assert list(members(club).values()) == [(True, True), (False, False)]
    assert shown["owner"] == next(iter(members(club)))


def test_group_changes_as_asked(club: Any) -> None:
    """Name, permissions, members and administrators."""
    assert call(club, "updateGroupName", groupName="Day shift") == {"updateGroupName": True}
    added = call(club, "addGroupParticipant", participantChatId=club.other)
    assert added == {"addParticipant": True}
    assert call(club, "setGroupAdmin", participantChatId=club.other) == {"setGroupAdmin": True}
    assert members(club)[club.other] == (True, False)
    assert call(club, "removeAdmin", participantChatId=club.other) == {"removeAdmin": True}
    assert members(club)[club.other] == (False, False)
    assert call(club, "removeGroupParticipant", participantChatId=club.other) == {"removeParticipant": True}
    assert club.other not in members(club)
    assert data(club)["subject"] == "Day shift"
    changed = call(club, "updateGroupSettings", allowParticipantsEditGroupSettings=False)
    assert changed == {"updateGroupSettings": True}
    assert data(club)["allowParticipantsEditGroupSettings"] is False


def test_group_that_was_left_is_unknown(club: Any) -> None:
    """After leaving, the account has nothing to say or see there."""
    assert call(club, "leaveGroup") == {"leaveGroup": True}
    assert data(club) == "Error: item-not-found"
    assert call(club, "leaveGroup") == {"leaveGroup": False}
    assert call(club, "updateGroupName", groupName="x") == {"updateGroupName": False}


def test_strangers_are_no_administrators(club: Any) -> None:
    """Who isn't in the group can be neither removed nor made an administrator."""
    assert call(club, "setGroupAdmin", participantChatId=club.other) == {"setGroupAdmin": False}
    assert call(club, "removeGroupParticipant", participantChatId=club.other) == {"removeParticipant": False}


def test_group_is_known_from_its_messages(client: Any) -> None:
    """A notification from a group tells of its name and who writes; the account is no administrator there."""
    body = example_notifications()[1]["body"]
    client.gateway.push(body)
    group = client.post("getGroupData", groupId=body["senderData"]["chatId"]).json()
    assert group["subject"] == body["senderData"]["chatName"]
    assert group["groupInviteLink"] == ""
    assert {each["id"] for each in group["participants"]} == {body["senderData"]["sender"], OWN}
    assert all(each["lid"].endswith("@lid") for each in group["participants"])


def test_groups_are_contacts_and_chats(client: Any) -> None:
    """A group is listed under its name, apart from persons where asked."""
    group = client.post("createGroup", groupName="Night shift", chatIds=[CHAT]).json()["chatId"]
    (contact,) = client.get("getContacts", group="true").json()
    assert contact == {"id": group, "name": "Night shift", "contactName": "", "type": "group"}
    assert [each["id"] for each in client.get("getContacts", group="false").json()] == [CHAT]
    assert len(client.get("getContacts", count=1).json()) == 1
    assert {each["type"] for each in client.get("getChats").json()} == {"group", "user"}


def test_older_clients_name_members_by_phone(client: Any) -> None:
    """A member may be given by phone number."""
    group = client.post("createGroup", groupName="Night shift", chatIds=[CHAT]).json()["chatId"]
    client.post("addGroupParticipant", groupId=group, participantPhone=12025550102)
    participants = client.post("getGroupData", groupId=group).json()["participants"]
    assert OTHER in {each["id"] for each in participants}
