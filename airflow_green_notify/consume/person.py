"""Whose a notification is: which ids are one person's, and where a body names them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from airflow_green_notify.contacts import as_contact, chat_kind
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.printable import NAME, printable

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

_NAMES_SOMEBODY = re.compile(
    r"chat|sender|from|^to$|participant|member|admin|owner|user|phone|wid|lid|jid|author|contact|mention"
    r"|quoted|recipient|receiver|caller|voter|viewer|^id$",
    re.IGNORECASE,
)
_NAMES_NOBODY = re.compile(
    r"name$|text|message$|messageid|idmessage|stanzaid|url$|caption|count", re.IGNORECASE
)
"""Members in which digits alone are no id: names and texts, which people choose, and ids of messages."""

_OF_THE_ACCOUNT = "instanceData"
_IDS_OF_DIGITS = re.compile(r"(?:@|waid=)([0-9]+)(?![0-9@])")
"""A mention in a text, and the number on a contact's card."""


class Person:
    """One contact: the ids that were given, and those that rows of the store show to be the same person's.

    A row shows it where it names the person at the other end by two ids, as the author's LID beside the phone
    number of the chat. The gateway is not asked.

    :param contacts: Ids as notifications carry them; a group's stands for all of the group.
    :raises GreenApiConfigError: One is no such id, or there is none.
    """

    def __init__(self, contacts: Collection[str | int]) -> None:
        if isinstance(contacts, str) or not contacts:
            raise GreenApiConfigError("contacts must be a list of ids, with one at least.")
        self._ids = {_checked(contact) for contact in contacts}

    @property
    def words(self) -> set[str]:
        """What stands in every body that names the person: the ids without what they end in."""
        return {each.partition("@")[0] for each in self._ids}

    def learn(self, notification: Notification) -> bool:
        """Note the other ids that a notification gives to this person; return whether there was a new one."""
        ids = {_one_form(each) for each in notification.contact_ids if chat_kind(each) == "private"}
        ids = {each for each in ids if each.partition("@")[0].strip("0")}
        if ids <= self._ids or not ids & self._ids:
            return False
        self._ids |= ids
        return True

    def is_named_in(self, body: Any) -> bool:
        """Tell whether a body names this person, other than as the account that it came to.

        As chat, author or the other side, participant, author of what is quoted, mentioned or on a card: in
        any member that has an id as its whole value, and behind an ``@`` or ``waid=`` in any text.
        """
        return any(each in self._ids for each in _ids_in(body))


def _checked(contact: Any) -> str:
    text = str(contact) if isinstance(contact, str | int) and not isinstance(contact, bool) else ""
    if chat_kind(text) in (None, "status"):
        raise GreenApiConfigError(
            f"'{printable(contact, NAME)}' is no id of a contact; it must be one as notifications carry it, "
            "such as '12025550101@c.us', '…@lid', '…@g.us', or digits (Telegram, MAX)."
        )
    return _one_form(text)


def _one_form(contact: str) -> str:
    """Return an id so that a phone number has but one form: Telegram and MAX show it without ``@c.us``."""
    return contact.removesuffix("@c.us")


def _ids_in(body: Any) -> Iterator[str]:
    """Yield what may be somebody's id, wherever a body has it."""
    waiting: list[tuple[str, Any]] = [("", body)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [item for item in value.items() if item[0] != _OF_THE_ACCOUNT]
            waiting += [("id", key) for key in value if "@" in key]
        elif isinstance(value, list):
            waiting += [(name, item) for item in value]
        elif isinstance(value, str):
            yield from _ids_in_text(name, value)
        elif isinstance(value, int) and not isinstance(value, bool) and _may_be_an_id(name):
            yield _one_form(as_contact(value) or str(value))


def _ids_in_text(name: str, text: str) -> Iterator[str]:
    if "@" in text or _may_be_an_id(name):
        yield _one_form(text)
    if "@" in text or "waid=" in text:
        for digits in _IDS_OF_DIGITS.findall(text):
            yield from (digits, f"{digits}@lid")


def _may_be_an_id(name: str) -> bool:
    return bool(_NAMES_SOMEBODY.search(name)) and not _NAMES_NOBODY.search(name)
