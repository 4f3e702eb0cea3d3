"""Who may see the page: whoever is signed in to Airflow and may read connections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.page import access
from airflow_green_notify.page.app import STATIC, page_app
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.report import Report
from tests.page.conftest import PAGE, TEST_CONNECTION, complete_page, note, record, words_of

ADDRESSES = [PAGE, *(f"{PAGE}static/{name}" for name in STATIC)]
AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_without_a_token_is_401(client_of: Callable[..., Any], address: str) -> None:
    """Airflow authenticates no plugin by itself."""
    assert client_of().get(address).status_code == 401


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_with_a_token_of_another_airflow_is_refused(
    client_of: Callable[..., Any], address: str
) -> None:
    """A token must be one that this Airflow signed."""
    client = client_of()
    client.headers["Authorization"] = "Bearer eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"
    assert client.get(address).status_code in (401, 403)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("role", ["VIEWER", "USER"])
def test_address_for_who_may_not_read_connections_is_403(
    client_of: Callable[..., Any], address: str, role: str
) -> None:
    """What stands on the page is for those who may read connections."""
    assert client_of(role).get(address).status_code == 403


@pytest.mark.parametrize("by_cookie", [False, True])
@pytest.mark.parametrize("role", ["OP", "ADMIN"])
def test_page_opens_by_header_and_by_the_cookie_of_the_ui(
    client_of: Callable[..., Any], role: str, by_cookie: bool
) -> None:
    """The frame in which Airflow's UI shows it sends the cookie alone."""
    client = client_of(role, by_cookie)
    assert {client.get(address).status_code for address in ADDRESSES} == {200}


@pytest.mark.parametrize(
    ("role", "sentence"),
    [(None, "Sign in to Airflow, and open this page again."), ("VIEWER", "permission to read connections")],
)
def test_refusal_is_a_page_that_says_what_to_do(
    client_of: Callable[..., Any], role: str | None, sentence: str
) -> None:
    """The menu entry is there for everybody: who opens it must read more than a number."""
    answer = client_of(role).get(PAGE)
    assert sentence in words_of(answer.text)
    assert answer.headers["content-type"].startswith("text/html")


def test_every_route_asks_for_permission() -> None:
    """A route that is added later is guarded, too: by the app, not one by one."""
    routes = [route for route in page_app().routes if hasattr(route, "dependant")]
    assert len(routes) == 2
    for route in routes:
        called = [each.call.__qualname__ for each in route.dependant.dependencies if each.call]
        assert any("requires_access_connection" in name for name in called), route
        assert route.methods == {"GET"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_page_can_only_be_read(admin: Any, method: str) -> None:
    """Nothing can be changed by it."""
    assert admin.request(method, PAGE).status_code == 405


class _OnlySales:
    """An auth manager that lets everybody read one connection."""

    def is_authorized_connection(self, *, method: str, user: Any, details: Any = None) -> bool:
        return details is None or details.conn_id in (None, "green_api_sales")

    if AIRFLOW >= (3, 2):

        def filter_authorized_connections(
            self, *, conn_ids: set[str], user: Any, method: str, team_name: str | None
        ) -> set[str]:
            return conn_ids & {"green_api_sales"}


def only_sales_is_readable(airflow_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Airflow's auth manager decide like :class:`_OnlySales`."""
    name = "filter_authorized_connections" if AIRFLOW >= (3, 2) else "is_authorized_connection"
    monkeypatch.setattr(type(airflow_app.state.auth_manager), name, getattr(_OnlySales, name))


def test_connections_are_filtered_by_what_a_user_may_read() -> None:
    """On Airflow 3.1 by a question for each, later by one for all of a team."""
    teams: dict[str, str | None] = {"green_api_sales": None, "green_api_support": "support"}
    assert access.readable(_OnlySales(), None, teams) == {"green_api_sales"}  # type: ignore[arg-type]


def test_connection_that_a_user_may_not_read_is_neither_shown_nor_looked_at(
    client_of: Callable[..., Any],
    airflow_app: Any,
    connect: Callable[..., None],
    store: SqlStore,
    green_api_emulator: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Filtered for each user, though what is gathered is shared."""
    monkeypatch.setenv(TEST_CONNECTION, "Enabled")
    connect("green_api_sales", green_api_emulator)
    secret = green_api_emulator.add_instance()
    connect("green_api_northern", green_api_emulator, login=secret.id_instance, password=secret.api_token)
    connect("green_api_northern_too", green_api_emulator)
    note(store, record(conn_id="green_api_northern", error="northern"), record(conn_id="green_api_sales"))
    body = {"state": "looking", "waiting_since": None, "rang_at": None, "why": "northern"}
    now = datetime.now(UTC)
    store.report([Report("watcher", "northern", "green_api_northern", "", now, body)])
    store.report([Report("watcher", "doorbell of green_api_northern and 5 more", "", "", now, body)])
    only_sales_is_readable(airflow_app, monkeypatch)
    text = complete_page(client_of("ADMIN"))
    assert "green_api_sales" in text
    assert " ago: 5 new" in text
    assert "northern" not in text
    assert secret.requests() == []
