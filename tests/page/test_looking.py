"""Looks at the gateway: one per instance and method a minute, while somebody looks at the page."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.page import looking
from tests.page.conftest import PAGE, TEST_CONNECTION, complete_page, words_of

Connect = Callable[..., None]


@pytest.fixture
def looks_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_CONNECTION, "Enabled")


def calls(gateway: GreenApiEmulator) -> Counter[str]:
    """How often each method was called."""
    return Counter(each["method"] for each in gateway.requests())


@pytest.mark.usefixtures("looks_are_on")
def test_page_shows_what_a_look_found(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator
) -> None:
    """The doctor's own findings, as of when, and what the count is worth; nothing is deleted."""
    green_api_emulator.push({"typeWebhook": "incomingCall", "timestamp": int(time.time()) - 3600})
    connect("green_api_sales", green_api_emulator)
    text = words_of(complete_page(admin))
    assert "1 instance: 1 healthy." in text
    assert "green_api_sales 1101000001 healthy authorized 1 1.0 h none ended in 24 h" in text
    assert "incomingCall has waited for 1.0 h" in text
    assert "switched on: " in text
    assert "this page looked. Host: http://127.0.0.1" in text
    assert "wrong zeros are known: only the oldest notification is proof" in text
    assert len(green_api_emulator.queue()) == 1


@pytest.mark.usefixtures("looks_are_on")
def test_first_answer_does_not_wait_for_the_gateway(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator
) -> None:
    """It says what is under way, and the page refreshes itself."""
    connect("green_api_sales", green_api_emulator)
    text = admin.get(PAGE).text
    assert 'data-complete="no"' in text
    assert "being looked at" in text


@pytest.mark.usefixtures("looks_are_on")
def test_many_users_at_once_cause_one_look(
    connect: Connect, client_of: Callable[..., Any], green_api_emulator: GreenApiEmulator
) -> None:
    """Each method is called once at most, however many look, and however often."""
    green_api_emulator.state("yellowCard")
    connect("green_api_sales", green_api_emulator)
    clients = [client_of("ADMIN" if number % 2 else "OP") for number in range(20)]
    with ThreadPoolExecutor(20) as users:
        answers = list(users.map(complete_page, clients))
    assert all("yellowCard" in answer for answer in answers)
    for client in clients:
        client.get(PAGE)
    assert set(calls(green_api_emulator).values()) == {1}
    assert calls(green_api_emulator)["getStateInstance"] == 1


@pytest.mark.usefixtures("looks_are_on")
def test_queue_that_is_not_empty_is_looked_at_once_per_method(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator
) -> None:
    """Also where the doctor itself would look a second time: at a send queue, at a long silence."""
    green_api_emulator.switch(send_delay=600.0)
    connect("green_api_sales", green_api_emulator)
    hook = GreenApiHook("green_api_sales")
    for text in ("one", "two"):
        hook.send_message("12025550101@c.us", text)
    before = calls(green_api_emulator)
    assert "wait to be sent" in words_of(complete_page(admin))
    assert set((calls(green_api_emulator) - before).values()) == {1}


@pytest.mark.usefixtures("looks_are_on")
def test_next_look_comes_after_a_minute_if_somebody_still_asks(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute from the end of one to the begin of the next."""
    connect("green_api_sales", green_api_emulator)
    complete_page(admin)
    monotonic, later = time.monotonic, 59.0
    monkeypatch.setattr(looking.time, "monotonic", lambda: monotonic() + later)
    admin.get(PAGE)
    time.sleep(1)
    assert calls(green_api_emulator)["getStateInstance"] == 1
    later = 75.0
    admin.get(PAGE)
    _until(lambda: calls(green_api_emulator)["getStateInstance"] == 2)


@pytest.mark.usefixtures("looks_are_on")
def test_nobody_looks_no_look_is_made(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by itself when its time has come, nor for somebody who left before its turn came."""
    connect("green_api_sales", green_api_emulator)
    complete_page(admin)
    looked = calls(green_api_emulator)
    monotonic = time.monotonic
    monkeypatch.setattr(looking.time, "monotonic", lambda: monotonic() + 75.0)
    time.sleep(1.5)
    assert calls(green_api_emulator) == looked
    monkeypatch.setattr(looking, "ASKED_FOR", -1.0)
    admin.get(PAGE)
    time.sleep(1.5)
    assert calls(green_api_emulator) == looked


@pytest.mark.parametrize("setting", [None, "Disabled", "Hidden", "enabled-ish"])
def test_no_look_is_made_where_airflow_does_not_allow_it(
    connect: Connect,
    admin: Any,
    green_api_emulator: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
) -> None:
    """The page says so, and what it shows instead."""
    if setting is None:
        monkeypatch.delenv(TEST_CONNECTION, raising=False)
    else:
        monkeypatch.setenv(TEST_CONNECTION, setting)
    connect("green_api_sales", green_api_emulator)
    text = words_of(complete_page(admin))
    time.sleep(0.5)
    assert green_api_emulator.requests() == []
    assert "[core] test_connection is not Enabled" in text
    assert "1 instance: 1 not looked at." in text


@pytest.mark.usefixtures("looks_are_on")
def test_connections_of_one_instance_take_turns(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is the instance's, whichever connection leads to it; each of them comes."""
    for name in ("green_api_one", "green_api_two"):
        connect(name, green_api_emulator)
    text = words_of(complete_page(admin))
    assert calls(green_api_emulator)["getStateInstance"] == 1
    assert "It takes turns with green_api_" in text
    monotonic = time.monotonic
    monkeypatch.setattr(looking.time, "monotonic", lambda: monotonic() + 75.0)
    admin.get(PAGE)
    _until(lambda: "2 instances: 2 healthy, with warnings." in words_of(complete_page(admin)))
    assert calls(green_api_emulator)["getStateInstance"] == 2


@pytest.mark.usefixtures("looks_are_on")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"password": "another"},
            "compare the connection's password with the apiTokenInstance in the console",
        ),
        ({"login": "abc"}, "login must be the idInstance"),
        ({"host": "http://127.0.0.1:1", "port": None}, "connection"),
    ],
)
def test_connection_that_does_not_work_is_shown_with_its_remedy(
    connect: Connect, admin: Any, green_api_emulator: GreenApiEmulator, changes: dict[str, Any], words: str
) -> None:
    """Each stays alone with its fault, and is unfolded."""
    connect("green_api_wrong", green_api_emulator, **changes)
    html = complete_page(admin)
    assert "1 instance: 1 not healthy." in html
    assert words in words_of(html)


def _until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
