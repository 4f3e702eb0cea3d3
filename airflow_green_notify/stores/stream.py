"""What a store holds as a stream: every row has a position, and consumers remember how far they have read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from airflow_green_notify.stores.entry import Entry

CHAT_BY_CHAT = "chat by chat"
"""The reader of a consumer that works chat by chat; its position says up to where rows were taken in."""


Start = Literal["beginning", "now"] | datetime
"""Where a new consumer begins; a time stands for what was received then or later."""


@dataclass(frozen=True)
class Consumer:
    """How far somebody has read a store.

    :param name: What it is called.
    :param position: The last position that it committed: everything up to there is done.
    :param page_end: The last position of the page that is being worked on; 0 if none is.
    :param reader: Who works on that page, a word of its own for each reader.
    :param version: How often this was saved. Whoever saves has to know the last one.
    :param changed_at: When this was saved.
    """

    name: str
    position: int
    page_end: int = 0
    reader: str = ""
    version: int = 0
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class StoredStream(Protocol):
    """What a store holds, in an order in which nothing ever appears in front of what was read.

    Positions count from 1. What came from one queue has them in queue order; some may be missing, where rows
    were erased. Each method returns only when what it did is durable.

    :raises NotificationStoreError: Any method, if the store can't be reached.
    """

    def end(self) -> int:
        """Return the position of the last of all that is stored by now; 0 if nothing is."""
        ...

    def read(self, after: int, limit: int) -> list[tuple[int, Entry]]:
        """Return the next entries behind a position, with the position of each.

        Less than ``limit`` means that there is no more by now.
        """
        ...

    def before(self, moment: datetime) -> int:
        """Return a position behind which everything lies that was received at that time or later."""
        ...

    def consumer(self, name: str) -> Consumer | None:
        """Return how far a consumer is; ``None`` if there is no such consumer."""
        ...

    def consumers(self) -> list[Consumer]:
        """Return all consumers, by name."""
        ...

    def done(self, consumer: Consumer) -> int:
        """Return up to where a consumer has done everything; less than its position if it works by chats."""
        ...

    def save(self, consumer: Consumer) -> bool:
        """Save how far a consumer is, as the version behind ``consumer.version``; 0 saves a new one.

        :return: ``False`` if somebody else has saved that version.
        """
        ...

    def forget(self, name: str) -> bool:
        """Remove a consumer; ``False`` if there was none."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def position_at(stream: StoredStream, start: Start) -> int:
    """Return the position behind which a new consumer begins."""
    if isinstance(start, datetime):
        return stream.before(start)
    return stream.end() if start == "now" else 0
