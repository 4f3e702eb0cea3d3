"""Does something again and again beside everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Steady:
    """Does something at a steady pace, until it is left; what goes wrong is raised there.

    :param every: Seconds from one to the next; what is late is made up for.
    """

    def __init__(self, do: Callable[[], None], every: float) -> None:
        self._do = do
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def end(self) -> None:
        """Begin nothing any more."""
        self._ended.set()

    def _go_on(self) -> None:
        due = time.monotonic()
        try:
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                self._do()
                due += self._every
        except BaseException as error:
            self._error = error
