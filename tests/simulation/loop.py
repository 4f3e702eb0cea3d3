"""Virtual time, and processes in it that can be frozen and killed as a whole.

The event loop is our own, since neither looptime (one clock for all that runs) nor detangle (explores orders
of callbacks within one process) can hold back or drop all that one of several processes does, its threads
included, while the others go on.

One heap of events drives all. Each simulated process has an event loop object of its own, and a greenlet for
each of its threads: one that sleeps, or waits for a store, goes back to the heap in the middle of plain code.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio.tasks import _enter_task, _leave_task  # type: ignore[attr-defined]
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

Act = Callable[[], object]
Event = tuple[float, int, "Process | None", Act]

_running: list[Process] = []


def current_process() -> Process:
    """Return the simulated process whose code runs now."""
    return _running[-1]


class World:
    """The one clock, what is to happen, and the story of what happened."""

    def __init__(self) -> None:
        self.now = 0.0
        self.closed = False
        self.network: Any = None
        """How its processes reach the gateway."""
        self.defect: BaseException | None = None
        """What no code of a process caught."""
        self.story: list[tuple[float, str, str]] = []
        self._processes: list[Process] = []  # the dead too: what they left unfinished must not unwind yet
        self._events: list[Event] = []
        self._order = itertools.count()
        self.hub = getcurrent()

    def tell(self, who: str, what: str) -> None:
        """Add a line to the story."""
        if not self.closed:
            self.story.append((self.now, who, what))

    def after(self, seconds: float, act: Act, process: Process | None = None) -> None:
        """Do something so much later; what a process does waits while it is frozen, and dies with it."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), process, act))

    def again(self, event: Event) -> None:
        """Put back what was held back, in its old order."""
        heapq.heappush(self._events, (self.now, *event[1:]))

    def run(self, until: Callable[[], bool]) -> None:
        """Let things happen, until this is true or nothing is left."""
        while self._events and not until():
            event = heapq.heappop(self._events)
            self.now = event[0]
            process = event[2]
            if process is None:
                event[3]()
            elif process.admits(event):
                _running.append(process)
                event[3]()
                _running.pop()
            if self.defect is not None:
                raise self.defect

    def close(self) -> None:
        """Let all unfinished code unwind, now and not in the middle of another world; it has no effect."""
        self.closed = True
        for process in self._processes:
            process.close()
        self._processes.clear()
        self._events.clear()

    def born(self, process: Process) -> None:
        """Take note of a process."""
        self._processes.append(process)

    def pause(self) -> None:
        """Leave the running greenlet, until an event switches to it again."""
        self.hub.switch()


class Process(asyncio.AbstractEventLoop):
    """A simulated process: an event loop in its main thread, and further threads."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.frozen = False
        self.lag = 0.0
        """Seconds that its monotonic clock missed while the machine was suspended."""
        self.longest_freeze = 0.0
        """Seconds."""
        self.fates: dict[int, Callable[[Process], object]] = {}
        """What befalls it, by the number of the event before which it does."""
        self._steps = 0
        self._held: list[Event] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._blocked: dict[greenlet, bool] = {}
        self._ready: deque[asyncio.Handle] = deque()
        self._is_due = False
        self._main = greenlet(self._serve, world.hub)
        world.born(self)

    # --- life and death ---

    def start(self, work: Coroutine[Any, Any, Any], ended: Callable[[asyncio.Task[Any]], object]) -> None:
        """Run the work; the process ends with it."""
        self.create_task(work).add_done_callback(partial(self._end, ended))

    def _end(self, ended: Callable[[asyncio.Task[Any]], object], task: asyncio.Task[Any]) -> None:
        self.alive = False
        ended(task)

    def kill(self) -> None:
        """End it in the middle; no code of it ever runs again."""
        if self.alive:
            self.alive = False
            self.world.tell(self.name, "died")

    def freeze(self, seconds: float, suspended: bool = False) -> None:
        """Let it stand still, every thread of it.

        :param suspended: Whether the whole machine sleeps, and with it the clocks that count its uptime.
        """
        if self.alive and not self.frozen:
            self.frozen = True
            self.longest_freeze = max(self.longest_freeze, seconds)
            self.world.tell(self.name, f"froze for {seconds:.1f} s")
            self.world.after(seconds, partial(self._thaw, seconds if suspended else 0.0))

    def _thaw(self, lag: float) -> None:
        self.frozen = False
        self.lag += lag
        if self.alive:
            self.world.tell(self.name, "woke")
        held, self._held = self._held, []
        for event in held:
            self.world.again(event)

    def close(self) -> None:
        """Unwind what is unfinished."""
        _running.append(self)
        for thread in list(self._blocked):
            thread.throw(GreenletExit)
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(RuntimeError, GreenletExit):  # it waits for something while it unwinds
                    task.get_coro().close()  # type: ignore[union-attr]
        self._tasks.clear()
        _running.pop()

    def admits(self, event: Event) -> bool:
        """Tell whether something may happen in this process now; if it is frozen, it happens later."""
        if not self.alive:
            return False
        if not self.frozen:
            self._steps += 1
            if self._steps in self.fates:
                self.fates.pop(self._steps)(self)
        if self.frozen:
            self._held.append(event)
        return self.alive and not self.frozen

    # --- threads ---

    def block(self, seconds: float, wakers: list[Act] | None = None) -> None:
        """Let the running thread sleep; if it is the main one, the event loop stands still.

        :param wakers: Gets what wakes it before its time.
        """
        if self.world.closed:
            raise GreenletExit
        thread = getcurrent()
        task = asyncio.current_task(self) if thread is self._main else None
        if task is not None:
            _leave_task(self, task)
        waking = _Waking(self, thread)
        self.world.after(seconds, waking.now, self)
        if wakers is not None:
            wakers.append(waking.soon)
        self._blocked[thread] = True
        try:
            self.world.pause()
        finally:
            del self._blocked[thread]
            if task is not None:
                _enter_task(self, task)

    def _go_on(self, thread: greenlet) -> None:
        asyncio._set_running_loop(self if thread is self._main else None)
        thread.switch()
        asyncio._set_running_loop(None)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Call in a thread of this process."""
        future = self.create_future()
        self.start_thread(partial(_call, future, func, *args))
        return future

    def start_thread(self, work: Act) -> None:
        """Do something in a thread of its own; it may block."""
        self.world.after(0.0, partial(self._go_on, greenlet(work, self.world.hub)), self)

    # --- the event loop ---

    def _serve(self) -> None:
        """The main thread: run what is ready, again and again."""
        while not self.world.closed:
            while self._ready and self.alive and not self.frozen:
                handle = self._ready.popleft()
                if not handle._cancelled:
                    handle._run()
            self._is_due = bool(self._ready)
            if self._is_due:
                self.world.after(0.0, partial(self._go_on, self._main), self)
            self.world.pause()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        if not self._is_due:  # else the main thread is at it, or will be
            self._is_due = True
            self.world.after(0.0, partial(self._go_on, self._main), self)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.world.after(max(0.0, when - self.time()), partial(self._ring, handle), self)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _ring(self, handle: asyncio.TimerHandle) -> None:
        if not handle._cancelled:
            self._ready.append(handle)
            if not self._is_due:
                self._is_due = True
                self._go_on(self._main)

    def time(self) -> float:
        return self.world.now - self.lag

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, **kwargs)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.world.defect = self.world.defect or context.get("exception")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it where it is; it is passed over when its time comes."""


class _Waking:
    """Wakes a thread once, whoever is first."""

    def __init__(self, process: Process, thread: greenlet) -> None:
        self._process = process
        self._thread: greenlet | None = thread

    def soon(self) -> None:
        """Wake it when the one who asks for that has gone on."""
        self._process.world.after(0.0, self.now, self._process)

    def now(self) -> None:
        """Wake it."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._process._go_on(thread)


def _call(future: asyncio.Future[Any], func: Callable[..., Any], *args: Any) -> None:
    try:
        result = func(*args)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)
