"""Who is who: persons by phone number and by LID, and which of the two the gateway shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.switches import Switches

LID_BASE = 2 * 10**14
PHONE_DIGITS = range(7, 16)
OWN_CHAT = "10000042"  # on Telegram and MAX
MESSAGES = ("incomingMessageReceived", "outgoingMessageReceived", "outgoingAPIMessageReceived")


def lid_of(chat_id: str) -> str:
    """The LID of a phone number: the same one always."""
    return f"{LID_BASE + int(chat_id.removesuffix('@c.us'))}@lid"


def phone_of(lid: str) -> str | None:
    """The phone number that would have this LID, as a chat id; ``None`` where none can."""
    digits = lid.removesuffix("@lid")
    number = int(digits) - LID_BASE if digits.isdecimal() and digits.isascii() else 0
    return f"{number}@c.us" if number > 0 and len(str(number)) in PHONE_DIGITS else None


def is_phone(chat_id: str) -> bool:
    """Whether a chat id is that of a person known by phone number."""
    digits = chat_id.removesuffix("@c.us")
    return digits != chat_id and digits.isascii() and digits.isdecimal() and len(digits) in PHONE_DIGITS


def is_group(chat_id: str) -> bool:
    """Whether a chat has several members."""
    return chat_id.endswith("@g.us") or chat_id.startswith("-")


@dataclass
class Person:
    """A person or a group, as contacts name it."""

    chat_id: str
    name: str = ""
    contact_name: str = ""


class People:
    """Everybody that an instance has written to or heard of.

    Inside the emulator a person is known by phone number; on Telegram and MAX by the chat's number.
    """

    def __init__(self, account: Account, switches: Switches) -> None:
        self._account = account
        self._switches = switches
        self.known: dict[str, Person] = {}
        self.messages = 0  # how many were sent and received so far

    @property
    def own_id(self) -> str:
        """The account's own id."""
        return str(self._account.settings["wid"]) if self._account.type_instance == "whatsapp" else OWN_CHAT

    @property
    def somebody(self) -> str:
        """A person that writes where a test names none, in groups as well."""
        return "12025550101@c.us" if self._account.type_instance == "whatsapp" else "10000001"

    @property
    def lids(self) -> bool:
        """Whether persons appear by their LID now."""
        mode = self._switches.contact_ids
        changed = mode == "changes midway" and self.messages >= self._switches.contact_ids_change_after
        return self._account.type_instance == "whatsapp" and (mode == "lid" or changed)

    def key(self, chat_id: str) -> str:
        """The one id of a chat inside the emulator; the LID of nobody who is known stays as it is."""
        if self._account.type_instance != "whatsapp":
            return chat_id.removesuffix("@c.us")
        phone = phone_of(chat_id) if chat_id.endswith("@lid") else None
        return phone if phone in self.known else chat_id

    def shown(self, chat_id: str) -> str:
        """The id under which the gateway shows a chat now; the account's own never changes."""
        key = self.key(chat_id)
        if not (self.lids and is_phone(key) and key != self.own_id):
            return key
        self.add(key)  # so that the LID, once shown, leads back
        return lid_of(key)

    def ids(self, chat_id: str) -> dict[str, str]:
        """The phone's chat id and the LID of a person; only the id itself where it has no other."""
        key = self.key(chat_id)
        return {"id": key, "lid": lid_of(key)} if is_phone(key) else {"id": key}

    def add(self, chat_id: str, name: str = "", contact_name: str = "") -> Person:
        """Get to know a person or group; a name that is known stays where none is given."""
        key = self.key(chat_id)
        person = self.known.setdefault(key, Person(key))
        person.name = name or person.name
        person.contact_name = contact_name or person.contact_name
        return person

    def note(self, body: Any) -> None:
        """Learn from a notification who takes part in a chat."""
        if not isinstance(body, dict) or body.get("typeWebhook") not in MESSAGES:
            return
        self.messages += 1
        sender = body.get("senderData")
        if not isinstance(sender, dict):
            return
        chat, author = _text(sender, "chatId"), _text(sender, "sender")
        if author and author not in (chat, self.own_id):
            self.add(author, _text(sender, "senderName"), _text(sender, "senderContactName"))
        if chat:
            name = _text(sender, "chatName") or ("" if is_group(chat) else _text(sender, "senderName"))
            self.add(chat, name, "" if is_group(chat) else _text(sender, "senderContactName"))


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""
