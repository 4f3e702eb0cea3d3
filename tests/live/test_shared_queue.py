"""What holds where several Dags watch one queue for notifications, each through an asset of its own."""

from __future__ import annotations

import signal
import time

import pytest

from airflow_green_notify.emulator import traffic
from airflow_green_notify.notification import Notification
from tests.live.conftest import WATCHERS, Live, on_postgres
from tests.live.live_airflow import HEALTH_CHECK
from tests.live.running_airflow import until

pytestmark = [pytest.mark.live, on_postgres]

TRIGGERS = """
    SELECT t.id FROM trigger t JOIN asset_watcher w ON w.trigger_id = t.id JOIN asset a ON a.id = w.asset_id
    WHERE a.name LIKE 'watcher%' AND t.triggerer_id IS NOT NULL
"""
TRIGGERERS = "SELECT id FROM job WHERE job_type = 'TriggererJob' ORDER BY latest_heartbeat DESC LIMIT 2"


def test_watchers_in_two_triggerers_lose_nothing_and_are_told_of_each_other(live: Live) -> None:
    """What is deleted is in an event of one of them at least; what passes by the others is in the log."""
    with live.airflow.running(*WATCHERS):
        share_out_watchers(live)
        live.shared.push(*traffic(seed=8, n=8))
        queue_shrinks_to(live, 6)
        live.airflow.send_signal("triggerer-1", signal.SIGSTOP)
        time.sleep(HEALTH_CHECK + 5)
        live.airflow.send_signal("triggerer-1", signal.SIGCONT)
        queue_shrinks_to(live, 3)
        live.airflow.kill("triggerer-2")
        live.airflow.start_triggerers("triggerer-2")
        queue_shrinks_to(live, 0)
    deleted = {Notification(0, item["body"]).key for item in live.shared.audit() if item["deletions"]}
    missed = {name: len(deleted - keys_of_events(live, name)) for name in WATCHERS}
    assert len(deleted) == 8
    assert deleted <= set.union(*(keys_of_events(live, name) for name in WATCHERS)), missed
    logs = [(live.airflow.home / f"{name}.log").read_text() for name in live.airflow.triggerers]
    assert not any(missed.values()) or "this trigger did not delete it" in "".join(logs), missed


def share_out_watchers(live: Live) -> None:
    """Give each triggerer two of them, as it comes about where a triggerer has no room for more."""
    triggers = lambda: sorted(live.airflow.query(TRIGGERS))  # noqa: E731
    until(lambda: len(triggers()) == len(WATCHERS), 60, "watchers in the hands of triggerers")
    triggerers = live.airflow.query(TRIGGERERS)
    for number, (trigger,) in enumerate(triggers()):
        (triggerer,) = triggerers[number % 2]
        live.airflow.database.execute(f"UPDATE trigger SET triggerer_id = {triggerer} WHERE id = {trigger}")
    time.sleep(3)  # they look about once a second what is theirs


def queue_shrinks_to(live: Live, count: int) -> None:
    until(lambda: len(live.shared.queue()) <= count, 120, f"queue of {count}")


def keys_of_events(live: Live, asset: str) -> set[str]:
    return {payload["key"] for payload in live.airflow.event_payloads(asset)}
