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
from tests.simulation.gateway import Gateway
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

    def drawn(self, share: float) -> bool:
        """Draw whether something happens that happens to this share of the requests."""
        return self.chance.random() < share


class Line:
    """One process's way to the gateway, in the place of ``AiohttpTransport``."""

    def __init__(self, config: Any, clock: Any) -> None:
        self.process = current_process()
        self.network: Network = self.process.world.network
        self.delay = self.network.chance.uniform(0.01, 0.03)
        """Seconds that a request or an answer is usually under way."""

    async def send(self, call: Call[Any]) -> Any:
        """Send a call and wait for its answer."""
        exchange = _Exchange(self, call)
        exchange.send()
        status, body = await exchange.answer
        return read_answer(call, status, body)

    async def close(self) -> None:
        """Leave nothing behind."""


class _Exchange:
    """One request and its answer. What was sent arrives, also if the sender freezes or dies meanwhile."""

    def __init__(self, line: Line, call: Call[Any]) -> None:
        self.network = line.network
        self.world = line.network.world
        self.gateway = line.network.gateway
        self.process = line.process
        self.usual_delay = line.delay
        self.call = call
        self.is_delete = call.method == "deleteNotification"
        self.answer: asyncio.Future[Any] = line.process.create_future()
        self.fault = self._draw_fault()
        self.has_effect = not self.fault or self.network.drawn(0.5)

    def _draw_fault(self) -> str | int:
        if self.network.drawn(self.network.weather.cut):
            return "cut"
        return (
            self.network.chance.choice(REFUSALS) if self.network.drawn(self.network.weather.refused) else ""
        )

    def _delay(self) -> float:
        jitter = self.network.drawn(self.network.weather.jitter)
        return self.usual_delay + (0.1 * self.network.chance.random() if jitter else 0.0)

    def send(self) -> None:
        """Put it on its way."""
        is_late = self.is_delete and self.network.drawn(self.network.weather.late)
        late = self.network.chance.uniform(1.0, 12.0) if is_late else 0.0
        self.world.after(self._delay() + late, self._arrive)

    def _arrive(self) -> None:
        """Have the effect, unless a fault comes before it."""
        if not self.has_effect:
            self._reply(b"")
        elif self.is_delete:
            self._delete(int(self.call.path[0]))
        elif self.call.method == "receiveNotification":
            self._receive()
        else:
            self._reply(SETTINGS)

    def _receive(self) -> None:
        if self.network.drawn(self.network.weather.wrongly_empty):
            self._reply(b"null")
        elif not self._show():
            self.gateway.on_push.append(self._show)
            self.world.after(self.call.hold, self._give_up)

    def _show(self) -> bool:
        item = self.gateway.receive()
        if item is not None:
            self._tell(f"is handed #{item.number} under {item.receipt_id}")
            self._reply(b'{"receiptId":%d,"body":%b}' % (item.receipt_id, item.body))
        return item is not None

    def _give_up(self) -> None:
        if self._show in self.gateway.on_push:
            self.gateway.on_push.remove(self._show)
            self._reply(b"null")

    def _delete(self, receipt_id: int) -> None:
        item = self.gateway.delete(receipt_id, self.process.name)
        self._tell(f"deletes {f'#{item.number}' if item else 'nothing'} under {receipt_id}")
        self._reply(b'{"result":true}' if item else b'{"result":false}')

    def _reply(self, body: bytes) -> None:
        if self.fault:
            self._tell(f"{self.call.method} ends with {self.fault}")
        self.world.after(self._delay(), partial(self._settle, body), self.process)

    def _settle(self, body: bytes) -> None:
        if self.answer.done():
            return
        if self.fault == "cut":
            self.answer.set_exception(transport_error(self.call, ConnectionResetError()))
        else:
            self.answer.set_result((self.fault or 200, body))

    def _tell(self, what: str) -> None:
        self.world.tell(self.process.name, what)
