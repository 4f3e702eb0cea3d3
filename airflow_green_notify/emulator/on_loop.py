"""The way from any thread to the event loop in which the state of the gateway lives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Server(Protocol):
    """What an instance needs to know of the emulator it lives in.

    The gate is held while ``loop`` changes, and while something runs that found no loop.
    """

    gate: threading.RLock
    loop: asyncio.AbstractEventLoop | None

    @property
    def url(self) -> str:
        """Where the gateway answers."""


def run_on_loop(server: Server, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in the event loop of the server if that runs, else here; return what it returns."""
    call = partial(function, *args, **kwargs)
    running = _running_loop()
    if running is not None and running is server.loop:
        return call()
    with server.gate:
        if server.loop is None:
            return call()
        answer: Future[R] = Future()
        server.loop.call_soon_threadsafe(_settle, answer, call)
    return answer.result()


def _settle(answer: Future[R], call: Callable[[], R]) -> None:
    try:
        answer.set_result(call())
    except Exception as error:
        answer.set_exception(error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
