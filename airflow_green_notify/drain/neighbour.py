"""Signs of another consumer in the receipt ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook

LARGEST_STEP = 1000
"""A larger step is no counter's: it restarted, or is no counter at all."""


class NeighbourWatch:
    """Receipt ids are a counter, so a step of more than one means that others were handed some.

    Only a hint: the gateway doesn't promise it, and an answer that was lost on its way took a receipt id too.
    """

    def __init__(self, hook: GreenApiHook) -> None:
        self._hook = hook
        self._last_id: int | None = None
        self._last_retries = hook.retries

    def receipts_of_others(self, receipt_id: int) -> int:
        """Return how many receipt ids were handed out between the last one seen here and this one."""
        last, self._last_id = self._last_id, receipt_id
        retries, self._last_retries = self._last_retries, self._hook.retries
        if last is None or retries != self._hook.retries:
            return 0
        step = receipt_id - last
        return step - 1 if 1 < step <= LARGEST_STEP else 0
