"""The groups of an instance: who is in them, who may do what."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.people import People, is_group

INVITATIONS = {"telegram": "https://t.me/+", "v3": "https://max.ru/join/"}
INVITATION = "https://chat.whatsapp.com/"
PERMISSIONS = {  # beside what it says of everybody, each product has permissions of its own
    "whatsapp": {
        "allowParticipantsEditGroupSettings": True,
        "allowParticipantsSendMessages": True,
        "allowParticipantsAddMembers": False,
    },
    "telegram": {
        "allowParticipantsSendMessages": True,
        "allowParticipantsSendMedia": True,
        "allowParticipantsSendPolls": True,
        "allowParticipantsSendOtherMessages": True,
        "allowParticipantsAddMembers": True,
        "allowParticipantsPinMessages": True,
        "allowParticipantsEditGroupSettings": True,
    },
    "v3": {
        "allowParticipantsAddMembers": True,
        "allowParticipantsEditGroupSettings": True,
        "allowParticipantsPinMessages": True,
    },
}


@dataclass
class Group:
    """One group. Its members' value says whether they are administrators."""

    chat_id: str
    subject: str
    owner: str
    created_at: int
    permissions: dict[str, bool]
    members: dict[str, bool] = field(default_factory=dict)
    invitation: str = ""
    left: bool = False


class Groups:
    """All groups of one instance: made by it, or known from messages in them."""

    def __init__(self, account: Account, people: People) -> None:
        self._account = account
        self._people = people
        self._groups: dict[str, Group] = {}

    @property
    def _own_id(self) -> str:
        return self._people.own_id

    def create(self, subject: str, members: list[str]) -> Group:
        """Make a group whose owner is the account."""
        on_whatsapp = self._account.type_instance == "whatsapp"
        number = secrets.randbelow(9 * 10**13) + 10**13
        group = self._open(f"1203630{number}@g.us" if on_whatsapp else f"-{number}", subject, self._own_id)
        group.members[self._own_id] = True
        group.members |= dict.fromkeys((self._people.add(member).chat_id for member in members), False)
        return group

    def find(self, chat_id: str) -> Group | None:
        """A group; ``None`` if there is no such one, or the account isn't in it any more."""
        group = self._groups.get(chat_id)
        return None if group is None or group.left else group

    def note(self, body: Any) -> None:
        """Learn from a notification of a group."""
        sender = body.get("senderData") if isinstance(body, dict) else None
        chat_id = sender.get("chatId") if isinstance(sender, dict) else None
        if not isinstance(sender, dict) or not isinstance(chat_id, str) or not is_group(chat_id):
            return
        author, subject = sender.get("sender"), sender.get("chatName")
        author = self._people.key(author) if isinstance(author, str) and author else self._own_id
        group = self._groups.get(chat_id) or self._open(chat_id, "", author)
        group.subject = subject if isinstance(subject, str) and subject else group.subject
        for member in (author, self._own_id):
            group.members.setdefault(member, member == group.owner)

    def as_dict(self, group: Group) -> dict[str, Any]:
        """What ``getGroupData`` answers: the invitation for administrators only."""
        invitation = group.invitation if group.members.get(self._own_id) else ""
        owner, now = self._people.shown(group.owner), group.created_at
        shown: dict[str, Any] = {"owner": owner, "subject": group.subject, "creation": now}
        shown |= {"groupInviteLink": invitation}
        if self._account.type_instance == "whatsapp":
            shown |= {"groupId": group.chat_id, "subjectTime": now, "subjectOwner": owner}
            shown |= {"ephemeralExpiration": 0, "isCommunity": False, "isCommunityAnnounce": False}
        else:
            shown |= {"chatId": group.chat_id, "description": ""}
        if self._account.type_instance == "telegram":
            shown |= {"isSupergroup": False, "isChannel": False}
        members = [self._member(group, chat_id) for chat_id in group.members]
        return shown | group.permissions | {"size": len(members), "participants": members}

    def _member(self, group: Group, chat_id: str) -> dict[str, Any]:
        rights = {"isAdmin": group.members[chat_id], "isSuperAdmin": chat_id == group.owner}
        if self._account.type_instance == "whatsapp":
            return self._people.ids(chat_id) | rights
        return {"chatId": chat_id} | rights

    def _open(self, chat_id: str, subject: str, owner: str) -> Group:
        kind = self._account.type_instance
        link = INVITATIONS.get(kind, INVITATION) + secrets.token_urlsafe(12)
        now = int(self._account.told_time())
        group = Group(chat_id, subject, owner, now, dict(PERMISSIONS[kind]), invitation=link)
        self._groups[chat_id] = group
        self._people.add(chat_id, subject)
        return group
