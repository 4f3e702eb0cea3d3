"""The emulated gateway as a server in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import threading
from concurrent.futures import Future
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from airflow_green_notify.emulator.account import NOTIFICATION_SETTINGS
from airflow_green_notify.emulator.control_routes import ControlPlane
from airflow_green_notify.emulator.gateway_instance import GatewayInstance
from airflow_green_notify.emulator.gateway_routes import Gateway
from airflow_green_notify.emulator.instance import Instance
from airflow_green_notify.emulator.partner import Partner
from airflow_green_notify.emulator.switches import REALISTIC, Switches

HOST = "127.0.0.1"
FIRST_ID = 1101000001
BACKLOG = 4096
MAX_INSTANCES = 10_000
MAX_BODY = 1 << 28  # bytes; only what is read as a whole is bound by it: JSON and pushed notifications
SHUTDOWN_SECONDS = 0.1
ACCEPTING_ROUNDS = 3  # of the event loop, until a connection accepted just now is known and can be cut
SILENT = logging.Logger(__name__, level=logging.CRITICAL + 1)  # aiohttp's own messages could show the token


class GreenApiEmulator(GatewayInstance):
    """A stateful gateway on 127.0.0.1, and at the same time its first instance.

    .. code-block:: python

        with GreenApiEmulator() as gateway:
            os.environ["AIRFLOW_CONN_GREEN_API_DEFAULT"] = gateway.connection
            gateway.push(*example_notifications())
            ...
            assert all(item["deletions"] == 1 for item in gateway.audit())

    The server may be stopped and started again on the same port; what it knows survives that.

    :param port: The port to listen on; 0 takes a free one.
    :param id_instance: The id of the first instance.
    :param api_token: Its token; by default a random one.
    :param type_instance: Its product: ``whatsapp``, ``telegram`` or ``v3`` (MAX).
    :param partner_token: The token of the partner to whom all instances belong; by default a random one.
    :param switches: How it behaves, see :class:`Switches`.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        id_instance: str = str(FIRST_ID),
        api_token: str | None = None,
        type_instance: str = "whatsapp",
        partner_token: str | None = None,
        **switches: Any,
    ) -> None:
        self.port = port
        self.gate = threading.RLock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.instances: dict[str, GatewayInstance] = {}
        self._gateway = Gateway()
        self._gateway.doors["_emulator"] = ControlPlane(self.instances, self.add_instance)
        self.partner_token = partner_token or secrets.token_hex(25)
        partner = Partner(self.partner_token, self._gateway.instances, self._create_instance)
        self._gateway.doors["partner"] = partner
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        instance = self._new_instance(id_instance, api_token, type_instance, switches)
        super().__init__(self, instance)
        self.instances[id_instance] = self

    @classmethod
    def realistic(cls, **options: Any) -> Self:
        """An emulator whose first instance is as a new one of the real gateway.

        Settings take 5 minutes, a cleared ``webhookUrl`` another one, counts are refreshed every 10 s,
        messages leave the send queue 500 ms apart, and all notifications are off until ``setSettings`` turns
        them on.

        :param options: Those of the emulator, which go before.
        """
        emulator = cls(**REALISTIC | options)
        emulator.settings(**dict.fromkeys(NOTIFICATION_SETTINGS, "no"))
        return emulator

    @property
    def url(self) -> str:
        """Where the gateway answers, for API and media alike."""
        if not self.port:
            raise RuntimeError("the emulator has no URL before it was started")
        return f"http://{HOST}:{self.port}"

    def add_instance(
        self,
        *,
        id_instance: str | None = None,
        api_token: str | None = None,
        type_instance: str = "whatsapp",
        **switches: Any,
    ) -> GatewayInstance:
        """Open one more instance, with a queue, settings and switches of its own.

        The parameters are those of the emulator itself; by default the id is the next free one.
        """
        return self._on_loop(self._add_instance, id_instance, api_token, type_instance, switches)

    def start(self) -> GreenApiEmulator:
        """Begin to listen; returns once it does."""
        if self._thread is not None:
            raise RuntimeError("the emulator runs already")
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="green-api-emulator", daemon=True
        )
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self._thread = None
            raise
        return self

    def stop(self) -> None:
        """Cut all connections and stop listening. The queue and the audit stay readable."""
        if self._thread is None:
            return
        if self._stopping is not None:
            self._on_loop(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> GreenApiEmulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, ready: Future[None]) -> None:
        try:
            listening = socket.create_server((HOST, self.port), backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            ready.set_exception(error)
            return
        loop = asyncio.get_running_loop()
        runner = web.ServerRunner(self._server_of_loop(), shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
        self.port = listening.getsockname()[1]
        self._gateway.media.base = self.url
        self._stopping = asyncio.Event()
        with self.gate:
            self.loop = loop
            self._gateway.clock.arm()
            for instance in self._gateway.instances.values():
                instance.webhook.wake()
        ready.set_result(None)
        await self._stopping.wait()
        loop.remove_reader(listening)
        for _ in range(ACCEPTING_ROUNDS):
            await asyncio.sleep(0)
        await runner.cleanup()
        with self.gate:
            self.loop = None
        await asyncio.sleep(0)  # what other threads asked for before the gate closed is still answered

    def _server_of_loop(self) -> web.Server:
        loop = asyncio.get_running_loop()

        def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)

        return web.Server(
            self._gateway.handle,
            request_factory=request,
            access_log=None,
            logger=SILENT,
            auto_decompress=False,  # its way of refusing what is no such thing isn't the gateway's
        )

    def _add_instance(
        self, id_instance: str | None, api_token: str | None, type_instance: str, switches: dict[str, Any]
    ) -> GatewayInstance:
        if len(self.instances) >= MAX_INSTANCES:
            raise ValueError(f"there are {MAX_INSTANCES} instances already, as many as there can be")
        id_instance = id_instance or str(max(FIRST_ID - 1, *map(int, self.instances)) + 1)
        if id_instance in self.instances:
            raise ValueError(f"there is an instance {id_instance} already")
        instance = self._new_instance(id_instance, api_token, type_instance, switches)
        self.instances[id_instance] = GatewayInstance(self, instance)
        return self.instances[id_instance]

    def _create_instance(self, type_instance: str) -> Instance:
        """Open one more instance for a partner; it behaves like the first one."""
        made = self._add_instance(None, None, type_instance, asdict(self._instance.switches))
        return self._gateway.instances[made.id_instance]

    def _new_instance(
        self, id_instance: str, api_token: str | None, type_instance: str, switches: dict[str, Any]
    ) -> Instance:
        instance = Instance(
            self._gateway.clock,
            self._gateway.media,
            Switches(**switches),
            id_instance=id_instance,
            api_token=api_token,
            type_instance=type_instance,
        )
        self._gateway.instances[id_instance] = instance
        return instance
