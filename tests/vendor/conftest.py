"""One gateway for all of the vendor's clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_green_notify.emulator import GreenApiEmulator


@pytest.fixture(scope="module")
def gateway() -> Iterator[GreenApiEmulator]:
    """A gateway on which each test has instances of its own."""
    with GreenApiEmulator(rate_limits=False) as gateway:
        yield gateway
