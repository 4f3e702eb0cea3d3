"""What became of every notification, counted from the model."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass
class Outcome:
    """The numbers of the notifications, by what went wrong with them.

    :param lost: Deleted at the gateway, and neither stored nor handled.
    :param twice: Stored in two stores.
    :param left: Stored in a batch that no task returned.
    :param at_once: In the hands of two handlers at the same time.
    :param beside_frozen: The same, where the first one's process stood still for about a lease's span.
    :param queued: Still in the queue.
    """

    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    at_once: list[int] = field(default_factory=list)
    beside_frozen: list[int] = field(default_factory=list)
    queued: list[int] = field(default_factory=list)

    def breaks(self, promises: tuple[str, ...]) -> bool:
        """Tell whether anything happened that must not."""
        return any(getattr(self, name) for name in promises)

    def __str__(self) -> str:
        return (
            ", ".join(f"{name} {getattr(self, name)}" for name in NAMES if getattr(self, name)) or "all well"
        )


NAMES = tuple(each.name for each in fields(Outcome))
