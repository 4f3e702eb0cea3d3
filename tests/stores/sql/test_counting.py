"""How many notifications of which type a table received, by the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from tests.stores.conftest import SQL

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", SQL)
def test_counts_are_those_between_each_two_moments(kind: str, make_store: Callable[[str], SqlStore]) -> None:
    """The earlier one counts, the later one doesn't; what has no type counts as nothing's."""
    store = make_store(kind)
    opened = store.open("dag/run/drain/-1")
    for number, (minutes, body) in enumerate(
        [
            (-1, {"typeWebhook": "incomingCall"}),
            (0, {"typeWebhook": "incomingCall"}),
            (59, {"typeWebhook": "incomingCall", "n": 1}),
            (59, {"typeWebhook": "stateInstanceChanged"}),
            (60, {"n": 2}),
            (120, {"n": 3}),
        ]
    ):
        at = NOON + timedelta(minutes=minutes)
        opened.put(Notification(number, body | {"number": number}, received_at=at))
    opened.close()
    hours = [NOON + timedelta(hours=number) for number in range(3)]
    assert store.counts_by_type(hours) == [{"incomingCall": 2, "stateInstanceChanged": 1}, {"": 1}]


def test_counts_of_a_table_that_is_not_there_are_an_error_in_words(
    make_store: Callable[[str], SqlStore],
) -> None:
    """It is not created either."""
    with pytest.raises(NotificationStoreError, match="no such table"):
        make_store("sqlite").counts_by_type([NOON, NOON + timedelta(hours=1)])
