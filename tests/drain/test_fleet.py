"""Many queues in one event loop: limits they share, failures they don't."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from airflow_green_notify.drain import DrainReport, StopCondition, doubt, lease
from airflow_green_notify.drain.fleet import Fleet, Instance, into_sinks, into_store
from airflow_green_notify.drain.fleet_report import FleetReport
from airflow_green_notify.drain.lease import ReaderLease, renew_all, renewed, take_all
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore, read_batch
from tests.balance import key_of

Instances = list[Any]


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instances]:
    """Five instances of one gateway, with the connections g0 to g4."""
    with GreenApiEmulator(rate_limits=False) as first:
        gateways = [first, *(first.add_instance(rate_limits=False) for _ in range(4))]
        for number, gateway in enumerate(gateways):
            monkeypatch.setenv(f"AIRFLOW_CONN_G{number}", gateway.connection)
        yield gateways


@pytest.fixture
def opened(store: SqlStore) -> Iterator[SqlStore]:
    with store.open("dag/run/task/-1") as opened:
        yield opened


def fleet(opened: Any, *, leases: Any = None, writing: Any = None, **options: Any) -> Any:
    """Drain g0 to g4, quickly."""
    instances = {f"g{number}": Instance(GreenApiHook(f"g{number}", max_attempts=2)) for number in range(5)}
    for conn_id, each in instances.items():
        each.hook.label = f"{conn_id}: "
        each.lease = leases and leases[conn_id]
    return Fleet(instances, writing or into_store(opened), receive_timeout=0.2, **options).drain()


def keys_in(opened: Any) -> Counter[str]:
    return Counter(notification.key for notification in read_batch(opened.close()))


def keys_pushed(gateways: Instances) -> Counter[str]:
    return Counter(key_of(entry["body"]) for gateway in gateways for entry in gateway.audit())


def fill(gateways: Instances, n: int) -> None:
    for number, gateway in enumerate(gateways):
        gateway.push_traffic(seed=number, n=n)


def test_fleet_stores_everything_of_all_instances_once(gateways: Instances, opened: SqlStore) -> None:
    """Each drain has a report of its own, and the total is their sum."""
    fill(gateways, 30)
    report = fleet(opened)
    assert keys_in(opened) == keys_pushed(gateways)
    assert all(entry["deletions"] == 1 for gateway in gateways for entry in gateway.audit())
    assert {conn_id: one.deleted for conn_id, one in report.instances.items()} == {
        f"g{number}": 30 for number in range(5)
    }
    assert (report.total().stored, report.total().deleted, report.stopped_by) == (150, 150, "empty")
    assert "150 notifications of 5 instances" in report.sentence("Drained")
    assert report.as_dict()["instances"]["g3"].keys() == {
        "received", "stored", "deleted", "stopped_by", "oldest_age", "seconds"
    }  # fmt: skip


def test_total_tells_of_the_worst(gateways: Instances, opened: SqlStore) -> None:
    """The age that matters is that of the oldest, and a gateway that reorders is one too many."""
    fill(gateways, 3)
    total = fleet(opened).total()
    assert total.oldest_age
    reports = {
        "a": DrainReport(oldest_age=5.0),
        "b": DrainReport(overlap=False),
        "c": DrainReport(oldest_age=7.0),
    }
    total = FleetReport(reports).total()
    assert (total.oldest_age, total.overlap) == (7.0, False)
    assert FleetReport({"a": DrainReport()}).total() == DrainReport()


def test_queue_order_holds_for_each_instance(gateways: Instances, opened: SqlStore) -> None:
    """Groups mix instances, never what one of them brings."""
    fill(gateways, 30)
    fleet(opened)
    stored = [notification.key for notification in read_batch(opened.close())]
    for gateway in gateways:
        own = [key_of(entry["body"]) for entry in gateway.audit()]
        assert [key for key in stored if key in own] == own


@pytest.mark.parametrize("limit", [1, 4, 7, 149])
def test_max_notifications_is_a_hard_limit_of_the_whole_fleet(
    gateways: Instances, opened: SqlStore, limit: int
) -> None:
    """However many drains are at work at once, no more than that is deleted or stored."""
    fill(gateways, 30)
    report = fleet(opened, stop=StopCondition(max_notifications=limit))
    assert report.total().deleted == limit
    assert sum(entry["deletions"] for gateway in gateways for entry in gateway.audit()) == limit
    assert sum(keys_in(opened).values()) == limit


def test_limit_is_reached_although_other_readers_take_some(gateways: Instances, opened: SqlStore) -> None:
    """What another consumer deletes is not counted, and holds no place."""
    gateways[0].push_traffic(seed=0, n=10)

    def fill_others() -> None:
        for number, gateway in enumerate(gateways[1:], 1):
            gateway.push_traffic(seed=number, n=10)

    class Thief:
        """Takes the queue of g0 away while its head is being stored; others have something after that."""

        def put(self, notification: Notification) -> bool:
            if notification.instance_id == gateways[0].id_instance:
                GreenApiHook("g0").clear_webhooks_queue()
                threading.Timer(1.0, fill_others).start()
            return opened.put(notification)

    stop = StopCondition(max_notifications=40, linger=60.0)
    report = fleet(opened, stop=stop, writing=into_store(Thief()))
    assert report.total().deleted == 40


def test_drain_that_waits_at_an_empty_queue_holds_no_place_and_ends_with_the_others(
    gateways: Instances, opened: SqlStore
) -> None:
    """What it was about to delete is gone when it looks again; nothing else may ever come to that queue."""
    gateways[0].push_traffic(seed=0, n=1)
    gateways[1].push_traffic(seed=1, n=6)

    class Slow:
        """Loses the head of g0 to another consumer, and takes so long that it is received again."""

        def put(self, notification: Notification) -> bool:
            if notification.instance_id == gateways[0].id_instance:
                GreenApiHook("g0").clear_webhooks_queue()
                time.sleep(1.1)
            return opened.put(notification)

    stop = StopCondition(max_notifications=4, max_seconds=30, linger=math.inf)
    report = fleet(opened, stop=stop, writing=into_store(Slow()))
    assert report.instances["g0"].deleted == 0
    assert report.instances["g1"].deleted in (3, 4)
    assert report.stopped_by == "max_notifications"


def test_delete_in_doubt_that_ends_its_drain_keeps_its_place(gateways: Instances, opened: SqlStore) -> None:
    """It may have had its effect, so that one more by another drain would be one too many."""
    gateways[0].push_traffic(seed=0, n=1)
    gateways[1].push_traffic(seed=1, n=9)
    gateways[0].fault("500_after", method="deleteNotification", times=1)
    gateways[0].fault("status", status=401, method="receiveNotification", times=None, after=1)
    gateways[1].fault("slow", seconds=1.5, times=1)
    report = fleet(opened, stop=StopCondition(max_notifications=5))
    assert [*report.errors] == ["g0"]
    assert sum(entry["deletions"] for gateway in gateways for entry in gateway.audit()) == 5


def test_delete_in_doubt_before_an_empty_queue_ends_a_fleet_that_lingers(
    gateways: Instances, opened: SqlStore
) -> None:
    """Its place counts as used when the queue proves empty; else nobody would ever reach the limit."""
    gateways[0].push_traffic(seed=0, n=1)
    gateways[1].push_traffic(seed=1, n=3)
    gateways[0].fault("500_after", method="deleteNotification", times=1)
    report = fleet(opened, stop=StopCondition(max_notifications=4, max_seconds=30, linger=float("inf")))
    assert report.stopped_by == "max_notifications"
    assert report.total().deleted == 4


def test_max_seconds_holds_for_the_fleet(gateways: Instances, opened: SqlStore) -> None:
    """Every drain stops, whatever comes."""
    report = fleet(opened, stop=StopCondition(max_seconds=0.5, linger=60))
    assert {one.stopped_by for one in report.instances.values()} == {"max_seconds"}


def test_refused_token_stops_that_drain_alone(gateways: Instances, opened: SqlStore) -> None:
    """The others go on to the end, and what failed is named with its remedy."""
    fill(gateways, 10)
    gateways[2].fault("status", status=401, times=None)
    report = fleet(opened)
    assert [*report.errors] == ["g2"]
    assert "401" in str(report.errors["g2"])
    assert report.instances["g2"].stopped_by == "error"
    assert report.total().deleted == 40
    assert len(gateways[2].queue()) == 10
    assert "g2: " in report.failures()
    assert "401" in report.as_dict()["instances"]["g2"]["error"]


def test_webhook_url_and_outage_stop_their_drains_alone(gateways: Instances, opened: SqlStore) -> None:
    """An outage lasts longer than the hook's attempts; a webhookUrl can't be polled at all."""
    fill(gateways, 10)
    gateways[1].fault("502", times=None)
    gateways[3].settings(webhookUrl="https://example.com/hook")
    report = fleet(opened)
    assert {*report.errors} == {"g1", "g3"}
    assert report.total().deleted == 30
    assert [error.retryable for error in report.errors.values()].count(True) == 1


class OneRefused:
    """A store that refuses what one instance brings."""

    def __init__(self, store: SqlStore, refused: str) -> None:
        self._store = store
        self._refused = refused

    def put(self, notification: Notification) -> bool:
        if notification.instance_id == self._refused:
            raise NotificationStoreError("Too odd a body.")
        return self._store.put(notification)

    def put_all(self, notifications: list[Notification]) -> list[bool | NotificationStoreError]:
        outcomes: list[bool | NotificationStoreError] = []
        for notification in notifications:
            try:
                outcomes.append(self.put(notification))
            except NotificationStoreError as error:
                outcomes.append(error)
        return outcomes


def test_refused_row_fails_its_own_drain_alone(gateways: Instances, opened: SqlStore) -> None:
    """It stays in the queue; everything of the others is stored and deleted."""
    fill(gateways, 10)
    refusing = OneRefused(opened, gateways[4].id_instance)
    report = fleet(opened, writing=into_store(refusing))
    assert [*report.errors] == ["g4"]
    assert len(gateways[4].queue()) == 10
    assert sum(keys_in(opened).values()) == 40


def test_store_that_is_away_fails_every_drain_and_deletes_nothing(
    gateways: Instances, opened: SqlStore
) -> None:
    """A group that fails as a whole fails for each of it; equal reasons are told once."""

    class Away:
        def put(self, notification: Notification) -> bool:
            raise NotificationStoreError("The database is away.")

        def put_all(self, notifications: list[Notification]) -> Any:
            raise NotificationStoreError("The database is away.")

    fill(gateways, 3)
    report = fleet(opened, writing=into_store(Away()))
    assert len(report.errors) == 5
    assert report.failures().count("The database is away.") == 1
    assert all(len(gateway.queue()) == 3 for gateway in gateways)


def test_error_of_any_length_is_told_briefly(gateways: Instances, opened: SqlStore) -> None:
    """A database driver may put whole rows into it; a report goes into an XCom, with each instance."""

    class Wordy:
        def put(self, notification: Notification) -> bool:
            raise OSError(f"Full.\nINSERT {'x' * 1_000_000}")

    fill(gateways, 1)
    report = fleet(opened, writing=into_store(Wordy()))
    assert report.as_dict()["instances"]["g0"]["error"].startswith("Full.\\nINSERT")
    assert len(json.dumps(report.as_dict())) < 5_000
    assert len(report.failures()) < 5_000


def test_store_that_tells_of_fewer_than_it_got_fails_the_rest(gateways: Instances, opened: SqlStore) -> None:
    """Whoever waits for an outcome gets one: nothing hangs, and nothing is deleted that may not be stored."""

    class Short:
        def put(self, notification: Notification) -> bool:
            return opened.put(notification)

        def put_all(self, notifications: list[Notification]) -> Any:
            return [opened.put(notifications[0])]

    fill(gateways, 3)
    report = fleet(opened, writing=into_store(Short()))
    assert report.errors
    pushed, stored = keys_pushed(gateways), keys_in(opened)
    waiting = Counter(key_of(body) for gateway in gateways for body in gateway.queue())
    assert pushed - waiting <= stored


@pytest.mark.parametrize("odd", [StopIteration, asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("groups", [False, True])
def test_store_that_raises_what_no_future_takes_fails_every_drain(
    gateways: Instances, opened: SqlStore, odd: type[BaseException], groups: bool
) -> None:
    """A slip in a store of one's own, such as next() of nothing, is an error and not a task that hangs."""

    class Odd:
        def put(self, notification: Notification) -> bool:
            raise odd("Oops.")

    class OddGroups(Odd):
        def put_all(self, notifications: list[Notification]) -> Any:
            raise odd("Oops.")

    fill(gateways, 3)
    report = fleet(opened, writing=into_store(OddGroups() if groups else Odd()))
    assert len(report.errors) == 5
    assert odd.__name__ in report.failures()
    assert all(len(gateway.queue()) == 3 for gateway in gateways)


def test_one_hanging_gateway_holds_up_nobody_else(gateways: Instances, opened: SqlStore) -> None:
    """The others are drained to the end while it hangs."""
    fill(gateways, 5)
    gateways[0].fault("slow", seconds=5, times=None)
    report = fleet(opened, stop=StopCondition(max_seconds=3))
    assert all(not gateway.queue() for gateway in gateways[1:])
    assert report.total().deleted >= 20


def test_what_is_not_accepted_goes_to_the_other_store(
    gateways: Instances, store: SqlStore, opened: SqlStore
) -> None:
    """A filter judges each notification as in a single drain."""
    fill(gateways, 20)
    accept = NotificationFilter(type_webhook="incomingMessageReceived")
    with SqlStore("store", table="rest").open("dag/run/task/-1") as rest:
        report = fleet(opened, writing=into_store(opened, accept, rest))
        assert report.total().unmatched == sum(keys_in(rest).values()) > 0
    assert keys_in(rest) + keys_in(opened) == keys_pushed(gateways)


def test_sinks_of_their_own_are_called_one_at_a_time(gateways: Instances, opened: SqlStore) -> None:
    """Handlers of a fleet need not be safe for threads."""
    fill(gateways, 4)
    at_work: list[str] = []
    most = 0

    class Sink:
        def put(self, notification: Notification) -> bool:
            nonlocal most
            at_work.append(notification.key)
            most = max(most, len(at_work))
            time.sleep(0.02)
            at_work.remove(notification.key)
            return True

    report = fleet(opened, writing=into_sinks(lambda _: Sink()))
    assert (report.total().deleted, most) == (20, 1)


def test_store_derived_from_ours_is_asked_for_each_notification(
    gateways: Instances, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever overrides put() to do more with a notification sees each of them, in a fleet too."""
    seen: list[str] = []

    class Seeing(SqlStore):
        def put(self, notification: Notification, note: dict[str, Any] | None = None) -> bool:
            seen.append(notification.key)
            return super().put(notification, note)

    fill(gateways, 10)
    with Seeing("store").open("dag/run/task/-1") as opened:
        fleet(opened)
    assert Counter(seen) == keys_pushed(gateways)


# --- leases ---


@pytest.fixture
def leases(opened: SqlStore, gateways: Instances) -> dict[str, ReaderLease]:
    first = ReaderLease(opened.leases, "fleet", "dag/run/task/-1 (try 1)")
    assert first.take()
    queues = [GreenApiHook(f"g{number}").config.queue for number in range(5)]
    return {
        f"g{number}": ReaderLease(opened.leases, queue, "", beside=first)
        for number, queue in enumerate(queues)
    }


def test_queue_that_somebody_reads_is_left_to_that_reader(
    gateways: Instances,
    store: SqlStore,
    opened: SqlStore,
    leases: dict[str, ReaderLease],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The other queues are drained; nothing of that one is touched, and that is no error."""
    fill(gateways, 5)
    with store.open("other/run/task/-1") as other:
        assert ReaderLease(other.leases, leases["g1"].queue, "other").take()
        take_all([*leases.values()])
        with renewed(*leases.values()):
            report = fleet(opened, leases=leases)
    assert report.instances["g1"].stopped_by == "another_reader"
    assert not report.errors
    assert "g1: The queue is being read by other" in caplog.text
    assert [len(gateway.queue()) for gateway in gateways] == [0, 5, 0, 0, 0]


def test_queue_that_nobody_drains_is_a_failure_of_its_instance(
    gateways: Instances, store: SqlStore, opened: SqlStore, leases: dict[str, ReaderLease]
) -> None:
    """A backfill has reserved it, or an earlier try of the task fills the same batch; a retry may go on."""
    fill(gateways, 5)
    holders = {"g1": "a backfill, dag/run/repair/-1", "g2": "dag/run/task/-1 (try 0) 12345678"}
    with store.open("other/run/task/-1") as other:
        for conn_id, holder in holders.items():
            other.leases.take_leases([leases[conn_id].queue], holder, 60)
        take_all([*leases.values()])
        report = fleet(opened, leases=leases)
    assert {*report.errors} == {*holders}
    assert all(holder in str(report.errors[conn_id]) for conn_id, holder in holders.items())
    assert [len(gateway.queue()) for gateway in gateways] == [0, 5, 5, 0, 0]


def test_waiting_for_a_reader_ends_at_max_seconds(
    gateways: Instances, store: SqlStore, opened: SqlStore, leases: dict[str, ReaderLease]
) -> None:
    """It is a limit of the whole fleet, whatever a drain of it waits for."""
    with store.open("other/run/task/-1") as other:
        other.leases.take_leases([leases["g1"].queue], "other", 60)
        take_all([*leases.values()])
        report = fleet(opened, leases=leases, wait_for_reader=60, stop=StopCondition(max_seconds=1))
    assert report.instances["g1"].stopped_by == "another_reader"
    assert report.seconds < 30


@pytest.mark.parametrize(
    "options",
    [{"wait_for_reader": 30}, {"stop": StopCondition(max_notifications=25, max_seconds=60, linger=math.inf)}],
    ids=["as long as told", "as long as it lingers"],
)
def test_queue_is_drained_when_its_reader_ends_meanwhile(
    gateways: Instances,
    store: SqlStore,
    opened: SqlStore,
    leases: dict[str, ReaderLease],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    """Waiting for one queue holds up no other; one given up for a day's lingering would be nobody's."""
    monkeypatch.setattr("airflow_green_notify.drain.fleet.ASK_EVERY", 0.1)
    fill(gateways, 5)
    with store.open("other/run/task/-1") as other:
        held = ReaderLease(other.leases, leases["g1"].queue, "other")
        assert held.take()
        take_all([*leases.values()])

        class Releasing:
            """Ends the other reader when each of the other queues has one left at most."""

            def put(self, notification: Notification) -> bool:
                new = opened.put(notification)
                if sum(len(gateway.queue()) for gateway in gateways) <= 9:
                    held.release()
                return new

        with renewed(*leases.values()):
            fleet(opened, leases=leases, writing=into_store(Releasing()), **options)
    assert keys_in(opened) == keys_pushed(gateways)


def test_lost_lease_ends_that_drain_alone(
    gateways: Instances, opened: SqlStore, leases: dict[str, ReaderLease], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that somebody else took meanwhile is not deleted under."""
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    fill(gateways, 20)
    take_all([*leases.values()])
    stolen = False

    class Stealing:
        def put(self, notification: Notification) -> bool:
            nonlocal stolen
            if not stolen:
                stolen = True
                opened.leases.release_leases([leases["g2"].queue], leases["g2"].owner)
                opened.leases.take_leases([leases["g2"].queue], "thief", 60)
                renew_all([leases["g2"]])
            return opened.put(notification)

    with renewed(*leases.values()):
        report = fleet(opened, leases=leases, writing=into_store(Stealing()))
    assert report.instances["g2"].stopped_by == "another_reader"
    assert len(gateways[2].queue()) >= 19
    assert all(not gateway.queue() for number, gateway in enumerate(gateways) if number != 2)


@pytest.mark.parametrize("has_ended", [False, True])
def test_fleet_whose_batch_is_anothers_deletes_nothing_more(
    gateways: Instances, opened: SqlStore, leases: dict[str, ReaderLease], has_ended: bool
) -> None:
    """The next try of the task fills the same batch, though perhaps from other queues: none is its own."""
    fill(gateways, 5)
    taken: list[dict[str, tuple[str, str]]] = []

    class Waking:
        """Comes back from the first put when the batch's lease has run out and another try took it."""

        def put(self, notification: Notification) -> bool:
            new = opened.put(notification)
            if not taken:
                opened.leases.release_leases(["fleet"], leases["g0"].owner)
                taken.append(opened.leases.take_leases(["fleet"], "dag/run/task/-1 (try 2)", 60))
                if has_ended:
                    opened.leases.release_leases(["fleet"], "dag/run/task/-1 (try 2)")
                renew_all([first, *leases.values()])
            return new

    first = leases["g0"]._beside
    assert first is not None
    take_all([*leases.values()])
    report = fleet(opened, leases=leases, writing=into_store(Waking()))
    assert (report.total().deleted, report.stopped_by) == (
        (25, "empty") if has_ended else (0, "another_reader")
    )


@pytest.mark.parametrize("how", ["in groups", "one by one", "each into its own"])
def test_put_that_waited_beside_the_loss_of_the_batch_does_not_take_it_back(
    gateways: Instances, store: SqlStore, opened: SqlStore, leases: dict[str, ReaderLease], how: str
) -> None:
    """Only who holds the lease again opens the batch again; the next try, which has it, is left alone."""
    fill(gateways, 5)
    for gateway in gateways[1:]:
        gateway.fault("slow", seconds=0.3, times=1)
    before, behind = (Notification(1, {"of": name}) for name in ("this try", "the next"))
    opened.put(before)
    first = leases["g0"]._beside
    assert first is not None
    take_all([*leases.values()])
    with store.open("dag/run/task/-1") as next_try:
        started: list[bool] = []

        def wake() -> None:
            if not started:
                time.sleep(1.0)  # by then the others wait with what came late
                opened.leases.release_leases(["fleet"], leases["g0"].owner)
                opened.leases.take_leases(["fleet"], "dag/run/task/-1 (try 2)", 60)
                renew_all([first, *leases.values()])
                started.append(next_try.put(behind))

        class Waking:
            """Wakes in the first put, while others wait, when the next try has the lease and the batch."""

            def put(self, notification: Notification) -> bool:
                wake()
                return opened.put(notification)

            def put_all(self, notifications: Sequence[Notification]) -> list[Any]:
                wake()
                return opened.put_all(notifications)

        class OneByOne(Waking):
            put = Waking.put

        sink = Waking() if how == "in groups" else OneByOne()
        writing = into_sinks(lambda _: sink) if how == "each into its own" else into_store(sink)
        report = fleet(opened, leases=leases, writing=writing)
        assert (report.total().stored, report.stopped_by) == (0, "another_reader")
        assert keys_in(next_try) == Counter([before.key, behind.key])


# --- lingering ---


def test_lingering_drain_stores_what_comes_later(
    gateways: Instances, opened: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty queue doesn't end it; what is pushed while it lingers is in the batch, whoever gets it."""

    async def push_later() -> None:
        for number, gateway in enumerate(gateways):
            await asyncio.sleep(0.3)
            gateway.push_traffic(seed=number, n=3)

    async def run() -> Any:
        instances = {f"g{number}": Instance(GreenApiHook(f"g{number}")) for number in range(5)}
        lingering = Fleet(instances, into_store(opened), receive_timeout=0.2, stop=StopCondition(linger=8))
        report, _ = await asyncio.gather(lingering.adrain(), push_later())
        return report

    report = asyncio.run(run())
    assert keys_in(opened) == keys_pushed(gateways)
    assert report.stopped_by == "empty"


@pytest.mark.parametrize(("linger", "stopped_by"), [(0.0, "until"), (3600.0, "max_seconds")])
def test_start_is_counted_from_the_end_of_lingering(
    gateways: Instances, opened: SqlStore, linger: float, stopped_by: str
) -> None:
    """Without it, what is newer than the start is left; while it lingers, it is what is waited for."""
    body = {"typeWebhook": "stateInstanceChanged", "stateInstance": "authorized"}
    now = GreenApiHook("g0")
    now.get_state_instance()
    clock = now.gateway_time()
    assert clock is not None
    for gateway in gateways:
        gateway.push(body | {"timestamp": int(clock.timestamp()) + 20, "n": gateway.id_instance})
    report = fleet(opened, stop=StopCondition(until="start", linger=linger, max_seconds=4.0))
    assert report.instances["g4"].stopped_by == stopped_by
    assert len(gateways[4].queue()) == (1 if stopped_by == "until" else 0)


class AwayAtFirst:
    """A store that is away for the first puts."""

    def __init__(self, store: SqlStore, times: int) -> None:
        self._store = store
        self._left = times

    def put(self, notification: Notification) -> bool:
        self._left -= 1
        if self._left >= 0:
            raise NotificationStoreError("The database is away.")
        return self._store.put(notification)


def test_lingering_drain_goes_on_after_what_has_passed(gateways: Instances, opened: SqlStore) -> None:
    """A broken answer, an outage or a store that is away costs a queue seconds, not the rest of the batch."""
    fill(gateways, 4)
    gateways[0].fault("malformed", method="receiveNotification", times=1)
    gateways[1].fault("502", times=4)  # longer than the hook's attempts
    stop = StopCondition(max_notifications=20, max_seconds=60, linger=60)
    report = fleet(opened, stop=stop, writing=into_store(AwayAtFirst(opened, 3)))
    assert report.errors == {}
    assert report.stopped_by == "max_notifications"
    assert keys_in(opened) == keys_pushed(gateways)
    assert all(entry["deletions"] == 1 for gateway in gateways for entry in gateway.audit())


def test_notification_whose_deletes_ended_in_doubt_too_often_is_deleted_when_the_gateway_is_well(
    gateways: Instances, opened: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before counts no more for a drain that goes on."""
    monkeypatch.setattr(doubt, "MAX_DOUBTS", 2)
    gateways[0].push_traffic(seed=0, n=1)
    gateways[0].fault("500", method="deleteNotification", times=2)
    report = fleet(opened, stop=StopCondition(max_notifications=1, max_seconds=60, linger=60))
    assert report.errors == {}
    assert gateways[0].audit()[0]["deletions"] == 1


def test_lingering_drain_that_fails_to_the_end_is_named(gateways: Instances, opened: SqlStore) -> None:
    """The others are read meanwhile, and the batch ends when it would."""
    gateways[1].push_traffic(seed=1, n=2)
    gateways[3].fault("502", times=None)
    report = fleet(opened, stop=StopCondition(linger=4))
    assert [*report.errors] == ["g3"]
    assert {one.stopped_by for name, one in report.instances.items() if name != "g3"} == {"empty"}


def test_lingering_fleet_in_which_nothing_works_ends_after_a_while(
    gateways: Instances, opened: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would be told of an outage before the batch is at its end."""
    monkeypatch.setattr("airflow_green_notify.drain.fleet.PATIENCE", 2.0)
    for gateway in gateways:
        gateway.fault("502", times=None)
    report = fleet(opened, stop=StopCondition(linger=3600))
    assert len(report.errors) == 5


def test_lingering_drain_does_not_try_again_what_needs_somebody(
    gateways: Instances, opened: SqlStore
) -> None:
    """A refused token stays refused, however often it is sent."""
    gateways[2].fault("status", status=401, times=None)
    report = fleet(opened, stop=StopCondition(linger=4))
    assert [*report.errors] == ["g2"]
    assert len(gateways[2].requests()) == 1


# --- the end ---


def test_cancelled_fleet_leaves_no_connection_and_deletes_nothing_more(
    gateways: Instances, opened: SqlStore
) -> None:
    """What was cancelled in the middle of a long poll has given back its session."""
    from airflow_green_notify.hooks import aiohttp_transport

    async def run() -> None:
        instances = {f"g{number}": Instance(GreenApiHook(f"g{number}")) for number in range(5)}
        running = Fleet(instances, into_store(opened), stop=StopCondition(linger=60), receive_timeout=20)
        task = asyncio.create_task(running.adrain())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not aiohttp_transport._sessions

    asyncio.run(run())


def test_failing_hook_names_its_instance_in_the_log(
    gateways: Instances, opened: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    """In one log of many instances each line says whose it is."""
    gateways[0].fault("status", status=401, times=None)
    fleet(opened)
    assert any("g0: failed, the others go on" in record.getMessage() for record in caplog.records)
    assert gateways[0].api_token not in caplog.text
