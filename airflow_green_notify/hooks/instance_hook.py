"""Sends calls to the instance of a connection: the look-up, the two transports, the retries."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk import BaseHook

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.connection import (
    CONNECTION_NAME,
    CONNECTION_TYPE,
    InstanceConfig,
)
from airflow_green_notify.hooks.gateway_clock import GatewayClock

if TYPE_CHECKING:
    from datetime import datetime

    from tenacity import AsyncRetrying, RetryCallState, Retrying

    from airflow_green_notify.hooks.aiohttp_transport import AiohttpTransport
    from airflow_green_notify.hooks.requests_transport import RequestsTransport
    from airflow_green_notify.protocol.calls import Call, Result

MAX_RETRY_WAIT = 60.0

_NEVER_COPIED = ("config", "_retrying", "_aretrying")


class InstanceHook(BaseHook):
    """A hook that sends calls, on ``requests`` from sync code and on ``aiohttp`` from event loops."""

    conn_name_attr = "green_api_conn_id"
    default_conn_name = "green_api_default"
    conn_type = CONNECTION_TYPE
    hook_name = CONNECTION_NAME

    def __init__(
        self, green_api_conn_id: str = default_conn_name, *, max_attempts: int = 5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id
        self.max_attempts = max_attempts
        self.retries = 0
        """How many calls were sent again so far."""
        self.label = ""
        """Begins each line in the log where several instances write to the same one."""
        self._clock = GatewayClock()
        self._requests: RequestsTransport | None = None
        self._aiohttp: AiohttpTransport | None = None

    @cached_property
    def config(self) -> InstanceConfig:
        """The instance of the connection, looked up once."""
        return InstanceConfig.from_connection(self.get_connection(self.green_api_conn_id))

    @property
    def instance_name(self) -> str:
        """The instance's id; as long as the connection isn't looked up, that of the connection."""
        config = vars(self).get("config")
        return self.green_api_conn_id if config is None else config.id_instance

    async def aconfig(self) -> InstanceConfig:
        """Async twin of :attr:`config`."""
        if "config" not in self.__dict__:
            self.__dict__["config"] = InstanceConfig.from_connection(
                await self.aget_connection(self.green_api_conn_id)
            )
        return self.config

    def get_conn(self) -> RequestsTransport:
        """Return the transport that the plain methods use."""
        if self._requests is None:
            from airflow_green_notify.hooks.requests_transport import RequestsTransport

            self._requests = RequestsTransport(self.config, self._clock)
        return self._requests

    async def aget_conn(self) -> AiohttpTransport:
        """Return the transport that the async twins use."""
        config = await self.aconfig()
        if self._aiohttp is None:
            await _import_aside("airflow_green_notify.hooks.aiohttp_transport")
            from airflow_green_notify.hooks.aiohttp_transport import AiohttpTransport

            self._aiohttp = self._aiohttp or AiohttpTransport(config, self._clock)
        return self._aiohttp

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what holds the token: a copy looks the connection up again."""
        state = {name: value for name, value in vars(self).items() if name not in _NEVER_COPIED}
        return state | {"_requests": None, "_aiohttp": None}

    def gateway_time(self) -> datetime | None:
        """Return what time it is at the gateway (aware, UTC), by its last answer.

        :return: ``None`` before the first answer, and where the gateway doesn't tell.
        """
        return self._clock.now()

    def _send(self, call: Call[Result]) -> Result:
        send = self.get_conn().send
        return self._retrying(send, call) if call.idempotent else send(call)

    async def _asend(self, call: Call[Result]) -> Result:
        send = (await self.aget_conn()).send
        try:
            return await send(call)
        except GreenApiError as error:
            if not (call.idempotent and error.retryable):
                raise
            failures = [error]

        async def send_again(call: Call[Result]) -> Result:
            if failures:
                raise failures.pop()
            return await send(call)

        # Only what failed goes through tenacity, as its first attempt: it costs a third of a request.
        return await self._aretrying(send_again, call)

    @cached_property
    def _retrying(self) -> Retrying:
        from tenacity import Retrying

        return Retrying(**self._retry_policy())

    @cached_property
    def _aretrying(self) -> AsyncRetrying:
        from tenacity import AsyncRetrying

        return AsyncRetrying(**self._retry_policy())

    def _retry_policy(self) -> dict[str, Any]:
        from tenacity import retry_if_exception, stop_after_attempt

        return {
            "stop": stop_after_attempt(self.max_attempts),
            "wait": _retry_wait,
            "retry": retry_if_exception(lambda error: isinstance(error, GreenApiError) and error.retryable),
            "before_sleep": self._note_retry,
            "reraise": True,
        }

    def _note_retry(self, state: RetryCallState) -> None:
        """Tell of a failure; the first of a call is no cause for concern yet."""
        self.retries += 1
        self.log.log(
            logging.INFO if state.attempt_number == 1 else logging.WARNING,
            "%sAttempt %d of %d failed: %s Retrying in %.1f s.",
            self.label,
            state.attempt_number,
            self.max_attempts,
            state.outcome and state.outcome.exception(),
            state.upcoming_sleep,
        )

    def close(self) -> None:
        """Close the connections of the plain methods; the next call opens new ones."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None

    async def aclose(self) -> None:
        """Leave the event loop's shared session; the last to leave closes it."""
        if self._aiohttp is not None:
            await self._aiohttp.close()
            self._aiohttp = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


async def _import_aside(module: str) -> None:
    """Import a module in a thread, if it isn't yet: with all that it loads, it takes a fifth of a second."""
    if module not in sys.modules:
        await asyncio.to_thread(importlib.import_module, module)


def _retry_wait(state: RetryCallState) -> float:
    from tenacity import wait_exponential_jitter

    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None) or 0.0
    wait = wait_exponential_jitter(initial=0.5, max=MAX_RETRY_WAIT / 2, jitter=0.5)(state)
    return min(max(wait, asked), MAX_RETRY_WAIT)
