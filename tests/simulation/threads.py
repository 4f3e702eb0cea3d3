"""In the place of the module ``threading``: threads of a simulated process, and what they wait for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.simulation.loop import Act, current_process


class Event:
    """In the place of ``threading.Event``, among the threads of one process."""

    def __init__(self) -> None:
        self._is_set = False
        self._wakers: list[Act] = []

    def set(self) -> None:
        self._is_set = True
        for wake in self._wakers:
            wake()

    def wait(self, timeout: float = float("inf")) -> bool:
        if not self._is_set:
            current_process().block(timeout, self._wakers)
        return self._is_set


class Lock:
    """In the place of ``threading.Lock``, among the threads of one process."""

    def __init__(self) -> None:
        self._is_taken = False

    def __enter__(self) -> None:
        while self._is_taken:
            current_process().block(0.01)
        self._is_taken = True

    def __exit__(self, *error: object) -> None:
        self._is_taken = False


class Thread:
    """In the place of ``threading.Thread``: a thread of the process that starts it."""

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...], **_: Any) -> None:
        self._work = partial(target, *args)
        self._ended = Event()

    def start(self) -> None:
        current_process().start_thread(self._run)

    def _run(self) -> None:
        self._work()
        self._ended.set()

    def join(self) -> None:
        while not self._ended.wait():
            pass
