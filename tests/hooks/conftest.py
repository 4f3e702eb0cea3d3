"""Both ways to call a hook."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook, rate_limit

TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"


@pytest.fixture(autouse=True)
def _no_limits_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh gateway has counted no requests yet, although its instance has the id of the one before."""
    monkeypatch.setattr(rate_limit, "_limits", {})


class Asker:
    """Calls a hook's methods by their plain names, on the one side or the other."""

    def __init__(self, side: str) -> None:
        self.side = side

    async def __call__(self, hook: GreenApiHook, method: str, *args: Any, **kwargs: Any) -> Any:
        prefix = "a" if self.side == "async" else ""
        result = getattr(hook, prefix + method)(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Asker:
    """Each test that asks is run with the plain methods and with their async twins."""
    return Asker(request.param)


@pytest.fixture
async def make_hook() -> AsyncIterator[Callable[..., GreenApiHook]]:
    """Make hooks that are closed at the end of the test."""
    hooks: list[GreenApiHook] = []

    def make(*args: Any, **kwargs: Any) -> GreenApiHook:
        hooks.append(GreenApiHook(*args, **kwargs))
        return hooks[-1]

    yield make
    for hook in hooks:
        hook.close()
        await hook.aclose()


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return {"api_token": TOKEN}


@pytest.fixture
def gateway(green_api_emulator: GreenApiEmulator, connect: Callable[..., None]) -> GreenApiEmulator:
    """A gateway to which the default connection leads.

    Token and extras are the same in every test: Airflow's secrets masker gets slower with each it learns.
    """
    connect(green_api_emulator.url)
    return green_api_emulator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the default connection."""

    def set_connection(host: str | None, **fields: Any) -> None:
        connection = {
            "conn_type": "greenapi",
            "host": host,
            "login": "1101000001",
            "password": TOKEN,
            **fields,
        }
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", json.dumps(connection))

    return set_connection
