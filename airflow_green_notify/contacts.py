"""Who is who: what the id of a chat tells, and which ids are known to be one person's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

CHAT_KINDS = ("private", "group", "channel", "status", "broadcast")

_FORMS = (
    (re.compile(r"[0-9]+@c\.us"), "phone", "private"),
    (re.compile(r"[0-9]+@lid"), "lid", "private"),
    (re.compile(r"[0-9]+"), "number", "private"),
    (re.compile(r"[A-Z]{2}\.[0-9A-Za-z.]+"), "business", "private"),
    (re.compile(r".+@g\.us|-[0-9]+"), "group", "group"),
    (re.compile(r".+@newsletter"), "channel", "channel"),
    (re.compile(r"status@broadcast"), "status", "status"),
    (re.compile(r".+@broadcast"), "broadcast", "broadcast"),
)
"""What an id looks like, the name of that form, and the kind of chat."""

_OF_PEOPLE = ("phone", "lid", "number", "business")

_MORE_THAN_ANY_ID = 10**24

_ID_MEMBERS = ("id", "chatId", "newChatId", "lid", "wid", "phoneNumber", "phone")
"""Where answers name a contact. Never a name: people choose theirs, and may choose another's number."""


def chat_kind(chat_id: str) -> str | None:
    """Tell what kind of chat an id stands for; ``None`` if it tells none, as ``null@c.us`` does.

    On Telegram and MAX an id is a number, negative for groups.
    """
    return next((kind for pattern, _, kind in _FORMS if pattern.fullmatch(chat_id)), None)


def counts_messages(chat_id: str) -> bool:
    """Tell whether a chat is one of Telegram or MAX, where the id of a message is unique within its chat."""
    return re.fullmatch(r"-?[0-9]+", chat_id) is not None


def phone_of(contact: str | None) -> str | None:
    """Return the digits of an id that is a phone number."""
    return contact.removesuffix("@c.us") if contact and _form(contact) == "phone" else None


def lid_of(contact: str | None) -> str | None:
    """Return an id if it is one of those that WhatsApp puts in the place of phone numbers."""
    return contact if contact and _form(contact) == "lid" else None


def as_contact(phone: Any) -> str | None:
    """Return the id for a phone number, which answers of the gateway give as digits or as an id."""
    if isinstance(phone, str):
        text = phone.removesuffix("@c.us")
        return f"{text}@c.us" if _form(text) == "number" and text.strip("0") else None
    is_number = isinstance(phone, int) and not isinstance(phone, bool)
    return f"{phone}@c.us" if is_number and 0 < phone < _MORE_THAN_ANY_ID else None


def _form(contact: str) -> str | None:
    return next((form for pattern, form, _ in _FORMS if pattern.fullmatch(contact)), None)


def _are_equal(one: str, other: str) -> bool:
    """Telegram and MAX take a phone number with ``@c.us``, and may show it without."""
    return one.removesuffix("@c.us") == other.removesuffix("@c.us")


Ask = Callable[[str, str], Iterator[Iterable[Mapping[str, Any]]]]
"""Yields answers of the gateway on whose the first id is, for a comparison with the second."""


def _nobody(wanted: str, found: str) -> Iterator[Iterable[Mapping[str, Any]]]:
    return iter(())


class Contacts:
    """The one rule by which contacts are compared: equal ids, or ids that are known to be one person's.

    WhatsApp replaces phone numbers by LIDs, so that a person appears under the one here and under the other
    there; Telegram and MAX send to a phone number, and show an id of their own. Best effort: no phone number
    is needed, and what nobody knows is taken for two people.

    It asks only where an id that a Dag names may be that of somebody who appears under an id of another form,
    and once for each id that is named: however many people write, there are no more questions than names.

    :param ask: Asks the gateway, in the cheapest way first. What it raises goes through, and the next
        comparison asks again.
    """

    def __init__(self, ask: Ask = _nobody) -> None:
        self._ask = ask
        self._known: dict[str, set[str]] = {}
        self._asked: set[tuple[str, str | None]] = set()

    def are_same(self, wanted: str, found: Iterable[str]) -> bool:
        """Tell whether the person that a Dag names is the one to whom all of the found ids belong."""
        ids = tuple(found)
        if any(_are_equal(wanted, each) for each in ids):
            return True
        form = _form(wanted)
        if form not in _OF_PEOPLE or any(_form(each) == form for each in ids):
            return False
        return any(self._is_known(wanted, each) for each in ids if _form(each) in _OF_PEOPLE)

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Note the ids that an answer of the gateway gives to one person, if it gives several."""
        ids = set(_ids_in(answer))
        for one in ids if len(ids) > 1 else ():  # most of a long list have one id
            self._known.setdefault(one, set()).update(ids - {one})

    def _is_known(self, wanted: str, found: str) -> bool:
        question = (wanted, _form(found))
        if question not in self._asked and not self._knows(*question):
            self._look_up(wanted, found)
            self._asked.add(question)
        return found in self._known.get(wanted, ())

    def _look_up(self, wanted: str, found: str) -> None:
        for answers in self._ask(wanted, found):
            for answer in answers:
                self.learn(answer)
            if self._knows(wanted, _form(found)):
                return

    def _knows(self, wanted: str, form: str | None) -> bool:
        """Tell whether an id of that form is known for a person."""
        return any(_form(each) == form for each in self._known.get(wanted, ()))


def _ids_in(answer: Mapping[str, Any]) -> Iterator[str]:
    for name in _ID_MEMBERS:
        value = answer.get(name)
        if name in ("phoneNumber", "phone"):
            value = as_contact(value)
        if isinstance(value, int) and 0 < value < _MORE_THAN_ANY_ID:
            value = str(value)
        if isinstance(value, str) and _form(value) in _OF_PEOPLE:
            yield value
