"""The patient look: paced, quiet in the log, and back by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiConfigError, GreenApiError, GreenApiUnauthorizedError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.triggers import watch
from airflow_green_notify.triggers.watch import QueueWatch
from tests.triggers.conftest import CONNECTION, HOLD, body

LOG = "airflow_green_notify.triggers.watch"


async def looks_for(queue_watch: QueueWatch, seconds: float) -> int:
    """Look for some time and count what the looks showed."""
    seen = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                seen += await queue_watch.look() is not None
    except TimeoutError:
        return seen


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


async def test_look_with_a_head_shows_it_and_deletes_nothing(
    queue_watch: QueueWatch, green_api_connection: GreenApiEmulator
) -> None:
    """A look peeks: the notification is returned and stays in the queue."""
    green_api_connection.push(body("one"))
    first, second = await queue_watch.look(), await queue_watch.look()
    assert first is not None
    assert first == second
    assert [item["deletions"] for item in green_api_connection.audit()] == [0]


async def test_look_at_an_empty_queue_holds_the_request_and_returns_none(
    queue_watch: QueueWatch, green_api_connection: GreenApiEmulator
) -> None:
    """Idle looks are long polls, one request each."""
    assert await looks_for(queue_watch, HOLD * 3.5) == 0
    assert len(green_api_connection.requests()) <= 4


def hourly(count: int, last: float) -> list[dict[str, object]]:
    """Messages of an hour's distance, the last one so many hours ago."""
    now = time.time()
    return [{**body(f"{number}"), "timestamp": int(now - (last + number) * 3600)} for number in range(count)]


@pytest.mark.parametrize(
    ("state", "last", "warns"),
    [("authorized", 4.0, True), ("authorized", 1.2, False), ("notAuthorized", 4.0, False)],
)
async def test_look_at_an_unusually_quiet_instance_warns_once(
    queue_watch: QueueWatch,
    green_api_connection: GreenApiEmulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    last: float,
    warns: bool,
) -> None:
    """Authorized, and nothing comes in for longer than is usual: one warning until something comes."""
    monkeypatch.setattr(watch, "HEARTBEAT", 0.1)
    green_api_connection.switch(rate_limits=False)
    green_api_connection.push(*hourly(30, last - 3))
    green_api_connection.advance(3 * 3600)  # then the journal of the last hour doesn't list them
    with GreenApiHook() as hook:
        while head := hook.receive_notification(0.1):
            hook.delete_notification(head.receipt_id)
    green_api_connection.state(state)
    caplog.clear()
    await looks_for(queue_watch, 2.5)
    assert len(told(caplog, "is authorized, and no message has come in for")) == warns


async def test_look_at_a_quiet_instance_goes_on_where_nobody_can_tell(
    queue_watch: QueueWatch, green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is refused: the next notification is seen all the same."""
    monkeypatch.setattr(watch, "HEARTBEAT", 0.1)
    green_api_connection.fault("500", method="lastIncomingMessages", times=None)
    await looks_for(queue_watch, 1.0)
    green_api_connection.push(body("one"))
    assert await looks_for(queue_watch, 1.0) > 0


@pytest.mark.parametrize(
    ("fault", "details"),
    [("502", {}), ("429", {}), ("cut_before", {}), ("malformed", {}), ("status", {"status": 401})],
)
async def test_look_during_an_outage_makes_no_hot_loop_and_ends_with_it(
    queue_watch: QueueWatch,
    green_api_connection: GreenApiEmulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    details: dict[str, int],
) -> None:
    """Nothing is seen in an outage, few requests are made, the log tells it once, and it ends by itself."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 1.0)
    caplog.set_level(logging.INFO, LOG)
    green_api_connection.push(body("one"))
    green_api_connection.fault(fault, times=None, **details)
    assert await looks_for(queue_watch, 1.6) == 0
    assert len(green_api_connection.requests()) <= 3
    assert len(told(caplog, "Can't look")) == 1
    green_api_connection.clear_faults()
    head = await asyncio.wait_for(queue_watch.look(), 3)
    assert head is not None
    assert len(told(caplog, "can be read again")) == 1


async def test_look_at_a_gateway_that_refuses_connections_waits_until_it_is_back(
    queue_watch: QueueWatch, green_api_connection: GreenApiEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that is down is an outage like any other."""
    caplog.set_level(logging.INFO, LOG)
    green_api_connection.push(body("one"))
    green_api_connection.stop()
    assert await looks_for(queue_watch, 1.5) == 0
    green_api_connection.start()
    assert await asyncio.wait_for(queue_watch.look(), 5) is not None
    assert len(told(caplog, "Can't look")) == 1


async def test_look_whose_fault_changes_tells_each_fault_once(
    queue_watch: QueueWatch,
    green_api_connection: GreenApiEmulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log has a line per change, not per look."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.1)
    green_api_connection.fault("502", times=3)
    green_api_connection.fault("status", times=3, status=401)
    await queue_watch.look()
    assert len(told(caplog, "Can't look")) == 2


async def test_back_off_doubles_up_to_a_minute_and_heeds_retry_after(queue_watch: QueueWatch) -> None:
    """Pauses grow from one second to a minute, and never fall short of what the gateway asks for."""
    outage = GreenApiError("down")
    pauses = []
    for failures in (1, 2, 3, 7, 500):
        queue_watch._failures = failures
        pauses.append(queue_watch._back_off(outage))
    for pause, most in zip(pauses, (1, 2, 4, 60, 60), strict=True):
        assert most * 0.75 <= pause <= most
    outage.retry_after = 30.0  # type: ignore[attr-defined]
    queue_watch._failures = 1
    assert queue_watch._back_off(outage) == 30.0


async def test_refusal_for_good_is_asked_again_once_a_minute(
    queue_watch: QueueWatch, green_api_connection: GreenApiEmulator
) -> None:
    """A wrong token is not hammered at."""
    green_api_connection.fault("status", status=401, times=None)
    assert await looks_for(queue_watch, 1.5) == 0
    assert len(green_api_connection.requests()) == 1


async def test_fixed_connection_is_read_again_by_a_running_watch(
    queue_watch: QueueWatch, green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever corrects the token need not restart anything."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.1)
    right = green_api_connection.connection
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", right.replace(green_api_connection.api_token, "no"))
    green_api_connection.push(body("one"))
    assert await looks_for(queue_watch, 0.5) == 0
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", right)
    assert await asyncio.wait_for(queue_watch.look(), 3) is not None


async def test_missing_connection_is_waited_for_by_a_patient_watch(
    green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher never raises: Airflow would start it again every two seconds."""
    monkeypatch.setattr(watch, "MAX_BACK_OFF", 0.1)
    queue_watch = QueueWatch("green_api_later", receive_timeout=HOLD)
    assert await looks_for(queue_watch, 0.5) == 0
    green_api_connection.push(body("one"))
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_LATER", green_api_connection.connection)
    assert await asyncio.wait_for(queue_watch.look(), 3) is not None
    await queue_watch.close()


async def test_impatient_watch_raises_what_no_waiting_fixes(green_api_connection: GreenApiEmulator) -> None:
    """A deferred task learns at once that its token is wrong."""
    queue_watch = QueueWatch(CONNECTION, receive_timeout=HOLD, patient=False)
    green_api_connection.fault("502")
    green_api_connection.fault("status", status=401)
    with pytest.raises(GreenApiUnauthorizedError):
        await queue_watch.look()
    assert len(green_api_connection.requests()) == 2
    await queue_watch.close()


class TestInstantEmptyAnswers:
    """Empty answers that come at once."""

    @pytest.fixture
    def green_api_switches(self) -> dict[str, bool]:
        return {"instant_empty": True}

    @pytest.fixture
    async def queue_watch(self, green_api_connection: GreenApiEmulator) -> AsyncIterator[QueueWatch]:
        """A watch to whose looks any answer of a loaded machine is a fast one."""
        watching = QueueWatch(CONNECTION, receive_timeout=30)
        yield watching
        await watching.close()

    async def test_look_is_slowed_to_one_a_second_and_settings_are_read_once(
        self, queue_watch: QueueWatch, green_api_connection: GreenApiEmulator
    ) -> None:
        """No hot loop, and one look at the settings, not one per answer."""
        assert await looks_for(queue_watch, 2.5) == 0
        methods = [request["method"] for request in green_api_connection.requests()]
        assert methods.count("receiveNotification") <= 3
        assert methods.count("getSettings") == 1

    async def test_switched_off_notifications_are_told_once_and_looked_at_slowly(
        self,
        queue_watch: QueueWatch,
        green_api_connection: GreenApiEmulator,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The log says why the queue stays empty and where to fix it."""
        off = {name: "no" for name, value in green_api_connection.settings().items() if value == "yes"}
        green_api_connection.settings(**off)
        assert await looks_for(queue_watch, 1.5) == 0
        assert len(green_api_connection.requests()) == 2
        assert len(told(caplog, "every notification type is switched off")) == 1

    async def test_switched_off_notifications_end_an_impatient_watch(
        self, green_api_connection: GreenApiEmulator
    ) -> None:
        """A deferred task doesn't wait for what can't come."""
        off = {name: "no" for name, value in green_api_connection.settings().items() if value == "yes"}
        green_api_connection.settings(**off)
        queue_watch = QueueWatch(CONNECTION, receive_timeout=30, patient=False)
        with pytest.raises(GreenApiConfigError, match="switched off"):
            await queue_watch.look()
        await queue_watch.close()


async def test_long_watch_says_now_and_then_that_it_goes_on(
    queue_watch: QueueWatch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat is in the log once an hour, and not at every look."""
    caplog.set_level(logging.INFO, LOG)
    await queue_watch.look()
    await queue_watch.look()
    assert not told(caplog, "Watching the queue")
    an_hour_ago = time.monotonic() - watch.HEARTBEAT
    monkeypatch.setattr(queue_watch, "_told_at", an_hour_ago)
    await queue_watch.look()
    await queue_watch.look()
    assert len(told(caplog, "Watching the queue of 'green_api_default': 2 looks so far, all is well")) == 1
