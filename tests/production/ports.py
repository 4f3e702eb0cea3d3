"""Ports for servers that end and come back."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def ports() -> Iterator[int]:
    """Yield free ports below those that the system gives to clients.

    While a server is away, a client could get its port from the system, or even reach itself there.
    """
    lowest = int(RANGE.read_text().split()[0]) if RANGE.exists() else 32768
    candidates = list(range(max(1024, lowest - 12_000), lowest))
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port
