"""Sends calls from workers, on requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.bounds import PIECE, Answer
from airflow_green_notify.hooks.connection import InstanceConfig
from airflow_green_notify.hooks.failures import transport_error
from airflow_green_notify.hooks.gateway_clock import GatewayClock
from airflow_green_notify.hooks.rate_limit import limit_of
from airflow_green_notify.hooks.request_log import keep_out_of_log
from airflow_green_notify.hooks.requests_session import FAILURES, TimedAdapter, new_session, timeout
from airflow_green_notify.hooks.route import routes_of, tls_context
from airflow_green_notify.protocol.calls import Call, Result
from airflow_green_notify.protocol.upload import Upload


class RequestsTransport:
    """One pooled keep-alive session to one instance."""

    def __init__(self, config: InstanceConfig, clock: GatewayClock) -> None:
        keep_out_of_log(config.api_token)
        self._config = config
        self._clock = clock
        self._routes = routes_of(config)
        for route in self._routes.values():
            if isinstance(route.verify, str):
                tls_context(route.verify)  # tells of a file without certificates before anything is sent
        self.session = new_session(TimedAdapter())

    def send(self, call: Call[Result]) -> Result:
        """Send ``call`` once and return its result.

        :raises GreenApiError: As :mod:`airflow_green_notify.errors` tells.
        """
        outcome = self._outcome(call)
        if isinstance(outcome, GreenApiError):
            raise outcome
        return outcome

    def _outcome(self, call: Call[Result]) -> Result | GreenApiError:
        limit = limit_of(self._config, call)
        while wait := limit.take():
            time.sleep(wait)
        try:
            answer = self._exchange(call)
        finally:
            limit.give_back()
        return answer.outcome(self._config.api_token) if isinstance(answer, Answer) else answer

    def _exchange(self, call: Call[Result]) -> Answer[Result] | GreenApiError:
        route = self._routes[call.media]
        try:
            with self.session.request(
                call.verb,
                self._config.url(call),
                data=_Timed(call.upload, call.timeout) if call.upload else call.body,
                headers=call.headers,
                timeout=timeout(call.timeout, call.answer_timeout),
                allow_redirects=False,
                proxies=route.proxies,
                verify=route.verify,
                stream=True,
            ) as response:
                self._clock.note(response.headers.get("Date"))
                answer = Answer(call, response.status_code, response.headers)
                _read(response.raw.stream(PIECE, decode_content=False), answer)
                return answer
        except FAILURES as error:
            return transport_error(call, error)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()


def _read(pieces: Iterator[bytes], answer: Answer[Any]) -> None:
    for data in pieces:
        for _ in answer.take(data):
            pass
        if answer.is_enough:
            return
    answer.end()


class _Timed:
    """A file on its way that is given up when its time is over."""

    def __init__(self, upload: Upload, seconds: float) -> None:
        self._upload = upload
        self._ends = time.monotonic() + seconds

    def __len__(self) -> int:
        return len(self._upload)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._upload:
            if time.monotonic() > self._ends:
                raise TimeoutError("timed out")
            yield chunk
