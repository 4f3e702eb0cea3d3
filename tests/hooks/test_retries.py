"""What is asked again, how often, and after which pause."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from airflow_green_notify.errors import (
    GreenApiError,
    GreenApiInstanceError,
    GreenApiPayloadError,
    GreenApiQuotaError,
    GreenApiResponseError,
    GreenApiTransportError,
    GreenApiUnauthorizedError,
    GreenApiUnavailableError,
    GreenApiWebhookUrlSetError,
)

SHORT = 0.05
BODY = {"typeWebhook": "incomingMessageReceived"}
WEBHOOK_URL_SET = "Message cannot be received because custom webhook url is set."
EXPIRED = "Instance account is expired. Renew your instance from personal area"

PASSING: list[tuple[str, dict[str, Any], type[GreenApiError]]] = [
    ("429", {}, GreenApiUnavailableError),
    ("500", {}, GreenApiUnavailableError),
    ("502", {}, GreenApiUnavailableError),
    ("503", {}, GreenApiUnavailableError),
    ("504", {}, GreenApiUnavailableError),
    ("status", {"status": 499}, GreenApiUnavailableError),
    ("status", {"status": 408}, GreenApiUnavailableError),
    ("status", {"status": 400, "body": "instance in starting process try later"}, GreenApiUnavailableError),
    ("cut_before", {}, GreenApiTransportError),
    ("cut_after", {}, GreenApiTransportError),
    ("truncated", {}, GreenApiTransportError),
]
LASTING: list[tuple[str, dict[str, Any], type[GreenApiError]]] = [
    ("status", {"status": 401}, GreenApiUnauthorizedError),
    ("status", {"status": 403}, GreenApiUnauthorizedError),
    ("status", {"status": 404}, GreenApiResponseError),
    ("status", {"status": 466}, GreenApiQuotaError),
    ("status", {"status": 400, "body": WEBHOOK_URL_SET}, GreenApiWebhookUrlSetError),
    ("status", {"status": 400, "body": EXPIRED}, GreenApiInstanceError),
    ("status", {"status": 400, "body": "bad request data"}, GreenApiResponseError),
    ("status", {"status": 200, "body": "<html>"}, GreenApiPayloadError),
    ("malformed", {}, GreenApiPayloadError),
]


def name(fault: Any) -> str:
    return f"{fault[0]}{fault[1].get('status', '')}{str(fault[1].get('body', ''))[:12]}"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []
    yield_to_others = asyncio.sleep

    async def asleep(seconds: float, result: Any = None) -> Any:
        if seconds > 0:
            made.append(seconds)
        return await yield_to_others(0, result)

    monkeypatch.setattr(time, "sleep", made.append)
    monkeypatch.setattr(asyncio, "sleep", asleep)
    return made


@pytest.mark.parametrize("fault", PASSING, ids=name)
async def test_passing_fault_is_overcome(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, fault: Any
) -> None:
    """What may pass is asked again until it has passed."""
    kind, details, _ = fault
    gateway.push(BODY)
    gateway.fault(kind, method="receiveNotification", times=2, **details)
    assert (await ask(make_hook(), "receive_notification", SHORT)).body == BODY
    assert len(gateway.requests()) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize("fault", PASSING, ids=name)
async def test_lasting_outage_is_given_up_within_the_bound(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, fault: Any
) -> None:
    """No fault is asked into for ever: after ``max_attempts`` the error of the last one is raised."""
    kind, details, error = fault
    gateway.push(BODY)
    gateway.fault(kind, times=None, **details)
    with pytest.raises(error) as caught:
        await ask(make_hook(max_attempts=4), "receive_notification", SHORT)
    assert type(caught.value) is error
    assert len(gateway.requests()) == 4


async def test_pauses_grow_and_stay_within_bounds(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any
) -> None:
    """Back-off is exponential, with jitter, from half a second, and never more than a minute."""
    gateway.fault("502", times=None)
    with pytest.raises(GreenApiUnavailableError):
        await ask(make_hook(max_attempts=12), "receive_notification", SHORT)
    assert len(pauses) == 11
    assert 0.5 <= pauses[0] <= 1.0
    assert all(earlier < later for earlier, later in pairwise(pauses[:5]))
    assert 30 <= pauses[-1] <= 60


@pytest.mark.parametrize(("asked", "least", "most"), [("7", 7, 7), ("100000", 60, 60), ("0", 0.5, 1)])
async def test_retry_after_is_obeyed_within_bounds(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, asked: str, least: float, most: float
) -> None:
    """A gateway that says how long to wait is waited for so long, but not for hours."""
    gateway.fault("429", headers={"Retry-After": asked})
    assert await ask(make_hook(), "receive_notification", SHORT) is None
    assert least <= pauses[0] <= most


@pytest.mark.parametrize("fault", LASTING, ids=name)
async def test_refusal_that_no_retry_fixes_is_asked_once(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, fault: Any
) -> None:
    """What somebody must fix is told at once."""
    kind, details, error = fault
    gateway.push(BODY)
    gateway.fault(kind, times=None, **details)
    with pytest.raises(error) as caught:
        await ask(make_hook(), "receive_notification", SHORT)
    assert type(caught.value) is error
    assert (len(gateway.requests()), pauses) == (1, [])


@pytest.mark.parametrize("fault", PASSING, ids=name)
@pytest.mark.parametrize(
    "call",
    [("delete_notification", 1), ("send_message", "1@c.us", "text"), ("clear_webhooks_queue",)],
    ids=str,
)
async def test_calls_with_an_effect_are_never_repeated(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, call: Any, fault: Any
) -> None:
    """After a doubtful end of deleting, clearing or sending it is the caller who looks first."""
    kind, details, error = fault
    gateway.fault(kind, times=None, **details)
    with pytest.raises(error):
        await ask(make_hook(), *call)
    assert (len(gateway.requests()), pauses) == (1, [])


async def test_file_that_can_not_be_sent_twice_is_not(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, tmp_path: Any
) -> None:
    """Neither uploads nor links are repeated."""
    (tmp_path / "a").write_text("a")
    gateway.fault("502", times=None)
    for file in (tmp_path / "a", "https://example.org/a"):
        with pytest.raises(GreenApiUnavailableError):
            await ask(make_hook(), "send_file", "1@c.us", file)
    assert (len(gateway.requests()), pauses) == (2, [])


async def test_gateway_that_refuses_connections_is_asked_within_the_bound(
    ask: Any, make_hook: Any, connect: Any, pauses: Any
) -> None:
    """An outage costs pauses, not a hot loop."""
    connect("http://127.0.0.1:1")
    with pytest.raises(GreenApiTransportError):
        await ask(make_hook(), "receive_notification", SHORT)
    assert len(pauses) == 4


async def test_retries_are_logged_without_the_token(
    ask: Any, make_hook: Any, gateway: Any, pauses: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each pause says what happened, which attempt it was, and how long it is; the first alarms nobody."""
    gateway.fault("500", times=2)
    await ask(make_hook(), "receive_notification", SHORT)
    logged = "".join(capfd.readouterr())
    assert "receiveNotification was refused with 500" in logged
    first, second = (line for line in logged.splitlines() if "Attempt" in line)
    assert "Attempt 1 of 5 failed: " in first
    assert "info" in first
    assert "Attempt 2 of 5 failed: " in second
    assert "warning" in second
    assert gateway.api_token not in logged


async def test_concurrent_calls_of_one_hook_retry_independently(
    make_hook: Any, gateway: Any, pauses: Any
) -> None:
    """One call's attempts don't count for another's."""
    gateway.fault("502", times=8)
    gateway.switch(rate_limits=False)
    hook = make_hook(max_attempts=9)
    assert await asyncio.gather(*(hook.areceive_notification(SHORT) for _ in range(4))) == [None] * 4
    assert len(gateway.requests()) == 12
