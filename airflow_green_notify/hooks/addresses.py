"""The addresses of a host, and to which of them a link from a chat may lead."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from airflow_green_notify.errors import GreenApiResponseError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Tell whether an address is one of the Internet: not private, loopback, link-local or the like."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return all(each.is_global and not each.is_multicast and not each.is_reserved for each in _meant(ip))


def _meant(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, or the one of IPv4 that some of IPv6 stand for."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
    elif inner := ip.ipv4_mapped or ip.sixtofour:
        yield inner
    elif ip.teredo:
        yield from ip.teredo
    elif ip in _NAT64:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    else:
        yield ip


def addresses_of(host: str, port: int | None) -> list[str]:
    """Return the addresses of a host.

    :raises OSError: The name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def public_addresses(host: str, port: int | None) -> list[str]:
    """Return the addresses of a host that may be connected to.

    :raises OSError: The name is not known.
    :raises GreenApiResponseError: It has none but private ones.
    """
    addresses = addresses_of(host, port)
    return [address for address in addresses if is_public(address)] or _refuse(addresses[0])


def check_written_address(host: str) -> None:
    """Judge a host that is written as an address, or means this machine, without asking anybody for a name.

    :raises GreenApiResponseError: The address is a private one.
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        _refuse(name)
    try:
        # Understands each way to write an address that a resolver understands, such as 127.1 or 0x7f000001.
        written = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return
    for *_, address in written:
        if not is_public(str(address[0])):
            _refuse(str(address[0]))


def _refuse(address: str) -> list[str]:
    raise GreenApiResponseError(
        f"The link leads to {address}, a private or loopback address, where no file is fetched from unless "
        "allow_private_addresses=True."
    )
