"""Fetches files from wherever a message says that they lie: nobody vouches for these hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import urljoin, urlsplit

import requests

from airflow_green_notify.errors import GreenApiError, GreenApiResponseError, GreenApiTransportError
from airflow_green_notify.hooks.addresses import check_written_address, public_addresses
from airflow_green_notify.hooks.bounds import PIECE, FileBounds, FileTooLargeError, Unpacker
from airflow_green_notify.hooks.connection import InstanceConfig
from airflow_green_notify.hooks.failures import download_error, storage_refusal
from airflow_green_notify.hooks.request_log import paths_out_of_log
from airflow_green_notify.hooks.requests_session import (
    FAILURES,
    TimedAdapter,
    TimedHTTPConnection,
    TimedHTTPSConnection,
    TimedResponse,
    new_session,
    timeout,
)
from airflow_green_notify.hooks.route import route_to

MAX_REDIRECTS = 5


class _FileResponse(TimedResponse):
    max_silence = 60.0


class _FileConnection(TimedHTTPConnection):
    response_class = _FileResponse


class _FileTLSConnection(TimedHTTPSConnection):
    response_class = _FileResponse


class _PublicConnection(_FileConnection):
    def _addresses(self) -> list[str]:
        return public_addresses(self.host, self.port)


class _PublicTLSConnection(_PublicConnection, _FileTLSConnection):
    pass


class _AnywhereAdapter(TimedAdapter):
    direct = proxied = (_FileConnection, _FileTLSConnection)


class _PublicAdapter(_AnywhereAdapter):
    direct = (_PublicConnection, _PublicTLSConnection)


class Downloads:
    """Fetches files by their links, with none of the gateway's cookies and nobody's password.

    Redirects are followed one by one, each judged as the link itself. Where a proxy lies on the way, the
    proxy looks names up and connects, so refusing is its business; an address that is written as such in a
    link is judged here nevertheless.

    :param config: Whose proxy and certificates are used.
    """

    def __init__(self, config: InstanceConfig, bounds: FileBounds) -> None:
        self._config = config
        self._bounds = bounds
        self._session = new_session(
            _AnywhereAdapter() if bounds.allow_private_addresses else _PublicAdapter()
        )

    @contextmanager
    def open(self, url: str, ends: float) -> Iterator[Iterator[bytes]]:
        """Give the bytes behind a link to a file, piece by piece, never all at once.

        :param url: The link; it is neither logged nor raised.
        :param ends: When the file's time is over, by :func:`time.monotonic`.
        :raises GreenApiTransportError: No answer came; on reading, that it broke off.
        :raises GreenApiResponseError: The storage refused, and ``status`` says how; or the link is none that
            is followed; on reading, that the file is too large.
        """
        response = self._follow(url, ends)
        if isinstance(response, GreenApiError):
            raise response
        with response:
            yield self._pieces(response, ends)

    def _follow(self, url: str, ends: float) -> requests.Response | GreenApiError:
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request(url, ends)
            if isinstance(response, GreenApiError) or response.status_code == 200:
                return response
            response.close()
            target = self._session.get_redirect_target(response)
            if target is None:
                return storage_refusal(response.status_code)
            url = urljoin(url, target)
        return GreenApiResponseError(f"The link redirects more than {MAX_REDIRECTS} times.")

    def _request(self, url: str, ends: float) -> requests.Response | GreenApiError:
        left = ends - time.monotonic()
        if left <= 0:
            return self._too_slow()
        try:
            self._check(url)
            route = route_to(url, self._config)
            with paths_out_of_log():
                return self._session.get(
                    url,
                    stream=True,
                    timeout=timeout(left),
                    allow_redirects=False,
                    proxies=route.proxies,
                    verify=route.verify,
                )
        except GreenApiError as error:
            return error.with_traceback(None)
        except FAILURES as error:
            return self._failure(error, ends)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise GreenApiResponseError("The link is no http address.")
        if not self._bounds.allow_private_addresses:
            check_written_address(parts.hostname)

    def _pieces(self, response: requests.Response, ends: float) -> Iterator[bytes]:
        failure: GreenApiError | None = None
        left = self._bounds.max_file_size
        try:
            for piece in _unpacked(response):
                left -= len(piece)
                if left < 0:
                    failure = FileTooLargeError(
                        f"The file has more than {self._bounds.max_file_size:,} bytes (max_file_size)."
                    )
                    break
                yield piece
        except FAILURES as error:
            failure = self._failure(error, ends)
        if failure is not None:
            raise failure

    def _failure(self, error: Exception, ends: float) -> GreenApiTransportError:
        return self._too_slow() if time.monotonic() >= ends else download_error(error)

    def _too_slow(self) -> GreenApiTransportError:
        return GreenApiTransportError(
            f"The file did not come within {self._bounds.max_seconds:g} s (max_seconds)."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._session.close()


def _unpacked(response: requests.Response) -> Iterator[bytes]:
    unpacker = Unpacker(response.headers.get("Content-Encoding"))
    for data in response.raw.stream(PIECE, decode_content=False):
        yield from unpacker.feed(data)
    unpacker.end()
