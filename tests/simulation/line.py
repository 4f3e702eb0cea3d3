"""What lies between a process and the gateway: delays, cuts, refusals, and requests that arrive late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from airflow_green_notify.hooks.failures import transport_error
from airflow_green_notify.protocol.answers import read_answer
from airflow_green_notify.protocol.calls import Call
from tests.simulation.gateway import Gateway, Item
from tests.simulation.loop import World, current_process

REFUSALS = (429, 500, 502, 503)
SETTINGS = b'{"incomingWebhook": "yes"}'


@dataclass(frozen=True)
class Weather:
    """How often which fault comes, as a share of the requests.

    :param jitter: Takes longer than others, there or back, so that a later request may overtake it.
    :param cut: No answer comes; half of the requests have had their effect.
    :param refused: 429 or 5xx; half of the requests have had their effect.
    :param late: Of the deletes: on their way for seconds, though within what the client waits for.
    :param wrongly_empty: Of the receives: answered "empty" whatever waits.
    """

    jitter: float = 0.0
    cut: float = 0.0
    refused: float = 0.0
    late: float = 0.0
    wrongly_empty: float = 0.0


class Network:
    """The gateway as all processes reach it."""

    def __init__(self, world: World, gateway: Gateway, weather: Weather, chance: Random) -> None:
        self.world = world
        self.gateway = gateway
        self.weather = weather
        self.chance = chance

    def delay(self) -> float:
        """Draw the seconds that a request or an answer is under way."""
        jitter = self.chance.random() < self.weather.jitter
        return 0.02 + (0.1 * self.chance.random() if jitter else 0.0)


class Line:
    """One process's way to the gateway, in the place of ``AiohttpTransport``."""

    def __init__(self, config: Any) -> None:
        self._process = current_process()
        self._network: Network = self._process.world.network  # type: ignore[attr-defined]

    async def send(self, call: Call) -> Any:
        """Send a call and wait for its answer. What was sent arrives, also if the sender freezes or dies."""
        exchange = _Exchange(self._network, self._process.name, call, self._process.create_future())
        self._network.world.after(exchange.way_there(), exchange.arrive)
        status, body = await exchange.answer
        return read_answer(call, status, body)

    async def close(self) -> None:
        """Leave nothing behind."""


class _Exchange:
    """One request and its answer."""

    def __init__(self, network: Network, who: str, call: Call, answer: asyncio.Future[Any]) -> None:
        self.network = network
        self.gateway = network.gateway
        self.who = who
        self.call = call
        self.answer = answer
        self.fault = self._draw_fault()
        self.has_effect = not self.fault or network.chance.random() < 0.5

    def _draw_fault(self) -> str | int:
        weather, chance = self.network.weather, self.network.chance
        drawn = chance.random()
        if drawn < weather.cut:
            return "cut"
        return chance.choice(REFUSALS) if drawn < weather.cut + weather.refused else ""

    def way_there(self) -> float:
        """Draw the seconds until it arrives."""
        chance = self.network.chance
        is_late = self.call.method == "deleteNotification" and chance.random() < self.network.weather.late
        return self.network.delay() + (chance.uniform(1.0, 12.0) if is_late else 0.0)

    def arrive(self) -> None:
        """Have the effect, unless a fault comes before it."""
        if not self.has_effect:
            self._reply(b"")
        elif self.call.method == "receiveNotification":
            self._receive()
        elif self.call.method == "deleteNotification":
            self._delete(int(self.call.path[0]))
        else:
            self._reply(SETTINGS)

    def _receive(self) -> None:
        if self.network.chance.random() < self.network.weather.wrongly_empty:
            self._reply(b"null")
        elif not self._show():
            self.gateway.on_push.append(self._show)
            self.network.world.after(self.call.hold, self._give_up)

    def _show(self) -> bool:
        item = self.gateway.receive()
        if item is not None:
            self._tell(f"is handed {_name(item)}")
            self._reply(b'{"receiptId":%d,"body":%b}' % (item.receipt_id, item.body))
        return item is not None

    def _give_up(self) -> None:
        if self._show in self.gateway.on_push:
            self.gateway.on_push.remove(self._show)
            self._reply(b"null")

    def _delete(self, receipt_id: int) -> None:
        item = self.gateway.delete(receipt_id, self.who)
        if item is None:
            self._tell(f"deletes under {receipt_id}: nothing there")
        else:
            self._tell(f"deletes #{item.number} under {receipt_id}")
        self._reply(b'{"result":true}' if item else b'{"result":false}')

    def _reply(self, body: bytes) -> None:
        if self.fault:
            self._tell(f"{self.call.method} ends with {self.fault}")
        settle = partial(self._settle, body)
        self.network.world.after(self.network.delay(), settle, self.answer.get_loop())  # type: ignore[arg-type]

    def _settle(self, body: bytes) -> None:
        if self.answer.done():
            return
        if self.fault == "cut":
            self.answer.set_exception(transport_error(self.call, ConnectionResetError()))
        else:
            self.answer.set_result((self.fault or 200, body))

    def _tell(self, what: str) -> None:
        self.network.world.tell(self.who, what)


def _name(item: Item) -> str:
    return f"#{item.number} under {item.receipt_id}"
