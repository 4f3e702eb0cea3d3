"""By which way a host is reached: proxy and certificates, decided here for every transport."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_green_notify.errors import GreenApiConfigError

if TYPE_CHECKING:
    import ssl

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


def route_to(url: str, proxy: str | None, verify: bool | str) -> Route:
    """Return the way to the host of ``url``.

    What the connection names wins. Else the variables hold that hold for ``requests``: ``HTTPS_PROXY`` and
    its like, ``ALL_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``.

    :param proxy: What the connection names.
    :param verify: What the connection names.
    :raises GreenApiConfigError: A variable names what can't be used.
    """
    return Route(
        proxy=proxy or _proxy_of_environment(url),
        verify=(_bundle_of_environment() or True) if verify is True else verify,
    )


def _proxy_of_environment(url: str) -> str | None:
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    return checked_proxy(proxy, "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY") if proxy else None


def checked_proxy(value: object, what: str) -> str:
    """Return the address of a proxy, with its scheme.

    :param what: Where it stands.
    :raises GreenApiConfigError: It is none that both ``requests`` and ``aiohttp`` can use.
    """
    proxy = value.strip() if isinstance(value, str) else "-://"
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        valid = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise GreenApiConfigError(
            f"{what} must be the address of an HTTP proxy, such as http://proxy.example.org:3128 (http:// or "
            "https://; SOCKS is not supported)."
        )
    return proxy


def _bundle_of_environment() -> str | None:
    for name in _BUNDLE_VARIABLES:
        if path := os.environ.get(name):
            return path if os.path.isdir(path) else checked_certificates(path, name)
    return None


def checked_certificates(path: str, what: str) -> str:
    """Return the path of a file with certificates, without reading it.

    :param what: Where it stands.
    :raises GreenApiConfigError: It is no readable file; a pipe would be waited for for ever.
    """
    try:
        usable = stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.R_OK)
    except (OSError, ValueError):
        usable = False
    if not usable:
        raise GreenApiConfigError(
            f"{what} must be true, false, or a readable file with the certificates to trust (PEM)."
        )
    return path


def tls_context(verify: bool | str) -> ssl.SSLContext | bool:
    """Return a context that trusts the named certificates; what is no name stays as it is.

    It reads the file, which takes a while.

    :raises GreenApiConfigError: The file holds no certificates.
    """
    if isinstance(verify, bool):
        return verify
    import ssl

    try:
        if os.path.isdir(verify):
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except (OSError, ValueError):
        pass
    raise GreenApiConfigError(
        f"The file {verify!r} holds no certificates to trust (PEM): see the connection's verify, or "
        f"{_BUNDLE_VARIABLES[0]} in the environment."
    )
