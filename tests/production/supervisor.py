"""Starts again what ended by itself."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from tests.production.parts import Parts

REVIVE_EVERY = 1.0


class Supervisor:
    """Does so as systemd or Kubernetes do, while it is entered."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(REVIVE_EVERY):
            for name in self._parts.revive():
                print(f"{name} ended by itself, and was started again.", flush=True)
