"""Sends calls from workers, on requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import urllib3

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.connection import InstanceConfig
from airflow_green_notify.hooks.failures import download_error, storage_refusal, transport_error
from airflow_green_notify.hooks.gateway_clock import GatewayClock
from airflow_green_notify.hooks.rate_limit import limit_of
from airflow_green_notify.protocol.answers import read_answer
from airflow_green_notify.protocol.calls import Call
from airflow_green_notify.protocol.redaction import redact

CONNECT_TIMEOUT = 10.0
STORAGE_TIMEOUT = 60.0
CHUNK = 256 * 1024
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class _TokenFilter(logging.Filter):
    """Keeps tokens out of urllib3's own log lines, which hold the path of every request at DEBUG."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for token in sorted(self.tokens, key=len, reverse=True):  # one may be part of another
            message = redact(message, token)
        record.msg, record.args = message, ()
        return True


_token_filter = _TokenFilter()
logging.getLogger("urllib3.connectionpool").addFilter(_token_filter)


@contextmanager
def _unlogged(url: str) -> Iterator[None]:
    """Keep what follows the host out of the log: whoever holds a link to a file can read the file."""
    secret = url.partition("://")[2].partition("/")[2]
    _token_filter.tokens.add(secret)
    try:
        yield
    finally:
        _token_filter.tokens.discard(secret)


class RequestsTransport:
    """One pooled keep-alive session to one instance."""

    def __init__(self, config: InstanceConfig, clock: GatewayClock) -> None:
        _token_filter.tokens.add(config.api_token)
        self._config = config
        self._clock = clock
        self._proxies = {"http": config.proxy, "https": config.proxy} if config.proxy else None
        self.session = requests.Session()

    def send(self, call: Call) -> Any:
        """Send ``call`` once and return its result.

        :raises GreenApiError: As :mod:`airflow_green_notify.errors` tells.
        """
        limit = limit_of(self._config, call)
        while wait := limit.take():
            time.sleep(wait)
        try:
            answer = self._exchange(call)
        finally:
            limit.give_back()
        if isinstance(answer, GreenApiError):
            raise answer
        status, body, retry_after = answer
        return read_answer(call, status, body, token=self._config.api_token, retry_after=retry_after)

    def _exchange(self, call: Call) -> tuple[int, bytes, str | None] | GreenApiError:
        try:
            response = self.session.request(
                call.verb,
                self._config.url(call),
                json=call.payload,
                data=call.upload,
                headers=call.headers,
                timeout=(CONNECT_TIMEOUT, call.timeout),
                allow_redirects=False,
                # Given here and not to the session, whose own values lose against the environment's.
                proxies=self._proxies,
                verify=self._config.verify,
            )
            self._clock.note(response.headers.get("Date"))
            return response.status_code, response.content, response.headers.get("Retry-After")
        except _FAILURES as error:
            return transport_error(call, error)

    @contextmanager
    def download(self, url: str) -> Iterator[Iterator[bytes]]:
        """Give the bytes behind a link to a file, piece by piece, never all at once.

        :param url: The link; it is neither logged nor raised.
        :raises GreenApiTransportError: No answer came; on reading, that it broke off.
        :raises GreenApiResponseError: The storage refused; ``status`` says how.
        """
        response = self._open(url)
        if isinstance(response, GreenApiError):
            raise response
        with response:
            if response.status_code != 200:
                raise storage_refusal(response.status_code)
            yield _chunks(response)

    def _open(self, url: str) -> requests.Response | GreenApiError:
        try:
            with _unlogged(url):
                return self.session.get(
                    url,
                    stream=True,
                    timeout=(CONNECT_TIMEOUT, STORAGE_TIMEOUT),
                    proxies=self._proxies,
                    verify=self._config.verify,
                )
        except _FAILURES as error:
            return download_error(error)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    failure = None
    try:
        yield from response.iter_content(CHUNK)
    except _FAILURES as error:
        failure = download_error(error)
    if failure is not None:
        raise failure
