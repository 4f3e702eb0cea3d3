"""One person under two ids: phone number and LID, on what sends, waits, drains and repairs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_green_notify.drain import StopCondition, drain
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiTransportError, GreenApiUnavailableError
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.hooks import GreenApiHook, instance_hook, who_is_who
from airflow_green_notify.hooks.who_is_who import contacts_of
from airflow_green_notify.operators import GreenApiBackfillMessagesOperator, GreenApiSendMessageOperator
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore, read_batch

PHONE, LID = "12025550101@c.us", "200012025550101@lid"
OTHER_PHONE, OTHER_LID = "12025550102@c.us", "200012025550102@lid"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_hook, "_retry_wait", lambda state: 0.05)


@pytest.fixture
def gateway(green_api_connection: GreenApiEmulator) -> GreenApiEmulator:
    """A gateway that shows people by their LID, however they were written to."""
    green_api_connection.switch(contact_ids="lid", rate_limits=False)
    return green_api_connection


@pytest.fixture(params=["sqlite", "postgres", "files"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> NotificationStore:
    """An empty store of each kind."""
    if request.param == "files":
        return ObjectStorageStore(tmp_path / "files")
    connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "store.db")})
    if request.param == "postgres":
        connection = request.getfixturevalue("postgres_connection")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", connection)
    return SqlStore("store", table=f"t{time.time_ns()}")


def methods(gateway: GreenApiEmulator) -> Counter[str]:
    return Counter(request["method"] for request in gateway.requests())


def text_from(chat_id: str, number: int = 0, sender: str | None = None) -> dict[str, Any]:
    return {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001, "wid": "12025550100@c.us", "typeInstance": "whatsapp"},
        "timestamp": int(datetime.now(UTC).timestamp()),
        "idMessage": f"3EB0{number:04d}",
        "senderData": {"chatId": chat_id, "sender": sender or chat_id, "senderName": "Anna"},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": f"Text {number}"}},
    }


# --- sending ---


@pytest.mark.slow
def test_send_killed_at_random_moments_reaches_each_chat_once(
    gateway: GreenApiEmulator, tmp_path: Path
) -> None:
    """Twenty tries are killed, each to another number with the same text, and the journal shows LIDs."""
    chats = [f"120255501{number:02d}@c.us" for number in range(1, 21)]
    command = [sys.executable, "-m", "tests.operators.killed_send", str(tmp_path), *chats]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    sent = gateway.sent()
    assert Counter(item["chatId"] for item in sent) == dict.fromkeys(chats, 1)
    told = [line for line in ended.stdout.splitlines() if line.startswith("3EB0")]
    assert told == [item["idMessage"] for item in sent]
    assert (ended.stdout + ended.stderr).count("An earlier try sent it already") >= len(chats) / 2


@pytest.fixture
def context() -> Any:
    return {"task_state_store": _State()}


class _State(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def ask(chat_id: str = PHONE, **arguments: Any) -> GreenApiSendMessageOperator:
    return GreenApiSendMessageOperator(
        task_id="ask", chat_id=chat_id, message="Deploy?", **({"journal_lag": 0.5} | arguments)
    )


@pytest.mark.parametrize("type_instance", ["whatsapp", "telegram", "v3"])
@pytest.mark.parametrize("contact_ids", ["c.us", "lid", "changes midway"])
@pytest.mark.slow
def test_send_whose_answer_was_lost_is_found_under_either_id(
    monkeypatch: pytest.MonkeyPatch, context: Any, type_instance: str, contact_ids: str
) -> None:
    """On each product, whichever id the journal shows for the number written to."""
    with GreenApiEmulator(type_instance=type_instance, rate_limits=False, contact_ids=contact_ids) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        gateway.fault("cut_after", method="sendMessage")
        assert ask().execute(context) == gateway.sent()[0]["idMessage"]
        assert len(gateway.sent()) == 1


def test_send_is_not_taken_for_the_same_text_to_somebody_else(
    gateway: GreenApiEmulator, context: Any
) -> None:
    """Two people with the same text: the one's message is not the other's, by whatever id it is shown."""
    ask(OTHER_PHONE).execute({})
    gateway.fault("cut_before", method="sendMessage")
    with pytest.raises(GreenApiTransportError):
        ask().execute(context)
    ask().execute(context)
    assert Counter(item["chatId"] for item in gateway.sent()) == {PHONE: 1, OTHER_PHONE: 1}


def in_doubt(gateway: GreenApiEmulator, context: Any, method: str, **fault: Any) -> None:
    """A message is sent, its answer lost, and who is who can't be asked from then on."""
    gateway.fault("cut_after", method="sendMessage")
    gateway.fault("500", method="lastOutgoingMessages", times=None)
    with pytest.raises(GreenApiTransportError):
        ask().execute(context)
    gateway.clear_faults()
    gateway.fault(**({"kind": "500", "method": method, "times": None} | fault))


def test_send_again_during_an_outage_fails_and_the_next_try_finds_it(
    gateway: GreenApiEmulator, context: Any
) -> None:
    """Nobody can tell whether the LID in the journal is the number written to: better late than twice."""
    in_doubt(gateway, context, "getContacts")
    with pytest.raises(GreenApiUnavailableError):
        ask().execute(context)
    gateway.clear_faults()
    assert ask().execute(context) == gateway.sent()[0]["idMessage"]
    assert len(gateway.sent()) == 1


def test_send_again_where_nobody_tells_who_is_who_is_sent_and_says_so(
    gateway: GreenApiEmulator, context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway without these methods, or a plan at its limit, holds up no message for ever."""
    in_doubt(gateway, context, "getContacts", kind="status", status=404)
    gateway.fault("status", status=400, method="getContactInfo", times=None)
    gateway.fault("status", status=466, method="checkWhatsapp", times=None)
    with caplog.at_level(logging.WARNING):
        ask().execute(context)
    assert caplog.text.count("Ids that differ may be one person's") == 3
    assert len(gateway.sent()) == 2


# --- asking ---


def test_gateway_is_asked_in_the_cheapest_way_and_once(gateway: GreenApiEmulator) -> None:
    """The list of contacts serves everybody in it; only whoever isn't there is asked for by number."""
    with GreenApiHook() as hook:
        hook.send_message(PHONE, "Hi")
        contacts = contacts_of(lambda: hook)
        gateway.clear_requests()
        for _ in range(3):
            assert contacts.are_same(PHONE, [LID])
            assert not contacts.are_same(PHONE, [OTHER_LID])
        assert methods(gateway) == {"getContacts": 1}
        for _ in range(3):
            assert contacts.are_same(OTHER_PHONE, [OTHER_LID])
            assert not contacts.are_same(OTHER_PHONE, [LID])
        assert methods(gateway) == {"getContacts": 1, "getContactInfo": 1}


@pytest.mark.parametrize("silent", [(), ("getContacts",), ("getContacts", "getContactInfo")])
@pytest.mark.parametrize(("wanted", "found"), [(PHONE, LID), (LID, PHONE)])
def test_each_method_tells_by_itself_who_is_who(
    gateway: GreenApiEmulator, silent: tuple[str, ...], wanted: str, found: str
) -> None:
    """What a gateway refuses, the next method may know; only a LID's number is asked for in two ways."""
    for method in silent:
        gateway.fault("status", status=404, method=method, times=None)
    with GreenApiHook() as hook:
        hook.send_message(PHONE, "Hi")
        known = wanted == PHONE or "getContactInfo" not in silent
        assert contacts_of(lambda: hook).are_same(wanted, [found]) is known


def test_gateway_that_is_away_is_left_alone_for_a_while(
    gateway: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comparison fails at once, and the question comes again later."""
    gateway.fault("500", method="getContacts", times=None)
    with GreenApiHook(max_attempts=1) as hook:
        contacts = contacts_of(lambda: hook)
        for _ in range(20):
            with pytest.raises(GreenApiUnavailableError):
                contacts.are_same(PHONE, [LID])
        assert methods(gateway) == {"getContacts": 1}
        gateway.clear_faults()
        monkeypatch.setattr(who_is_who.Stopwatch, "seconds", lambda self: 60.0)
        assert contacts.are_same(PHONE, [LID])


def test_gateway_that_fails_slowly_is_left_alone_for_as_long_as_it_took(
    gateway: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain that asks has more to do than to wait for timeouts."""
    monkeypatch.setattr(instance_hook, "_retry_wait", lambda state: 0.4)
    monkeypatch.setattr(who_is_who, "ASK_AGAIN_AFTER", 0.0)
    gateway.fault("500", method="getContacts", times=None)
    with GreenApiHook(max_attempts=3) as hook:
        contacts = contacts_of(lambda: hook)
        for _ in range(5):
            with pytest.raises(GreenApiUnavailableError):
                contacts.are_same(PHONE, [LID])
        assert methods(gateway) == {"getContacts": 3}


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_number_is_looked_up_where_chats_have_numbers_of_their_own(
    monkeypatch: pytest.MonkeyPatch, type_instance: str
) -> None:
    """Telegram and MAX have another method for it."""
    with GreenApiEmulator(type_instance=type_instance, rate_limits=False) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        with GreenApiHook() as hook:
            assert not contacts_of(lambda: hook).are_same(PHONE, ["10000077"])
        assert methods(gateway) == {"getContacts": 1, "checkAccount": 1}


# --- draining, repairing ---


def test_drain_accepts_a_person_under_either_id(
    gateway: GreenApiEmulator, store: NotificationStore, tmp_path: Path
) -> None:
    """What the filter names by number comes under a LID, and one question serves all of it."""
    gateway.push(*(text_from(LID if number % 2 else OTHER_LID, number) for number in range(20)))
    with store.open("accepted") as accepted, ObjectStorageStore(tmp_path / "rest").open("rest") as rest:
        report = drain(
            GreenApiHook(),
            accepted,
            stop=StopCondition(),
            receive_timeout=0.1,
            accept=NotificationFilter(chat_id=PHONE),
            unmatched=rest,
        )
        batch = accepted.close()
    assert {item.chat_id for item in read_batch(batch)} == {LID}
    assert (batch["count"], report.unmatched, report.undecided) == (10, 10, 0)
    assert sum(methods(gateway)[name] for name in ("getContacts", "checkWhatsapp", "getContactInfo")) <= 2


def test_drain_is_not_held_up_by_people_about_whom_nobody_can_be_asked(
    gateway: GreenApiEmulator, store: NotificationStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They count as accepted, as does what a filter fails on, and the log says so."""
    gateway.fault("500", method="getContacts", times=None)
    gateway.push(*(text_from(LID, number) for number in range(5)))
    with store.open("accepted") as accepted, ObjectStorageStore(tmp_path / "rest").open("rest") as rest:
        report = drain(
            GreenApiHook(max_attempts=2),
            accepted,
            receive_timeout=0.1,
            accept=NotificationFilter(chat_id=PHONE),
            unmatched=rest,
        )
    assert (report.stored, report.unmatched, report.undecided, report.stopped_by) == (5, 0, 5, "empty")
    assert "could not be asked" in caplog.text
    assert gateway.queue() == []


@pytest.fixture
def of_product(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[GreenApiEmulator]:
    with GreenApiEmulator(
        type_instance=request.param,
        rate_limits=False,
        contact_ids="changes midway",
        contact_ids_change_after=6,
    ) as gateway:
        monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", gateway.connection)
        gateway.settings(outgoingWebhook="yes", outgoingAPIMessageWebhook="yes")
        yield gateway


class _Ti(SimpleNamespace):
    def get_task_states(self, **about: Any) -> dict[str, Any]:
        return {"run": {"backfill": "success"}}


@pytest.mark.parametrize("of_product", ["whatsapp", "telegram", "v3"], indirect=True)
@pytest.mark.slow
def test_backfill_after_a_drain_doubles_no_row_while_ids_change_midway(
    of_product: GreenApiEmulator, store: NotificationStore
) -> None:
    """The queue brought some by number and some by LID; the journals show all of them by LID."""
    with GreenApiHook() as hook:
        for number in range(10):
            hook.send_message(PHONE if number % 2 else OTHER_PHONE, f"Text {number}")
        of_product.reply(".", "Answer", quoted=False)
        for number in range(10, 14):
            hook.send_message(PHONE, f"Text {number}")
    with store.open("drained") as opened:
        drain(GreenApiHook(), opened, receive_timeout=0.1, stop=StopCondition(max_seconds=20))
        drained = opened.close()
    ids = {item.chat_id for item in read_batch(drained) if item.type_webhook == "outgoingAPIMessageReceived"}
    assert len(ids) == (4 if of_product.type_instance == "whatsapp" else 2)
    of_product.advance(timedelta(minutes=10).total_seconds())
    task = GreenApiBackfillMessagesOperator(task_id="backfill", store=store, receive_timeout=0.1)
    told = _Ti(dag_id="repair", run_id="run", task_id="backfill", map_index=-1, try_number=1)
    batch: Any = task.execute({"ti": told})  # type: ignore[typeddict-item]
    assert (batch["count"], batch["report"]["stored"]) == (0, 0)
    assert batch["report"]["held"] + batch["report"]["waiting"] == batch["report"]["entries"] >= 18


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_messages_of_two_chats_with_one_id_are_two_where_ids_are_the_chats(
    green_api_connection: GreenApiEmulator, store: NotificationStore, type_instance: str
) -> None:
    """Telegram and MAX count messages within each chat: the backfill adds the one that the store lacks."""
    green_api_connection.switch(rate_limits=False)
    stamped = int(datetime.now(UTC).timestamp()) - 3600
    bodies = [text_from(chat, 17) | {"timestamp": stamped} for chat in ("10000042", "10000043")]
    for body in bodies:
        body["instanceData"]["typeInstance"] = type_instance
    green_api_connection.push(*bodies)
    with store.open("drained") as opened:
        drain(GreenApiHook(), opened, receive_timeout=0.1, stop=StopCondition(max_notifications=1))
        opened.close()
    with GreenApiHook() as hook:
        head = hook.receive_notification(0.1)
        assert head is not None
        hook.delete_notification(head.receipt_id)
    task = GreenApiBackfillMessagesOperator(task_id="backfill", store=store, receive_timeout=0.1)
    told = _Ti(dag_id="repair", run_id="run", task_id="backfill", map_index=-1, try_number=1)
    batch: Any = task.execute({"ti": told})  # type: ignore[typeddict-item]
    assert [item.chat_id for item in read_batch(batch)] == ["10000043"]
