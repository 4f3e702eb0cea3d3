"""A message that an instance has sent, or is about to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class SentMessage:
    """A message that a send method accepted.

    :param content: What was asked for, as tests read it.
    :param data: The ``messageData`` in which notifications and journals show it.
    """

    id_message: str
    chat_id: str
    method: str
    content: dict[str, Any]
    data: dict[str, Any]
    quoted_id: str | None
    at: float
    due: float
    delivered_at: float | None = None
    cleared_at: float | None = None
    status: str = "pending"
    known_status: str = ""
    description: str = ""

    @property
    def text(self) -> str:
        """What it says: the message, the question of a poll, or the caption of the file."""
        return str(next(filter(None, map(self.content.get, ("message", "body", "caption"))), ""))

    def as_dict(self) -> dict[str, Any]:
        """The record of it that tests read."""
        return {
            "idMessage": self.id_message,
            "chatId": self.chat_id,
            "method": self.method,
            **self.content,
            "quotedMessageId": self.quoted_id,
            "at": self.at,
            "delivered_at": self.delivered_at,
            "cleared_at": self.cleared_at,
            "status": self.status,
        }
