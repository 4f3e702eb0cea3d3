"""Handlers at work side by side: plain ones each in a thread, async ones on one event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from airflow_green_notify.arguments.functions import is_async, takes
from airflow_green_notify.filters import answer_of

if TYPE_CHECKING:
    from airflow_green_notify.consume.chat_context import ChatContext
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.stores.sql.work import Claim

Handler = Callable[..., object]

_GRACE = 5.0
"""Seconds that an async handler has to end when it is cancelled, before it counts as one that hangs."""


class HandlerTimeout(Exception):
    """A handler took longer than it may, and was cancelled."""


class NotCalled(Exception):
    """The handler was not called: by the time it was its turn, somebody else might have the chat."""


@dataclass(eq=False)
class Call:
    """A handler at work on a notification.

    :param is_own: Tells whether the chat is surely nobody else's yet, a moment before the handler is called.
    """

    claim: Claim
    notification: Notification
    is_own: Callable[[], bool]
    began: float = field(default_factory=time.monotonic)
    has_ended: bool = False
    is_told: bool = False
    """Whether the log says that it hangs."""

    def seconds(self) -> float:
        """Return for how long it has been at work."""
        return time.monotonic() - self.began

    def check(self) -> None:
        """Raise :class:`NotCalled` if somebody else may have the chat by now."""
        if not self.is_own():
            raise NotCalled

    def outlasts(self, limit: float | None) -> bool:
        """Tell whether it is at work for longer than so many seconds."""
        return limit is not None and not self.has_ended and self.seconds() > limit


Outcome = tuple[Call, BaseException | None]


class Handlers(Protocol):
    """Begins calls, and tells how each ended."""

    ended: SimpleQueue[Outcome]
    """Each call that ended, with what it raised."""

    def begin(self, call: Call, context: ChatContext) -> None:
        """Begin a call; others go on beside it."""
        ...

    def hangs(self, call: Call) -> bool:
        """Tell whether a call has outlasted its time, and nothing can be done about it."""
        ...

    def cancel(self) -> None:
        """End the calls that can be ended: they are cancelled."""
        ...

    def close(self) -> None:
        """Let go of the calls that are still at work."""
        ...


def handlers_of(handler: Handler, timeout: float | None) -> Handlers:
    """Return what calls a handler.

    :param timeout: Seconds that a call may take. An async one is cancelled then. A plain one can't be: it
        hangs until it returns.
    """
    with_context = not takes(handler, 1)
    return (LoopHandlers if is_async(handler) else ThreadHandlers)(handler, with_context, timeout)


class ThreadHandlers:
    """Plain functions, each call in a thread that keeps no process from ending."""

    def __init__(self, handler: Handler, with_context: bool, timeout: float | None) -> None:
        self.ended: SimpleQueue[Outcome] = SimpleQueue()
        self._handler = handler
        self._with_context = with_context
        self._timeout = timeout

    def begin(self, call: Call, context: ChatContext) -> None:
        function = _bound(self._handler, self._with_context, context)
        serve = partial(copy_context().run, self._serve, call, function)
        threading.Thread(target=serve, name="green-api-handler", daemon=True).start()

    def hangs(self, call: Call) -> bool:
        return call.outlasts(self._timeout)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _serve(self, call: Call, function: Callable[[Notification], object]) -> None:
        error: BaseException | None = None
        try:
            call.check()
            answer_of(function, call.notification)
        except BaseException as raised:
            error = raised
        call.has_ended = True
        self.ended.put((call, error))


class LoopHandlers:
    """Async functions, on an event loop in a thread of its own, which begins with the first call."""

    def __init__(self, handler: Handler, with_context: bool, timeout: float | None) -> None:
        self.ended: SimpleQueue[Outcome] = SimpleQueue()
        self._handler: Any = handler
        self._with_context = with_context
        self._timeout = timeout
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event

    def begin(self, call: Call, context: ChatContext) -> None:
        function = _bound(self._handler, self._with_context, context)
        asyncio.run_coroutine_threadsafe(self._serve(call, function), self._running_loop())

    def hangs(self, call: Call) -> bool:
        return call.outlasts(None if self._timeout is None else self._timeout + _GRACE)

    def cancel(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            started: Future[asyncio.AbstractEventLoop] = Future()
            serve = partial(copy_context().run, asyncio.run, self._run(started))
            threading.Thread(target=serve, name="green-api-handlers", daemon=True).start()
            self._loop = started.result()
        return self._loop

    async def _run(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        self._over = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._over.wait()

    async def _serve(self, call: Call, function: Callable[[Notification], Any]) -> None:
        task: Any = asyncio.current_task()
        self._tasks.add(task)
        error: BaseException | None = None
        try:
            async with asyncio.timeout(self._timeout) as limit:
                call.check()
                await function(call.notification)
        except TimeoutError as raised:
            error = HandlerTimeout(f"Cancelled after {self._timeout:g} s.") if limit.expired() else raised
        except BaseException as raised:
            error = raised
        self._tasks.discard(task)
        call.has_ended = True
        self.ended.put((call, error))

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


def _bound(handler: Any, with_context: bool, context: ChatContext) -> Callable[[Notification], Any]:
    return (lambda notification: handler(notification, context)) if with_context else handler
