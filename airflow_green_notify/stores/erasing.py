"""How a store lets go of what it holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.stores.entry import Entry


@dataclass(frozen=True)
class Wanted:
    """Which notifications are looked for: what fits all that is set.

    :param is_meant: Judges each.
    :param words: What fits has one of these in its body, so that a database may look for them itself.
    :param before: What fits was received before this time.
    """

    is_meant: Callable[[Entry], bool] = lambda entry: True
    words: Collection[str] = ()
    before: datetime | None = None


class Eraser(Protocol):
    """The whole of a store, open or closed batches alike, for somebody who erases.

    Drains, consumers and readers may be at work meanwhile. What comes in while it looks may be found or not.

    :raises NotificationStoreError: Any method, if the store can't be reached.
    """

    def find(self, wanted: Wanted) -> Iterator[Sequence[Entry]]:
        """Yield what is wanted, in pages."""
        ...

    def erase(self, wanted: Wanted, first: Callable[[Sequence[Entry]], object]) -> int:
        """Erase what is wanted, and keep it from coming back; return how many notifications that were.

        A crash at any point leaves some erased and the others as they were, and nothing else lost.

        :param first: Is called with each page, before that is erased.
        """
        ...

    def remove_drains(self, before: datetime) -> None:
        """Remove what the drains report tells of drains that ended before a time."""
        ...

    def remove_reports(self, before: datetime) -> None:
        """Remove what watchers and examinations reported before a time."""
        ...

    def remove_batches(self, before: datetime) -> None:
        """Remove what was noted before a time of batches of which nothing is left, but for open ones."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
