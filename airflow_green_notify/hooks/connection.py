"""From an Airflow connection to what the transports need, and the form it is entered in."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import urlsplit

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol.calls import QUEUE_RATE

if TYPE_CHECKING:
    from airflow_green_notify.protocol.calls import Call

CONNECTION_TYPE = "greenapi"
"""Airflow reads the hyphens of a type as underscores, and warns of those at each look-up."""
CONNECTION_NAME = "GREEN-API"
DEFAULT_HOST = "https://api.green-api.com"
_VENDOR_HOSTS = r"^(\d+\.)?api\.green-?api\.com(:443)?$"
"""An instance answers on the host of its own and on the one for all."""

# The one list of the form's extra fields: JSON Schema and help text of each.
EXTRA_FIELDS: dict[str, dict[str, Any]] = {
    "media_url": {
        "label": "Media URL",
        "description": "mediaUrl in the console. Left empty, it follows from the host.",
        "schema": {"type": ["string", "null"], "format": "url"},
    },
    "verify": {
        "label": "Verify TLS",
        "description": "true (default) or false: whether the gateway's TLS certificate is checked; or the "
        "path of a file with the certificates to trust.",
        "schema": {"type": ["string", "boolean", "null"], "examples": ["true", "false"]},
    },
    "proxy": {
        "label": "Proxy",
        "description": "HTTP proxy to reach the gateway through, such as http://proxy.example.org:3128.",
        "schema": {"type": ["string", "null"]},
    },
    "requests_per_second": {
        "label": "Requests per second",
        "description": "Upper bound for receiving, and for deleting. The gateway's own limit is 100.",
        "schema": {"type": ["integer", "null"], "minimum": 1, "default": QUEUE_RATE.limit},
    },
}
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden_fields": ["schema", "extra"],
    "relabeling": {"host": "API URL", "login": "idInstance", "password": "apiTokenInstance"},
    "placeholders": {
        "host": DEFAULT_HOST,
        "login": "1101000001",
        "password": "apiTokenInstance of the instance's page in the console",
        "port": "443",
    },
}


class AnyConnection(Protocol):
    """What is read of an Airflow connection."""

    conn_id: Any
    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any
    extra: Any


@dataclass(frozen=True)
class InstanceConfig:
    """Where one instance is reached, and with which credentials.

    :param base_url: The API URL, with ``/v3`` if the connection has it, without a slash at its end.
    :param requests_per_second: Upper bound for receiving, and for deleting.
    """

    base_url: str
    media_url: str
    id_instance: str
    api_token: str = field(repr=False)
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    requests_per_second: int = QUEUE_RATE.limit

    @property
    def queue(self) -> str:
        """Which queue it is, the same for every connection that reaches it: gateway and idInstance."""
        host = urlsplit(self.base_url).netloc.lower()
        return f"{re.sub(_VENDOR_HOSTS, 'green-api.com', host)}/{self.id_instance}"

    def url(self, call: Call[Any]) -> str:
        """Return the address of a call; it holds the token, so it must not be logged or raised."""
        return call.url(self.media_url if call.media else self.base_url, self.id_instance, self.api_token)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "An InstanceConfig holds the token, so it can't be pickled or copied: pass on the id of the "
            "connection, or the hook, which looks it up again."
        )

    @classmethod
    def from_connection(cls, connection: AnyConnection) -> InstanceConfig:
        """Read the connection.

        :raises GreenApiConfigError: A field is missing or wrong; the text names it.
        """
        config = cls._read_or_error(connection)
        # The error is raised where its traceback holds neither the connection nor what was read of it: some
        # tools report the locals of every frame.
        del connection
        if isinstance(config, GreenApiConfigError):
            raise config
        return config

    @classmethod
    def _read_or_error(cls, connection: AnyConnection) -> InstanceConfig | GreenApiConfigError:
        try:
            return cls._read(connection)
        except GreenApiConfigError as error:
            return error.with_traceback(None)

    @classmethod
    def _read(cls, connection: AnyConnection) -> InstanceConfig:
        wrong = f"Connection {connection.conn_id!r}: "
        login = str(connection.login or "").strip()
        if not re.fullmatch(r"[0-9]+", login):
            raise GreenApiConfigError(wrong + "login must be the idInstance, digits only; see the console.")
        token = str(connection.password or "").strip()
        if not token:
            raise GreenApiConfigError(wrong + "password must be the apiTokenInstance; see the console.")
        base_url = _base_url(connection, wrong)
        extra = _extra(connection, wrong)
        return cls(
            base_url=base_url,
            media_url=_checked_url(str(extra.get("media_url") or _media_url(base_url)), wrong + "media_url"),
            id_instance=login,
            api_token=token,
            verify=_verify(extra.get("verify"), wrong),
            proxy=checked_proxy(extra["proxy"], wrong + "proxy") if extra.get("proxy") else None,
            requests_per_second=_requests_per_second(extra.get("requests_per_second"), wrong),
        )


def _extra(connection: AnyConnection, wrong: str) -> Mapping[str, Any]:
    # Not extra_dejson: inside an event loop it may block on the supervisor.
    try:
        extra = json.loads(connection.extra or "{}")
    except (ValueError, RecursionError):
        extra = None
    if not isinstance(extra, dict):
        raise GreenApiConfigError(wrong + "extra must be a JSON object.")
    return extra


def _base_url(connection: AnyConnection, wrong: str) -> str:
    host = str(connection.host or "").strip() or DEFAULT_HOST
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    url = _checked_url(host, wrong + "host")
    parts = urlsplit(url)
    # 443 and 0 are what the form stores where there is no port of its own.
    if connection.port in (None, 0, 443) or parts.port:
        return url
    return parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()


def _checked_url(url: str, what: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        valid = valid and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or "@" in parts.netloc or "waInstance" in parts.path:
        raise GreenApiConfigError(
            f"{what} must be the bare address, such as {DEFAULT_HOST}; see the console."
        )
    return url.rstrip("/")


def _media_url(base_url: str) -> str:
    """The vendor's media hosts are named like its API hosts: ``7103.api.…`` and ``7103.media.…``."""
    return re.sub(r"^(https?://(?:\d+\.)?)api\.(green-?api\.com)", r"\1media.\2", base_url)


def _verify(value: Any, wrong: str) -> bool | str:
    if value is None or isinstance(value, bool):
        return value is not False
    text = str(value).strip()
    named = {"true": True, "false": False, "": True}.get(text.lower())
    return checked_certificates(text, wrong + "verify must be true, false, or") if named is None else named


def checked_certificates(path: str, must: str) -> str:
    """Return the path of a file with certificates, without reading it.

    :param must: The beginning of what the error says: who must be what else.
    :raises GreenApiConfigError: It is no readable file; a pipe would be waited for without end.
    """
    try:
        usable = stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.R_OK)
    except (OSError, ValueError):
        usable = False
    if not usable:
        raise GreenApiConfigError(f"{must} a readable file with the certificates to trust (PEM).")
    return path


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


def _requests_per_second(value: Any, wrong: str) -> int:
    if value in (None, ""):
        return QUEUE_RATE.limit
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number < 1:
        raise GreenApiConfigError(wrong + "requests_per_second must be a whole number of at least 1.")
    return number
