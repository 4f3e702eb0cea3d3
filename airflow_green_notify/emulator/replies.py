"""Who answers what an instance sends: by a text, or by a vote in a poll."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from airflow_green_notify.emulator import bodies
from airflow_green_notify.emulator.people import People, is_group
from airflow_green_notify.emulator.sent_message import SentMessage


@dataclass
class ReplyRule:
    """Who is answered to what, and with what."""

    pattern: re.Pattern[str]
    text: str
    delay: float
    chat_id: str | None
    quoted: bool
    sender: str | None = None


@dataclass
class Poll:
    """A poll that was sent, and who stands behind which option."""

    data: dict[str, Any]
    votes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """The names of its options."""
        return [option["optionName"] for option in self.data["options"]]

    def vote(self, voter: str, chosen: list[str]) -> None:
        """Let somebody stand behind these options alone; several count where the poll allows them."""
        if not self.data["multipleAnswers"]:
            chosen = chosen[:1]
        for option in self.options:
            others = [name for name in self.votes.get(option, []) if name != voter]
            self.votes[option] = others + [voter] * (option in chosen)


class Replies:
    """The scripted answers of one instance."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._polls: dict[str, Poll] = {}
        self.rules: list[ReplyRule] = []

    def to(self, message: SentMessage) -> list[ReplyRule]:
        """The rules by which a message is answered."""
        return [rule for rule in self.rules if self._matches(rule, message)]

    def sender(self, rule: ReplyRule, message: SentMessage) -> str:
        """Who answers: the chat itself, in a group one of its members."""
        chat_id = message.chat_id
        return rule.sender or (self._people.somebody if is_group(chat_id) else chat_id)

    def data(self, rule: ReplyRule, message: SentMessage, own_id: str) -> dict[str, Any]:
        """The ``messageData`` of an answer: a vote where it names options of the poll, else a text."""
        if "pollMessageData" in message.data:
            poll = self._polls.setdefault(message.id_message, Poll(message.data["pollMessageData"]))
            chosen = [option for option in poll.options if option in (rule.text, *rule.text.split(", "))]
            if chosen:
                poll.vote(self._people.key(self.sender(rule, message)), chosen)
                shown = {name: [*map(self._people.shown, voters)] for name, voters in poll.votes.items()}
                return bodies.poll_update_data(message.id_message, poll.data, shown)
        if rule.quoted:
            return bodies.quoting_data(rule.text, message.id_message, own_id, message.text)
        return bodies.text_data(rule.text)

    def _matches(self, rule: ReplyRule, message: SentMessage) -> bool:
        here = rule.chat_id is None or self._people.key(rule.chat_id) == self._people.key(message.chat_id)
        return here and bool(rule.pattern.search(message.text))
