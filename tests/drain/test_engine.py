"""The drain against the emulator: what is stored, what is deleted, in which order, and when it stops."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from airflow_green_notify import progress
from airflow_green_notify.drain import DrainReport, StopCondition, adrain, drain
from airflow_green_notify.drain.doubt import MAX_DOUBTS
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications, traffic
from airflow_green_notify.errors import (
    GreenApiUnauthorizedError,
    GreenApiUnavailableError,
    GreenApiWebhookUrlSetError,
    NotificationStoreError,
)
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, SqlStore, read_batch
from tests.balance import Balance, balance, key_of

MODES = [
    {"idle": idle, "redelivery": redelivery, "receipt_id": receipt_id, "missing_receipt": missing}
    for idle, redelivery, receipt_id, missing in [
        ("null", "head", "stable", "false"),
        ("empty", "head", "new", "500"),
        ("null", "split", "new", "false"),
        ("empty", "split", "stable", "500"),
    ]
]


def run(store: NotificationStore, **options: Any) -> tuple[DrainReport, dict[str, Any]]:
    with store.open("dag/run/task/-1") as opened:
        report = drain(GreenApiHook(), opened, **({"receive_timeout": 0.2} | options))
        return report, opened.close()


def statuses(gateway: GreenApiEmulator, method: str) -> Counter[Any]:
    return Counter(request["status"] for request in gateway.requests() if request["method"] == method)


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("switches", MODES, ids=lambda switches: "-".join(switches.values()))
def test_drain_all_examples_stored_in_queue_order_and_deleted(
    switches: dict[str, Any], overlap: bool, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under each form the gateway may have, everything is stored once, in order, and the queue is empty."""
    with GreenApiEmulator(rate_limits=False, redelivery_after=0.1, **switches) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        gateway.push(*example_notifications())
        report, batch = run(store, overlap=overlap)
        assert [n.body for n in read_batch(batch)] == [e["body"] for e in example_notifications()]
        assert (report.stored, report.deleted, report.stopped_by) == (80, 80, "empty")
        assert not gateway.queue()
        assert all(entry["deletions"] == 1 for entry in gateway.audit())


def test_drain_notification_put_before_its_delete(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """When put is called, the gateway still has the notification."""
    gateway = green_api_connection
    gateway.push(*traffic(seed=1, n=10))

    class Watching(SqlStore):
        def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
            assert notification.key in {key_of(body) for body in gateway.queue()}
            return super().put(notification, note)

    report, _ = run(Watching("store"))
    assert report.deleted == 10


def test_drain_ends_though_its_store_raises_what_no_future_takes(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """The next() of nothing in a store of one's own is an error: whoever waits for its thread is told."""
    green_api_connection.push(*traffic(seed=1, n=2))

    class Odd(SqlStore):
        def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
            raise StopIteration

    async def run_it() -> None:
        with Odd("store").open("dag/run/task/-1") as opened:
            async with GreenApiHook() as hook:
                await asyncio.wait_for(adrain(hook, opened, receive_timeout=0.2), 20)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(run_it())
    assert len(green_api_connection.queue()) == 2


def test_drain_put_fails_stops_and_leaves_the_rest_in_the_queue(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A store that can't take a notification ends the drain; that one and all behind it stay."""
    green_api_connection.push(*traffic(seed=1, n=5))

    class Full(SqlStore):
        room = 2

        def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
            if not self.room:
                raise NotificationStoreError("The disk is full.")
            self.room -= 1
            return super().put(notification, note)

    with pytest.raises(NotificationStoreError, match="disk is full"):
        run(Full("store"))
    assert len(green_api_connection.queue()) == 3
    assert run(store)[1]["count"] == 5


@pytest.mark.parametrize("fault", ["cut_after", "malformed", "cut_before", "500", "502", "500_after", "429"])
def test_drain_delete_in_doubt_settled_by_receiving_again(
    fault: str, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Whether a doubtful delete had its effect or not, each notification is stored and deleted once."""
    green_api_connection.push(*traffic(seed=1, n=4))
    green_api_connection.fault(fault, method="deleteNotification", times=2)
    report, batch = run(store)
    assert (report.deleted, report.doubtful_deletes, batch["count"]) == (4, 2, 4)
    assert all(entry["deletions"] == 1 for entry in green_api_connection.audit())


def test_drain_receipt_counter_restarts_deletes_no_other_notification(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """After a doubtful delete and a restarted counter, what the old number names now stays unharmed."""
    gateway = green_api_connection
    gateway.push(*traffic(seed=1, n=6))
    gateway.fault("cut_before", method="deleteNotification", times=1)
    stored = []

    class Restarting(SqlStore):
        def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
            if len(stored) in (1, 3):
                gateway.restart_receipts()
            stored.append(notification.key)
            return super().put(notification, note)

    _, batch = run(Restarting("store"))
    assert balance(gateway, read_batch(batch)) == Balance()


def test_drain_answers_that_keep_failing_raise_and_lose_nothing(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A gateway that stays away ends the drain with a retryable error; nothing is lost."""
    green_api_connection.push(*traffic(seed=1, n=3))
    green_api_connection.fault("502", times=None, after=3)
    with store.open("batch") as opened, pytest.raises(GreenApiUnavailableError):
        drain(GreenApiHook(max_attempts=2), opened, receive_timeout=0.2)
    green_api_connection.clear_faults()
    _, batch = run(store)
    keys = {n.key for n in read_batch(batch)} | {n.key for n in read_batch({**batch, "batch_id": "batch"})}
    assert keys == {key_of(entry["body"]) for entry in green_api_connection.audit()}


def test_drain_refusal_raises_at_once(
    green_api_connection: GreenApiEmulator, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set webhookUrl or a wrong token ends the drain with the first answer."""
    green_api_connection.settings(webhookUrl="https://example.org")
    with pytest.raises(GreenApiWebhookUrlSetError):
        run(store)
    wrong = json.loads(green_api_connection.connection) | {"password": "notthetoken"}
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", json.dumps(wrong))
    with pytest.raises(GreenApiUnauthorizedError):
        run(store)
    assert len(green_api_connection.requests()) == 2


# --- stop conditions ---


@pytest.mark.parametrize("overlap", [True, False])
def test_drain_max_notifications_is_a_hard_limit(
    overlap: bool, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Exactly so many are deleted, and no receive is made behind the last."""
    green_api_connection.push(*traffic(seed=1, n=10))
    report, _ = run(store, stop=StopCondition(max_notifications=4), overlap=overlap)
    assert (report.deleted, report.stopped_by) == (4, "max_notifications")
    assert len(green_api_connection.queue()) == 6
    assert statuses(green_api_connection, "receiveNotification").total() == 4


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before"])
def test_drain_max_notifications_holds_when_the_last_delete_is_in_doubt(
    fault: str, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A doubt about the last delete neither stops short nor takes one more."""
    green_api_connection.push(*traffic(seed=1, n=6))
    green_api_connection.fault(fault, method="deleteNotification", after=2, times=1)
    report, batch = run(store, stop=StopCondition(max_notifications=3))
    assert (report.deleted, batch["count"], len(green_api_connection.queue())) == (3, 3, 3)


def test_drain_until_leaves_newer_notifications(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """The first notification newer than ``until`` stays, and so does what is behind it."""
    now = datetime.now(UTC)
    bodies = [body | {"timestamp": int(now.timestamp()) + 60 * n} for n, body in enumerate(traffic(1, 4), -1)]
    green_api_connection.push(*bodies)
    report, _ = run(store, stop=StopCondition(until=now + timedelta(seconds=5)))
    assert (report.deleted, report.stopped_by, len(green_api_connection.queue())) == (2, "until", 2)


def test_drain_keep_leaves_what_it_names(green_api_connection: GreenApiEmulator, store: SqlStore) -> None:
    """The drain stops in front of the first notification that is to be kept."""
    bodies = list(traffic(seed=1, n=5))
    green_api_connection.push(*bodies)
    report, _ = run(store, keep=lambda notification: notification.body == bodies[3])
    assert report.stopped_by == "kept"
    assert green_api_connection.queue() == bodies[3:]


def test_drain_one_false_empty_answer_goes_on(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """An empty answer over a full queue doesn't end the drain: one is not proof."""
    green_api_connection.push(*traffic(seed=1, n=3))
    green_api_connection.fault("status", status=200, body="", method="receiveNotification", after=1, times=1)
    report, _ = run(store)
    assert (report.deleted, report.stopped_by) == (3, "empty")


def test_drain_instant_empty_answers_make_no_hot_loop(
    green_api_connection: GreenApiEmulator, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Empty answers at once are asked for slowly, and one look at the settings says why."""
    switches = [name for name, value in green_api_connection.settings().items() if value == "yes"]
    green_api_connection.settings(**dict.fromkeys(switches, "no"))
    run(store, stop=StopCondition(empty_answers=3), receive_timeout=5)
    asked = [r["at"] for r in green_api_connection.requests() if r["method"] == "receiveNotification"]
    assert len(asked) == 3
    assert all(later - earlier > 0.9 for earlier, later in pairwise(asked))
    assert statuses(green_api_connection, "getSettings").total() == 1
    assert "every notification type is switched off" in caplog.text


def test_drain_the_same_body_twice_in_the_queue_stored_once_and_both_deleted(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Duplicates inside the queue are one key: one row, an empty queue, and nothing is taken for a fault."""
    body = next(iter(traffic(seed=1, n=1)))
    green_api_connection.push(body, body, body)
    report, batch = run(store)
    assert (batch["count"], report.deleted, report.doubtful_deletes) == (1, 3, 0)


def test_drain_delete_that_never_works_raises_after_a_bound(
    green_api_connection: GreenApiEmulator, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway on which each delete fails ends the drain after a bounded number of requests."""
    monkeypatch.setattr("airflow_green_notify.drain.doubt.pause_after", lambda failures, last: 0.01)
    green_api_connection.push(*traffic(seed=1, n=2))
    green_api_connection.fault("500", method="deleteNotification", times=None)
    with pytest.raises(GreenApiUnavailableError):
        run(store)
    assert statuses(green_api_connection, "deleteNotification").total() == MAX_DOUBTS
    assert len(green_api_connection.queue()) == 2


def test_stop_condition_nonsense_is_refused() -> None:
    """Zero and negative limits, and a timestamp without a zone, are refused with words."""
    for wrong in ({"max_notifications": 0}, {"max_seconds": -1}, {"empty_answers": 0}):
        with pytest.raises(ValueError, match="must be above 0"):
            StopCondition(**wrong)
    with pytest.raises(ValueError, match="time zone"):
        StopCondition(until=datetime(2026, 1, 1))


# --- routing, report ---


def test_drain_accept_sends_the_rest_to_the_other_store(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """What isn't accepted goes to the named store, what can't be judged to the main one."""
    green_api_connection.push(*example_notifications())
    rest = SqlStore("store", table="rest")
    with rest.open("rest") as unmatched:
        report, batch = run(
            store, accept=NotificationFilter(type_webhook="incomingMessageReceived"), unmatched=unmatched
        )
        others = unmatched.close()
    assert {n.type_webhook for n in read_batch(batch)} == {"incomingMessageReceived"}
    assert batch["count"] + others["count"] == 80
    assert report.unmatched == others["count"]


def test_drain_accept_that_is_async_is_refused(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Nobody awaits it, and what it returns is true whatever it would say."""

    async def accept(notification: Notification) -> bool:
        return False

    green_api_connection.push(*traffic(seed=1, n=1))
    with store.open("unmatched") as unmatched, pytest.raises(ValueError, match=r"accept is .* async"):
        run(store, accept=accept, unmatched=unmatched)
    assert len(green_api_connection.queue()) == 1


def test_drain_accept_raises_stores_as_accepted(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """An error of the filter is never a miss."""
    green_api_connection.push(*traffic(seed=1, n=3))
    rest = SqlStore("store", table="rest")
    with rest.open("rest") as unmatched:
        report, batch = run(store, accept=lambda notification: 1 / 0, unmatched=unmatched)
    assert (batch["count"], report.undecided, report.unmatched) == (3, 3, 0)


def test_drain_old_backlog_warns_before_it_is_lost(
    green_api_connection: GreenApiEmulator, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A head older than 20 hours is a warning that names the retention."""
    old = int((datetime.now(UTC) - timedelta(hours=21)).timestamp())
    green_api_connection.push(next(iter(traffic(1, 1))) | {"timestamp": old})
    report, _ = run(store)
    assert report.oldest_age is not None
    assert report.oldest_age > 20 * 3600
    assert "24 h" in caplog.text


async def test_two_drains_at_once_lose_nothing_store_nothing_twice_and_name_each_other(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two consumers on one queue, in either form the gateway may have."""
    import asyncio

    for redelivery in ("head", "split"):
        with GreenApiEmulator(
            rate_limits=False, redelivery=redelivery, redelivery_after=0.3, round_trip=0.004
        ) as gateway:
            monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
            gateway.push(*traffic(seed=7, n=120))
            shelves = [SqlStore("store", table=redelivery) for _ in range(2)]
            hooks = [GreenApiHook(), GreenApiHook()]
            with shelves[0].open("one") as one, shelves[1].open("two") as two:
                reports = await asyncio.gather(
                    *(adrain(h, s, receive_timeout=0.4) for h, s in zip(hooks, (one, two), strict=True))
                )
                batches = [read_batch(opened.close()) for opened in (one, two)]
            for hook in hooks:
                await hook.aclose()
            assert balance(gateway, *batches) == Balance()
            # Where the queue is split between them, neither takes from under the other.
            assert all(report.other_consumers for report in reports) == (redelivery == "head"), reports


def test_drain_thousand_below_the_gateways_rate(
    store: SqlStore, green_api_connection: GreenApiEmulator
) -> None:
    """With the gateway's limits on, not one request is refused with 429."""
    green_api_connection.push(*traffic(seed=1, n=1000))
    report, _ = run(store)
    assert report.deleted == 1000
    assert 429 not in statuses(green_api_connection, "receiveNotification")
    assert 429 not in statuses(green_api_connection, "deleteNotification")


# --- clocks ---


def body_at(seconds: float) -> dict[str, Any]:
    """A notification whose timestamp lies so far from now."""
    return next(iter(traffic(1, 1))) | {"timestamp": int(time.time() + seconds), "idMessage": str(seconds)}


def test_drain_timestamp_in_the_future_stops_nothing_and_is_told(
    green_api_connection: GreenApiEmulator, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """One odd body at the head must not hold up the queue until it expires."""
    green_api_connection.push(body_at(86_400), body_at(-60), body_at(7200))
    report, batch = run(store, stop=StopCondition(until="start"))
    assert (report.stopped_by, batch["count"], report.future_timestamps) == ("empty", 3, 2)
    assert "2 notifications have a timestamp in the future" in caplog.text
    assert report.oldest_age == pytest.approx(60, abs=10)


def test_drain_tells_no_age_where_the_timestamps_tell_none(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A timestamp in the future, or none, is no age of 0."""
    green_api_connection.push(body_at(86_400), {"typeWebhook": "incomingCall"})
    report, _ = run(store)
    assert report.oldest_age is None


@pytest.mark.parametrize("offset", [-1800.0, 1800.0])
def test_drain_judges_by_the_gateways_clock(
    offset: float, green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """Half an hour between the two clocks neither stops a drain at once nor lets it go on for ever."""
    green_api_connection.switch(clock_offset=offset)
    green_api_connection.push(body_at(offset - 30), body_at(offset + 60))
    report, _ = run(store, stop=StopCondition(until="start"))
    assert (report.stopped_by, report.stored, report.future_timestamps) == ("until", 1, 0)
    assert report.oldest_age == pytest.approx(30, abs=10)


def test_drain_without_the_gateways_clock_judges_by_its_own(
    green_api_connection: GreenApiEmulator, store: SqlStore
) -> None:
    """A proxy that leaves out the header takes nothing but precision."""
    green_api_connection.fault(
        "status", status=200, body="null", headers={"Date": "?"}, times=None, method="receiveNotification"
    )
    report, _ = run(store, stop=StopCondition(until="start"))
    assert report.stopped_by == "empty"


def test_drain_that_takes_long_tells_how_far_it_is(
    green_api_connection: GreenApiEmulator,
    store: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """How many, how fast, and how long the head has waited, now and then."""
    monkeypatch.setattr(progress, "FIRST_AFTER", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    caplog.set_level("INFO", logger="airflow_green_notify.drain")
    waited = datetime.now(UTC) - timedelta(hours=3)
    bodies = [{**body, "timestamp": int(waited.timestamp())} for body in traffic(seed=1, n=3)]
    green_api_connection.push(*bodies)
    report, _ = run(store)
    lines = [record.message for record in caplog.records if record.message.startswith("Draining for")]
    assert len(lines) == report.received
    told = r"Draining for \d+ s: \d notifications \(\d+/s\); the head has waited 3\.0 h\."
    assert re.fullmatch(told, lines[-1])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (59.2, "59 s"),
        (240, "4.0 min"),
        (3600, "1.0 h"),
        (90_000, "25.0 h"),
        (259_200, "3.0 days"),
    ],
)
def test_span_of_time_is_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    """Nobody divides by 3600 at three in the morning."""
    assert progress.span(seconds) == words


def test_sentence_about_a_drain_says_what_it_did_and_why_it_stopped() -> None:
    """A person reads it, in a log."""
    report = DrainReport(stored=1490, already_stored=10, stopped_by="empty", seconds=25.3)
    assert report.sentence("Drained") == (
        "Drained 1,500 notifications in 25.3 s (59/s): 1,490 new, 10 duplicates; stopped because the queue "
        "was empty."
    )
    other = DrainReport(stored=3, unmatched=2, adopted=5, stopped_by="until")
    assert other.sentence("Set aside") == (
        "Set aside 3 notifications in 0.0 s: 3 new, 0 duplicates, 2 of them not accepted, 5 taken over from "
        "earlier runs; stopped because the head is newer than until, and stays in the queue."
    )
