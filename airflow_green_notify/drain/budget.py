"""How many notifications may still be deleted, by all drains that share a limit."""

from __future__ import annotations


class Budget:
    """A hard limit of notifications: a drain claims each one before it stores it.

    Once a drain was refused one, and so has stopped, the limit counts as reached: what another one gives
    back later is left to the next run, or all would wait for a queue where nothing comes.

    :param limit: ``None`` for none.
    """

    def __init__(self, limit: int | None) -> None:
        self._left = float("inf") if limit is None else limit
        self._has_refused = False

    @property
    def is_spent(self) -> bool:
        """Whether all that is left is claimed."""
        return self._has_refused or self._left <= 0

    def refuses(self) -> bool:
        """Tell a drain without a place whether to stop, since there is none left."""
        self._has_refused = self.is_spent
        return self._has_refused

    def claim(self) -> bool:
        """Claim one, if there is one left."""
        if self.refuses():
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Return the claim on one that was not deleted."""
        self._left += 1
