"""By which way a host is reached: proxy and certificates, decided here for every transport."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field

from requests.utils import get_environ_proxies, select_proxy

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.hooks.connection import InstanceConfig, checked_certificates, checked_proxy

_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Route:
    """The way to a host.

    :param proxy: The address of an HTTP proxy; it may hold the proxy's password.
    :param verify: Whether the host's certificate is checked, or by which file or folder of certificates.
    """

    proxy: str | None = field(repr=False)
    verify: bool | str

    @property
    def proxies(self) -> dict[str, str] | None:
        """The proxy as ``requests`` takes it."""
        return {"http": self.proxy, "https": self.proxy} if self.proxy else None


def routes_of(config: InstanceConfig) -> dict[bool, Route]:
    """Return the way to the media host (``True``) and to the API host (``False``).

    :raises GreenApiConfigError: The environment names what can't be used.
    """
    return {True: route_to(config.media_url, config), False: route_to(config.base_url, config)}


def route_to(url: str, config: InstanceConfig) -> Route:
    """Return the way to the host of ``url``.

    What the connection names wins. Else the variables hold that ``requests`` knows: ``HTTPS_PROXY`` and its
    kin, ``ALL_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``.

    :raises GreenApiConfigError: The environment names what can't be used.
    """
    decides = config.verify is True and url.lower().startswith("https:")
    return Route(
        proxy=config.proxy or _proxy_of_environment(url),
        verify=(_bundle_of_environment() or True) if decides else config.verify,
    )


def _proxy_of_environment(url: str) -> str | None:
    proxy = select_proxy(url, get_environ_proxies(url))
    return checked_proxy(proxy, "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY") if proxy else None


def _bundle_of_environment() -> str | None:
    for name in _BUNDLE_VARIABLES:
        if path := os.environ.get(name):
            return path if os.path.isdir(path) else checked_certificates(path, f"{name} must be a folder or")
    return None


def tls_context(path: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a file or folder. Reading them takes a while.

    :raises GreenApiConfigError: The file holds none.
    """
    try:
        if os.path.isdir(path):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        pass
    raise GreenApiConfigError(
        f"The file {path!r} holds no certificates to trust (PEM): see the connection's verify, or "
        f"{_BUNDLE_VARIABLES[0]} in the environment."
    )
