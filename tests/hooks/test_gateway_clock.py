"""The gateway's time, by its own answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.hooks import GreenApiHook


@pytest.mark.parametrize("offset", [0.0, -3600.0, 86_400.0])
async def test_gateway_time_is_that_of_the_last_answer(
    offset: float, ask: Any, make_hook: Any, gateway: Any
) -> None:
    """Whatever this machine's clock says, plain and async alike."""
    gateway.switch(clock_offset=offset)
    hook: GreenApiHook = make_hook()
    assert hook.gateway_time() is None
    await ask(hook, "get_state_instance")
    told = hook.gateway_time()
    assert told is not None
    assert abs(told - datetime.now(UTC) - timedelta(seconds=offset)) < timedelta(seconds=2)
    await asyncio.sleep(1.1)
    later = hook.gateway_time()
    assert later is not None
    assert timedelta(seconds=1) < later - told < timedelta(seconds=3)


@pytest.mark.parametrize("header", ["yesterday", "", "Tue, 99 Nov 99999 25:61:61 GMT", "\u0663"])
async def test_header_that_is_no_date_is_no_time(header: str, ask: Any, make_hook: Any, gateway: Any) -> None:
    """What another host answers in the gateway's place stops nothing."""
    gateway.fault("status", status=200, body="", headers={"Date": header})
    hook: GreenApiHook = make_hook()
    await ask(hook, "receive_notification", 0.1)
    assert hook.gateway_time() is None
