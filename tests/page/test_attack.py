"""What a hostile or broken store, name, setting or auth manager makes of the page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_green_notify.page import chart
from airflow_green_notify.page.day import OVERLAP, Day
from airflow_green_notify.page.figures import Figures, Told
from airflow_green_notify.page.kept import Worked
from airflow_green_notify.page.places import Place
from airflow_green_notify.page.stores import store_view
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.report import Report
from tests.page.conftest import PAGE, STORES, complete_page, note, record, words_of
from tests.page.test_access import AIRFLOW, only_sales_is_readable


def test_connection_that_is_listed_later_is_hidden_at_once(
    client_of: Callable[..., Any],
    airflow_app: Any,
    list_connection: Callable[[str], None],
    store: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer is shared by those who may read the same and may not read the same."""
    only_sales_is_readable(airflow_app, monkeypatch)
    monkeypatch.setattr("airflow_green_notify.page.gather.OFTEN", 0.0)
    list_connection("green_api_sales")
    client = client_of("ADMIN")
    complete_page(client)
    list_connection("green_api_northern")
    note(store, record(conn_id="green_api_northern", error="of the other team"))
    monkeypatch.setattr("airflow_green_notify.page.kept.time.monotonic", _later(600))
    client.get(PAGE)
    text = complete_page(client)
    assert "northern" not in text
    assert "of the other team" not in text


def test_connection_that_only_drains_tell_of_is_shown_to_who_may_read_it(
    client_of: Callable[..., Any], airflow_app: Any, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The auth manager is asked about it, too: one in a secrets backend, or deleted a minute ago."""
    note(
        store,
        record(conn_id="green_api_sales"),
        record(conn_id="green_api_northern", error="of the other team"),
    )
    client = client_of("ADMIN")
    assert "green_api_northern" in complete_page(client)
    only_sales_is_readable(airflow_app, monkeypatch)
    text = complete_page(client)
    assert "green_api_sales" in text
    assert "northern" not in text
    assert "of the other team" not in text


def _later(seconds: float) -> Callable[[], float]:
    monotonic = time.monotonic
    return lambda: monotonic() + seconds


@pytest.mark.parametrize(
    "name", ["postgresql://etl:pass-of-db@db.example/x", "s3://AKIA:pass-of-db@bucket/folder"]
)
def test_password_in_the_name_of_a_store_is_neither_shown_nor_logged(
    admin: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The page says to use a connection."""
    monkeypatch.setenv(STORES, name)
    text = words_of(complete_page(admin))
    assert "pass-of-db" not in text
    assert "pass-of-db" not in caplog.text
    assert "name a connection" in text


@pytest.mark.parametrize(
    "values",
    [
        {"oldest_age": math.inf},
        {"oldest_age": 1e308},
        {"oldest_age": -5.0},
        {"ended_at": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
        {"stored": -(10**9), "other_consumers": -1},
    ],
)
def test_page_shows_a_drain_of_any_figures(store: SqlStore, admin: Any, values: dict[str, Any]) -> None:
    """Whoever may write into a store can't take the page down."""
    note(store, record(**values))
    note(store, record(3, conn_id="green_api_other"))
    assert "green_api_other" in complete_page(admin)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "0001-01-01"])
def test_page_shows_a_watcher_of_any_time(store: SqlStore, admin: Any, at: str) -> None:
    """One that can't be told is left out."""
    body = {"state": "looking", "rang_at": at, "waiting_since": at, "why": "quiet"}
    store.report([Report("watcher", "doorbell", "green_api_sales", "", datetime.now(UTC), body)])
    assert "quiet" in complete_page(admin)


def test_clock_that_is_ahead_keeps_no_later_drain_from_being_read() -> None:
    """Reading goes on from now at the latest."""
    now = datetime.now(UTC)
    day = Day()
    day.add([record(-600.0)], now)
    assert day.read_from(now) == now - OVERLAP
    again = day.add([record(-600.0, batch_id="other"), record(1.0)], now)
    assert sum(each.drains for each in again.bins.values()) == 3


def test_types_without_number_are_drawn_as_one() -> None:
    """Types are the gateway's words: thousands of them must not make a page of megabytes."""
    hour = datetime(2026, 12, 1, 12, tzinfo=UTC)
    counts = {hour: {f"type{number}": 1 for number in range(5000)} | {"incomingCall": 9}}
    drawn = chart.stacked("kinds", "Types", "", counts, timedelta(hours=1))
    assert len(drawn.bars) == chart.SERIES + 1
    assert drawn.bars[-1].title == "12:00 to 13:00 UTC: 4,995 other types"
    assert drawn.text.startswith("5,009 in 24 hours: 9 incomingCall, 1 type0,")


def test_error_is_a_page_in_words_with_the_same_policy(
    client_of: Callable[..., Any],
    airflow_app: Any,
    list_connection: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an auth manager that fails nothing is shown but where to look."""
    list_connection("green_api_sales")
    manager = type(airflow_app.state.auth_manager)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("pass-of-idp")

    name = "filter_authorized_connections" if AIRFLOW >= (3, 2) else "is_authorized_connection"
    monkeypatch.setattr(manager, name, fail)
    client = client_of("ADMIN")
    client._transport.raise_server_exceptions = False
    answer = client.get(PAGE)
    assert answer.status_code == 500
    assert "pass-of-idp" not in answer.text
    assert "log of the API server" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_refusal_keeps_the_headers_of_http(admin: Any) -> None:
    """Such as what is allowed instead."""
    answer = admin.post(PAGE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_examination_of_days_ago_says_nothing_of_today(store: SqlStore, admin: Any) -> None:
    """What it found is shown, with its time; whether the instance is healthy is not known."""
    body = {"findings": [{"check": "state", "ok": True, "found": "authorized"}]}
    at = datetime.now(UTC) - timedelta(days=3)
    store.report([Report("examination", "green_api_sales", "green_api_sales", "", at, body)])
    text = words_of(complete_page(admin))
    assert "1 instance: 1 not looked at for a day." in text
    assert "3.0 days ago" in text


def test_watcher_that_stopped_is_not_shown_as_well(store: SqlStore, admin: Any) -> None:
    """One that last looked hours ago is no longer there, whatever it said then."""
    body = {"state": "looking", "rang_at": None, "waiting_since": None, "why": "quiet"}
    at = datetime.now(UTC) - timedelta(hours=3)
    store.report([Report("watcher", "doorbell", "green_api_sales", "", at, body)])
    assert "It has not looked since" in words_of(complete_page(admin))


def test_colour_is_told_in_words_and_nothing_is_read_out_again_and_again(
    store: SqlStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For who can't see it; what is replaced each ten seconds must not be an alert."""
    monkeypatch.setenv(STORES, "warehouse, missing")
    body = {"state": "failing", "rang_at": None, "waiting_since": None, "why": "502"}
    store.report([Report("watcher", "doorbell", "green_api_sales", "", datetime.now(UTC), body)])
    html = complete_page(admin)
    assert '<span class="dot bad" role="img" aria-label="wrong"></span>doorbell' in html
    assert "It can't be read" in words_of(html)
    assert 'role="alert"' not in html


def test_store_is_as_old_as_the_oldest_of_what_is_shown_of_it(store: SqlStore) -> None:
    """One part that hangs for hours is not hidden by others that are read each five seconds."""
    now = datetime.now(UTC)
    new, old = (Worked(Told[Any](None), at) for at in (now, now - timedelta(hours=3)))
    figures = Figures(None, new, new, None, old)
    view = store_view(Place("warehouse", store), figures, True, now, 0)
    assert view.as_of == "read 3.0 h ago"
