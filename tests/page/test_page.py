"""What the page shows, and what it never does."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from markupsafe import escape

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.page.app import STATIC
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore
from airflow_green_notify.stores.dead_letter import Failure, dead_letter, note_of
from airflow_green_notify.stores.report import Report
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.stream import Consumer
from tests.page.conftest import PAGE, STORES, TEST_CONNECTION, complete_page, note, record, words_of

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"


def put(store: NotificationStore, *types: str) -> None:
    opened = store.open("etl/run/drain/-1")
    for number, kind in enumerate(types):
        opened.put(Notification(number, {"typeWebhook": kind, "idMessage": str(number)}))
    opened.close()


def rows(html: str) -> list[str]:
    """The rows of all tables, in words."""
    return [words_of(row) for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL)]


# --- what it shows ---


def test_page_shows_what_drains_brought(store: SqlStore, admin: Any) -> None:
    """Of an instance whose connection Airflow can't list, from the drains' records alone."""
    note(store, record(5), record(1, stored=1234, received=1236))
    text = words_of(complete_page(admin))
    assert re.search(r"green_api_sales 1101000001 not looked at .* 1\.\d min ago: 1,234 new", text)
    assert "1,236 received, 1,234 new, 2 there already, in 3 s; stopped because the queue was empty." in text
    assert "42 s, as the last drain saw it" in text
    assert "Longest drain" in text
    assert "3 s at most within 24 hours" in text


def test_page_shows_the_error_of_the_last_drain(store: SqlStore, admin: Any) -> None:
    """In the drain's own words, which say what to do."""
    note(store, record(stopped_by="error", error="The token is refused (401): fix the connection."))
    text = words_of(complete_page(admin))
    assert "1 instance: 1 last drain failed." in text
    assert "The token is refused (401): fix the connection." in text


def test_healthy_instance_that_cant_be_drained_comes_first(store: SqlStore, admin: Any) -> None:
    """A look at the gateway sees nothing of a store that is full."""
    now = datetime.now(UTC)
    body = {"findings": [{"check": "state", "ok": True, "found": "authorized"}]}
    store.report(
        [Report("examination", name, name, "", now, body) for name in ("green_api_a", "green_api_b")]
    )
    note(store, record(conn_id="green_api_b", error="The disk is full: free space.", stopped_by="error"))
    html = complete_page(admin)
    assert "2 instances: 1 healthy, 1 last drain failed." in html
    assert re.search(
        "green_api_b .* last drain failed authorized .* green_api_a .* healthy authorized", words_of(html)
    )


def test_page_shows_signs_of_another_consumer(store: SqlStore, admin: Any) -> None:
    """A drain saw it; a later one that saw none doesn't hide it."""
    note(store, record(50, other_consumers=3), record(1))
    text = words_of(complete_page(admin))
    assert re.search(r"deletes from this queue: a drain saw 3 signs of it, 5\d\.\d min ago\.", text)


def test_page_counts_notifications_by_hour_and_type(store: SqlStore, admin: Any) -> None:
    """From the table, by its index of times."""
    put(store, *["incomingMessageReceived"] * 3, "stateInstanceChanged")
    html = complete_page(admin)
    assert "4 in 24 hours: 3 incomingMessageReceived, 1 stateInstanceChanged." in words_of(html)
    assert re.search(r"<title>\d\d:00 to \d\d:00 UTC: 3 incomingMessageReceived</title>", html)


def test_page_counts_what_came_since_it_counted_last(
    store: SqlStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours that are over are not counted again, the one under way is."""
    put(store, "incomingCall")
    complete_page(admin)
    opened = store.open("etl/run2/drain/-1")
    opened.put(Notification(9, {"typeWebhook": "incomingCall", "idMessage": "other"}))
    opened.close()
    monkeypatch.setattr("airflow_green_notify.page.kept.time.monotonic", _later(600))
    admin.get(PAGE)
    assert "2 in 24 hours: 2 incomingCall." in words_of(complete_page(admin))


def _later(seconds: float) -> Callable[[], float]:
    monotonic = time.monotonic
    return lambda: monotonic() + seconds


def test_page_counts_what_is_in_files_by_drains_and_says_so(
    tmp_path: Path, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files have no index of types: what drains stored is what there is."""
    monkeypatch.setenv(STORES, f"{tmp_path}/folder")
    note(ObjectStorageStore(tmp_path / "folder"), record(stored=5))
    text = words_of(complete_page(admin))
    assert "5 in 24 hours: 5 stored notifications." in text
    assert "A store of files tells how many notifications were stored, not of which type." in text


def test_page_shows_consumers_and_how_far_they_are_behind(store: SqlStore, admin: Any) -> None:
    """As `airflow green-api consumers` does."""
    put(store, *["incomingMessageReceived"] * 4)
    with closing(store.stream()) as stream:
        stream.save(Consumer("dashboard", stream.end() - 3))
    assert any(re.match(" dashboard 3 1 none open ", row) for row in rows(complete_page(admin)))


def test_page_shows_dead_letters(store: SqlStore, admin: Any) -> None:
    """How many there are, and since when."""
    failure = Failure.of(ValueError("no such order"), 3)
    received = datetime.now(UTC) - timedelta(hours=5)
    letter = Notification(1, {"typeWebhook": "incomingCall"}, received_at=received)
    opened = store.open("etl/run/process/-1")
    opened.put(*dead_letter(letter, note_of(failure, failure, task="etl/process")))
    opened.close()
    text = words_of(complete_page(admin))
    assert "1 dead letter; the oldest was received 5.0 h ago" in text
    assert "no such order" not in text


def test_page_shows_watchers_and_why_they_do_not_ring(store: SqlStore, admin: Any) -> None:
    """One of an instance beside it, one of a fleet beside the store."""
    now = datetime.now(UTC)
    body = {
        "state": "failing",
        "waiting_since": now.isoformat(),
        "rang_at": None,
        "why": "502; again in 60 s",
    }
    store.report(
        [
            Report("watcher", "doorbell", "green_api_sales", "1101000001", now - timedelta(minutes=2), body),
            Report(
                "watcher",
                "fleet",
                "",
                "",
                now,
                body | {"state": "looking", "waiting_since": None, "why": "quiet"},
            ),
        ]
    )
    html = complete_page(admin)
    [sales, *_] = [row for row in rows(html) if "doorbell" in row]
    assert re.search(r"2\.\d min ago .* not yet A notification waits since .* 502; again in 60 s", sales)
    assert any(re.search("fleet .* not yet quiet", row) for row in rows(html))


def test_page_shows_an_examination_that_a_task_reported(store: SqlStore, admin: Any) -> None:
    """With its findings and remedies, since when, and that it is not the page's own."""
    finding = {
        "check": "state",
        "ok": False,
        "found": "the instance is blocked",
        "remedy": "write to support",
    }
    body = {"instance": "1101000001", "host": "https://7103.api.green-api.com", "findings": [finding]}
    at = datetime.now(UTC) - timedelta(minutes=10)
    store.report([Report("examination", "green_api_sales", "green_api_sales", "", at, body)])
    html = complete_page(admin)
    assert any(re.match(" state the instance is blocked write to support ", row) for row in rows(html))
    assert re.search(r"1\d\.\d min ago", html)
    assert "a task examined it (check_instance)" in html
    assert "1 instance: 1 not healthy." in html


@pytest.mark.parametrize(
    "body", [{}, {"findings": 5}, {"findings": [3, {"ok": "yes", "found": ["x"]}]}, {"why": 7}]
)
def test_page_shows_a_report_of_any_shape(store: SqlStore, admin: Any, body: dict[str, Any]) -> None:
    """Whoever may write into a store can't take the page down."""
    now = datetime.now(UTC)
    store.report(
        [
            Report("examination", "a", "green_api_sales", "", now, body),
            Report("watcher", "w", "", "", now, body),
        ]
    )
    assert "green_api_sales" in complete_page(admin)


# --- what is empty, missing or fails ---


def test_page_without_stores_says_how_to_name_them(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are shown all the same."""
    monkeypatch.delenv(STORES, raising=False)
    text = words_of(complete_page(admin))
    assert "No store is named" in text
    assert "AIRFLOW__GREEN_API__STORES" in text
    assert "No connection of type GREEN-API is listed, and no drain or watcher reported one." in text


def test_page_of_an_empty_store_says_so_everywhere(store: SqlStore, admin: Any) -> None:
    """Nothing is empty without words."""
    store.open("etl/run/drain/-1").close()
    text = words_of(complete_page(admin))
    for sentence in (
        "Nothing was received within 24 hours.",
        "No drain ended within 24 hours.",
        "No drain told how long a notification had waited.",
        "the store has no consumers.",
        "No dead letters.",
        "No watcher reports into this store.",
    ):
        assert sentence in text


def test_store_that_cant_be_reached_is_told_in_words_and_keeps_no_other_from_being_shown(
    store: SqlStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's own error, once."""
    down = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "u", "password": "pass-of-db"}
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", json.dumps(down))
    monkeypatch.setenv(STORES, "down, warehouse")
    note(store, record())
    html = complete_page(admin)
    assert words_of(html).count("Is the database up") == 1
    assert "pass-of-db" not in html
    assert re.search(r"1\.\d min ago: 5 new", words_of(html))


@pytest.mark.parametrize(
    ("stores", "words"),
    [
        ('["warehouse', "begins like a JSON list and is none of strings"),
        ("[1, 2]", "begins like a JSON list and is none of strings"),
        ("warehouse:x.", "Mend [green_api] stores."),
        ("missing", "missing"),
    ],
)
def test_option_that_names_no_store_is_told_in_words(
    admin: Any, monkeypatch: pytest.MonkeyPatch, stores: str, words: str
) -> None:
    """The page is there all the same."""
    monkeypatch.setenv(STORES, stores)
    assert words in words_of(complete_page(admin))


def test_store_that_is_not_there_is_not_made_by_looking_at_it(
    tmp_path: Path, store: SqlStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page creates no table and no folder."""
    monkeypatch.setenv(STORES, f"warehouse, {tmp_path}/folder")
    text = words_of(complete_page(admin))
    assert f"There is no folder {tmp_path}/folder where the API server runs." in text
    assert not (tmp_path / "folder").exists()
    assert "no such table" in text
    with closing(Database("warehouse")) as database:
        assert database.rows(sqlalchemy.text("SELECT name FROM sqlite_master")) == []


# --- what it never does ---


def test_page_is_sent_with_a_strict_policy_and_keeps_to_it(store: SqlStore, admin: Any) -> None:
    """No script or style but its own files, no other host, no frame but Airflow's."""
    note(store, record())
    answer = admin.get(PAGE)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["frame-ancestors"] == "'self'"
    assert answer.headers["cache-control"] == "no-store"
    html = complete_page(admin)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", html)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?/', html)
    for name, kind in STATIC.items():
        file = admin.get(f"{PAGE}static/{name}")
        assert file.headers["content-type"].startswith(kind)
        assert file.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", file.text)


def test_hostile_names_and_errors_stay_text(
    store: SqlStore,
    admin: Any,
    list_connection: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever a foreign word stands, it is escaped."""
    now = datetime.now(UTC)
    list_connection(f"a{HOSTILE}")
    note(
        store,
        record(
            conn_id=f"b{HOSTILE}",
            instance_id=HOSTILE,
            error=HOSTILE,
            batch_id=HOSTILE,
            stopped_by=HOSTILE[:32],
        ),
    )
    put(store, HOSTILE)
    with closing(store.stream()) as stream:
        stream.save(Consumer(HOSTILE, 0, 1, HOSTILE))
    finding = {"check": HOSTILE, "ok": None, "found": HOSTILE, "remedy": HOSTILE}
    body = {"instance": HOSTILE, "host": HOSTILE, "findings": [finding], "why": HOSTILE, "state": HOSTILE}
    store.report([Report("examination", HOSTILE, f"c{HOSTILE}", HOSTILE, now, body)])
    store.report([Report("watcher", HOSTILE, f"c{HOSTILE}", HOSTILE, now, body)])
    monkeypatch.setenv(STORES, f"warehouse, {HOSTILE}, nowhere{HOSTILE.replace('/', '')}")
    html = complete_page(admin)
    assert html.count(str(escape(HOSTILE))) > 12
    assert html.count("<script") == 1
    assert "<img" not in html


def test_token_is_in_no_answer(
    store: SqlStore,
    admin: Any,
    connect: Callable[..., None],
    green_api_emulator: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not from the connection, not from the words of a gateway that echoes it, not from a drain's record."""
    token = json.loads(green_api_emulator.connection)["password"]
    monkeypatch.setenv(TEST_CONNECTION, "Enabled")
    connect("green_api_sales", green_api_emulator)
    echo = f"no such address: /waInstance1101000001/getStateInstance/{token}"
    green_api_emulator.fault("status", method="getStateInstance", times=None, status=500, body=echo)
    with pytest.raises(GreenApiError) as refused:
        GreenApiHook("green_api_sales", max_attempts=1).get_state_instance()
    note(store, record(error=str(refused.value), stopped_by="error"))
    down = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "u", "password": token}
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", json.dumps(down))
    monkeypatch.setenv(STORES, "warehouse, down")
    html = complete_page(admin)
    assert html.count("no such address") >= 2
    assert token not in html
