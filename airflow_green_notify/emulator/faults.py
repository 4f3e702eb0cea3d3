"""Scripted and random faults of an instance: what goes wrong, on which request, and whether it took effect.

=================  ==========================================================================
kind               what happens
=================  ==========================================================================
``status``         answers ``status=`` with ``body=`` and ``headers=``; no effect
``429`` … ``504``  short forms of it: ``429``, ``500``, ``502``, ``503``, ``504``
``500_after``      takes effect, then answers 500
``slow``           waits ``seconds=`` (1) before the effect; with ``effect="early"`` after it
``cut_before``     closes the connection without an answer; no effect
``cut_after``      takes effect, then closes the connection without an answer
``truncated``      takes effect, then answers less than ``Content-Length`` says and closes
``malformed``      takes effect, then answers 200 with broken JSON
=================  ==========================================================================
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import checks
from airflow_green_notify.emulator.answers import cut, refused
from airflow_green_notify.emulator.refusals import Rejection

INTERNAL_ERROR = "Internal Server Error"
SHORT_FORMS = {
    "429": "Too Many Requests",
    "500": INTERNAL_ERROR,
    "502": "<html><head><title>502 Bad Gateway</title></head></html>",
    "503": "<html><head><title>503 Service Temporarily Unavailable</title></head></html>",
    "504": "<html><head><title>504 Gateway Time-out</title></head></html>",
}
DETAILS: dict[str, set[str]] = {
    "status": {"status", "body", "headers"},
    "slow": {"seconds", "effect"},
    "500_after": set(),
    "cut_before": set(),
    "cut_after": set(),
    "truncated": set(),
    "malformed": set(),
    **{kind: {"headers"} for kind in SHORT_FORMS},
}
MISSING_BYTES = 16
MAX_TIMES = 1_000_000_000
MAX_BODY = 1_000_000  # characters
MAX_FAULTS = 10_000
MAX_SEED = 2**63


def _check_headers(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object of texts")
    for header, content in value.items():
        if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", checks.text("the name of a header", header)):
            raise ValueError("the name of a header must be letters, digits and '-'")
        if not re.fullmatch(r"[^\x00-\x08\n-\x1f\x7f]*", checks.text(header, content)):
            raise ValueError(f"the header {header} must not hold control characters")


DETAIL_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "status": partial(checks.whole, low=200, high=599),
    "body": partial(checks.text, longest=MAX_BODY),
    "headers": _check_headers,
    "seconds": checks.number,
    "effect": partial(checks.one_of, allowed=("early", "late")),
}

Effect = Callable[[], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """One scripted fault and how often it is still to come."""

    kind: str
    method: str | None = None
    times: int | None = 1
    after: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.one_of("kind", self.kind, DETAILS)
        unknown = self.details.keys() - DETAILS[self.kind]
        if unknown:
            raise TypeError(f"{self.kind} takes no {', '.join(sorted(unknown))}")
        if self.kind == "status" and "status" not in self.details:
            raise TypeError("the fault 'status' needs status=")
        self._check_values()

    def _check_values(self) -> None:
        checks.optional(checks.whole, "times", self.times, 1, MAX_TIMES)
        checks.whole("after", self.after, 0, MAX_TIMES)
        for name, value in self.details.items():
            DETAIL_CHECKS[name](name, value)

    def strikes(self, method: str) -> bool:
        """Whether it is this request's turn; counts the request."""
        if self.times == 0 or (self.method is not None and self.method.lower() != method.lower()):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True

    async def answer(self, effect: Effect) -> web.StreamResponse | None:
        """What the client gets instead of the plain effect; ``None``: the connection is cut.

        :raises Rejection: A refusal in the gateway's own form.
        """
        if self.kind == "cut_before":
            return None
        if self.kind == "cut_after":
            await effect()
            return None
        if self.kind == "500_after":
            await effect()
            raise Rejection(500, INTERNAL_ERROR)
        if self.kind == "slow":
            return await self._slow(effect)
        if self.kind in ("truncated", "malformed"):
            return _broken(await effect(), self.kind)
        return self._refusal()

    async def _slow(self, effect: Effect) -> web.StreamResponse:
        seconds = self.details.get("seconds", 1.0)
        if self.details.get("effect", "late") == "early":
            response = await effect()
            await asyncio.sleep(seconds)
            return response
        await asyncio.sleep(seconds)
        return await effect()

    def _refusal(self) -> web.Response:
        status = int(self.details["status"] if self.kind == "status" else self.kind)
        body = self.details.get("body", SHORT_FORMS.get(str(status), ""))
        if status == 500 and "body" not in self.details:
            raise Rejection(500, INTERNAL_ERROR)
        response = refused(status, body)
        response.headers.update(self.details.get("headers", {}))
        return response


class FaultScript:
    """The faults that an instance has before it: the scripted ones in their order, then chance."""

    def __init__(self) -> None:
        self._scripted: list[Fault] = []
        self._chance = random.Random()
        self._kinds: list[str] = []
        self._thresholds: list[float] = []

    def add(self, fault: Fault) -> None:
        """Script one more fault.

        :raises ValueError: There are too many before it.
        """
        if len(self._scripted) >= MAX_FAULTS:
            raise ValueError(f"no more than {MAX_FAULTS} faults can wait")
        self._scripted.append(fault)

    def at_random(self, seed: int, probabilities: dict[str, float]) -> None:
        """Let each request fail with these probabilities, repeatably."""
        checks.whole("seed", seed, -MAX_SEED, MAX_SEED)
        if not isinstance(probabilities, dict):
            raise ValueError("probabilities must be an object: from the kind of a fault to a number")
        faults = [Fault(kind) for kind in probabilities]
        for kind, probability in probabilities.items():
            checks.number(kind, probability, 0.0, 1.0)
        if sum(probabilities.values()) > 1:
            raise ValueError("the probabilities add up to more than 1")
        self._chance = random.Random(seed)
        self._kinds = [fault.kind for fault in faults]
        self._thresholds = list(accumulate(probabilities.values()))

    def clear(self) -> None:
        """Let nothing fail any more."""
        self._scripted.clear()
        self._kinds.clear()
        self._thresholds.clear()

    def next(self, method: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        for fault in self._scripted:
            if fault.strikes(method):
                if fault.times == 0:
                    self._scripted.remove(fault)
                return fault
        return self._by_chance() if self._kinds else None

    def _by_chance(self) -> Fault | None:
        drawn = self._chance.random()
        for kind, threshold in zip(self._kinds, self._thresholds, strict=True):
            if drawn < threshold:
                return Fault(kind)
        return None


class Truncated(web.StreamResponse):
    """An answer that ends before its ``Content-Length``, and closes the connection."""

    def __init__(self, body: bytes) -> None:
        super().__init__(headers={"Content-Type": "application/json; charset=utf-8"})
        self.content_length = len(body) + MISSING_BYTES
        self._sent = body

    async def write_eof(self, data: bytes = b"") -> None:
        """Send what there is and close."""
        request = self._req
        await self.write(self._sent)
        if request is not None:
            cut(request)


def _broken(response: web.StreamResponse, kind: str) -> web.StreamResponse:
    body = response.body if isinstance(response, web.Response) else b""
    half = bytes(body)[: len(body) // 2] if isinstance(body, bytes | bytearray) else b""
    if kind == "truncated":
        return Truncated(half)
    return web.Response(body=half or b"{", headers={"Content-Type": "application/json; charset=utf-8"})
