"""The clocks, the chance and the way to the gateway that the code under simulation finds in its modules."""

from __future__ import annotations

import datetime
import importlib
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from airflow_green_notify.hooks.instance_hook import InstanceHook
from tests.simulation import threads
from tests.simulation.line import Line
from tests.simulation.loop import current_process

EPOCH = 1_790_000_000.0
"""UNIX time at which each history begins."""


class Time:
    """In the place of the module ``time``: the running process's clocks."""

    CLOCK_MONOTONIC = CLOCK_BOOTTIME = 1

    @staticmethod
    def monotonic() -> float:
        return current_process().time()

    @staticmethod
    def clock_gettime(clock: int) -> float:
        return current_process().time()

    @staticmethod
    def time() -> float:
        return EPOCH + current_process().world.now

    @staticmethod
    def sleep(seconds: float) -> None:
        current_process().block(seconds)


class _AnyDatetime(type(datetime.datetime)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class Datetime(datetime.datetime, metaclass=_AnyDatetime):
    """In the place of the class ``datetime``."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(Time.time(), tz)


class Connection:
    """The connection of every hook."""

    conn_id, host, schema, port, extra = "green_api_default", "http://gateway", None, None, None
    login, password = "1101000001", "token"


async def _connection(conn_id: str) -> Connection:
    return Connection()


chance = random.Random()
"""Seeded anew for each history."""


class Words:
    """In the place of the module ``secrets``."""

    @staticmethod
    def token_hex(count: int) -> str:
        return f"{chance.getrandbits(8 * count):0{2 * count}x}"


_PACKAGE = "airflow_green_notify"
REPLACED: list[tuple[str, str, Any]] = [
    (f"{_PACKAGE}.hooks.queue_head", "time", Time),
    (f"{_PACKAGE}.drain.engine", "time", Time),
    (f"{_PACKAGE}.drain.lease", "time", Time),
    (f"{_PACKAGE}.drain.lease", "random", chance),
    (f"{_PACKAGE}.drain.lease", "secrets", Words),
    (f"{_PACKAGE}.drain.lease", "threading", threads),
    (f"{_PACKAGE}.stopwatch", "time", Time),
    (f"{_PACKAGE}.hooks.gateway_clock", "time", Time),
    (f"{_PACKAGE}.drain.engine", "datetime", Datetime),
    (f"{_PACKAGE}.drain.handling", "time", Time),
    (f"{_PACKAGE}.progress", "time", Time),
    (f"{_PACKAGE}.hooks.aiohttp_transport", "AiohttpTransport", Line),
    (f"{_PACKAGE}.notification", "datetime", Datetime),
    (f"{_PACKAGE}.triggers.doorbell", "time", Time),
    (f"{_PACKAGE}.triggers.watch", "time", Time),
    (f"{_PACKAGE}.triggers.watch", "random", chance),
    ("tenacity.wait", "random", chance),
]
"""Module, name in it, and what stands there during a simulation."""


@contextmanager
def _silence() -> Iterator[None]:
    """Let nobody log: the story tells."""
    logging.disable(logging.CRITICAL)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
        logging.disable(logging.NOTSET)


@contextmanager
def simulated() -> Iterator[None]:
    """Replace all of it meanwhile."""
    replaced = [(importlib.import_module(module), name, new) for module, name, new in REPLACED]
    replaced.append((InstanceHook, "aget_connection", staticmethod(_connection)))  # type: ignore[arg-type]
    before = [vars(place).get(name) for place, name, _ in replaced]
    try:
        for place, name, new in replaced:
            setattr(place, name, new)
        with _silence():
            yield
    finally:
        for (place, name, _), old in zip(replaced, before, strict=True):
            if old is None:
                delattr(place, name)
            else:
                setattr(place, name, old)
