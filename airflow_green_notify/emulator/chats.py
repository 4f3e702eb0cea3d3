"""The chats of an instance: which are archived, read, or let their messages disappear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_green_notify.emulator.people import People


@dataclass
class ChatMarks:
    """What was set for one chat."""

    archived: bool = False
    read_until: str | None = None
    ephemeral: int = 0
    ephemeral_since: int = 0


class Chats:
    """The marks of all chats, by whichever id of theirs they are asked for."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._marks: dict[str, ChatMarks] = {}

    def __getitem__(self, chat_id: str) -> ChatMarks:
        return self._marks.setdefault(self._people.add(chat_id).chat_id, ChatMarks())

    def of(self, chat_id: str) -> ChatMarks:
        """The marks of a chat to look at, without getting to know it."""
        return self._marks.get(self._people.key(chat_id)) or ChatMarks()

    def as_dicts(self) -> list[dict[str, Any]]:
        """The record of them that tests read."""
        return [
            {
                "chatId": person.chat_id,
                "name": person.name,
                "contactName": person.contact_name,
                "archived": self.of(person.chat_id).archived,
                "readUntil": self.of(person.chat_id).read_until,
                "ephemeralExpiration": self.of(person.chat_id).ephemeral,
            }
            for person in self._people.known.values()
        ]
