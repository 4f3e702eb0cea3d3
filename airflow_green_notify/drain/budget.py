"""How many notifications may still be deleted, by all drains that share a limit."""

from __future__ import annotations


class Budget:
    """A hard limit of notifications: a drain claims each one before it stores it.

    :param limit: ``None`` for none.
    """

    def __init__(self, limit: int | None) -> None:
        self._left = float("inf") if limit is None else limit

    @property
    def is_spent(self) -> bool:
        """Whether all that is left is claimed."""
        return self._left <= 0

    def claim(self) -> bool:
        """Claim one, if there is one left."""
        if self.is_spent:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Return the claim on one that was not deleted."""
        self._left += 1
