"""Notifications that are not as they should be: none of them stops a view, or hides what others say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from airflow_green_notify.models.making import create_models
from airflow_green_notify.stores.sql.database import Database
from tests.models.conftest import (
    ANNA,
    LID,
    TELEGRAM,
    VERA,
    about,
    all_rows,
    by_bot,
    call,
    clock,
    message,
    poll,
    put,
    rows,
    status,
)
from tests.odd_bodies import nested


@pytest.fixture
def store(sql_store: Any) -> Any:
    """An empty store, with its models, on each database in turn."""
    create_models(sql_store)
    return sql_store


ODD_TALLIES: list[Any] = ["[no JSON", "word", "", 5, None, True, {"a": 1}, {}, [], "[]", "null"]
ODD_OPTIONS: list[Any] = [
    5,
    "Now",
    "{",
    None,
    [1],
    {},
    {"optionName": None},
    {"optionName": {"a": 1}, "optionVoters": "x"},
    {"optionName": "a\0\ud800", "optionVoters": {"a": 1}},
    {"optionName": "b", "optionVoters": [None, {"a": [1]}, [2], "x" * 200, VERA]},
]


def test_odd_tally_stops_no_view(store: Any) -> None:
    """What is no list has no options; what is no option has no name."""
    bodies = [poll(f"P{n}", n, options=odd) for n, odd in enumerate(ODD_TALLIES)]
    bodies += [poll(f"U{n}", n, stanzaId=f"Q{n}", votes=odd) for n, odd in enumerate(ODD_TALLIES)]
    put(store, [*bodies, poll("P", 99, options=ODD_OPTIONS), poll("U", 99, stanzaId="Q", votes=ODD_OPTIONS)])
    for id_message in ("P", "Q"):
        found = [row for row in rows(store, "polls") if row["id_message"] == id_message]
        assert sorted((row["option_name"] or "", row["voter"] or "") for row in found) == sorted(
            [("", "")] * 8 + [("a\ufffd\ufffd800", "")] + [("b", "")] * 3 + [("b", "x" * 200), ("b", VERA)]
        )
    assert {row["id_message"] for row in rows(store, "polls")} == {"P", "Q"}


def test_what_is_no_text_is_nothing(store: Any) -> None:
    """Neither the word null nor JSON is a name or a reason."""
    odd = [None, {"a": 1}, ["a"], {}, []]
    for n, each in enumerate(odd):
        named = {"chatId": f"{n}@c.us", "sender": ANNA, "chatName": each}
        put(
            store,
            [
                message("A", 0) | {"senderData": named},
                status(f"B{n}", 2, "failed", description=each, chatId=VERA),
                message("T", 3, chat=f"{n}", instance=TELEGRAM, senderPhoneNumber=each),
                message("T", 3, chat=f"9{n}", instance=TELEGRAM, senderPhoneNumber=10**20),
            ],
            f"dag/{n}/drain/-1",
        )
    nothing = [None] * len(odd)
    assert [row["name"] for row in rows(store, "chats") if row["chat_id"].endswith("@c.us")] == nothing
    assert {row["failure_reason"] for row in rows(store, "message_statuses")} == {"failed"}
    assert [row["phone"] for row in rows(store, "contacts") if row["instance_id"] == TELEGRAM] == nothing * 2


def test_text_that_no_database_takes_is_shown_without_it(store: Any) -> None:
    """NUL and lone surrogates, in what only the body has."""
    put(
        store,
        [
            message("A", 0, name="\ud800x"),
            message("B", 0, chat=VERA, name="a\0b \\ud800"),
            status("C", 2, "failed", description="\udfff\0"),
        ],
    )
    assert [row["name"] for row in rows(store, "chats")] == ["\ufffd800x", "a\ufffdb \\ufffd800"]
    assert [row["failure_reason"] for row in rows(store, "message_statuses")] == ["\ufffdfff\ufffd"]


@pytest.mark.slow
def test_body_of_many_levels_stops_no_view(store: Any) -> None:
    """PostgreSQL gives up on JSON that is deeper than its stack."""
    deep = nested(20_000)
    put(
        store,
        [
            message("A", 0, name="Anna"),
            message("B", 1, chat=VERA, deep=deep),
            status("B", 1, "read") | {"deep": deep},
            poll("P", 1, options=deep),
            call("C", 1, "offer", deep=deep),
        ],
    )
    all_rows(store)
    assert "Anna" in [row["name"] for row in rows(store, "chats")]


def test_what_has_no_time_is_not_the_newest(store: Any) -> None:
    """It comes before whatever has one, on each database."""
    put(
        store,
        [
            message("A", 0),
            about("E1", 2, "A", "editedMessage", "in time"),
            about("E2", 3, "A", "editedMessage", "whenever") | {"timestamp": None},
            by_bot("B", 0),
            status("B", 1, "failed", description="in time"),
            status("B", 1, "yellowCard", description="whenever") | {"timestamp": "soon"},
            call("C", 1, "missed"),
            call("C", 1, "declined") | {"timestamp": 10**20},
        ],
    )
    assert {row["id_message"]: row["text"] for row in rows(store, "messages")}["A"] == "in time"
    found = rows(store, "message_statuses", "status", "failure_reason")
    assert found == [{"status": "failed", "failure_reason": "in time"}]
    assert [row["status"] for row in rows(store, "calls")] == ["missed"]


def test_edit_that_could_not_be_decrypted_changes_no_text(store: Any) -> None:
    """Its marker is no text of anybody's."""
    put(store, [message("A", 0, "first"), about("E", 1, "A", "editedMessage", "{{SWE001}}")])
    assert rows(store, "messages", "text", "edited_at") == [{"text": "first", "edited_at": clock(1)}]


def test_own_number_is_not_the_contacts(store: Any) -> None:
    """What was sent names the account as its author."""
    put(store, [by_bot("A", 0, chat="10000042", instance=TELEGRAM, senderPhoneNumber=99912345)])
    assert rows(store, "contacts", "contact_key", "phone") == [{"contact_key": "10000042", "phone": None}]


def test_chat_of_nobody_gives_no_lid_a_number(store: Any) -> None:
    """Else all whose messages came in it would be one person."""
    put(store, [message("A", 0, chat="null@c.us", sender=LID), message("B", 1, chat=LID)])
    assert {row["id_message"]: row["contact_key"] for row in rows(store, "messages")}["B"] == LID


def test_duration_is_a_whole_number_or_nothing(store: Any) -> None:
    """On each database."""
    odd = ["long", 1.5, -3, 10**30, "", True, None, {"a": 1}]
    put(store, [call(f"C{n}", 0, "hangUp", duration=each) for n, each in enumerate([42, "42", *odd])])
    found = {row["id_message"]: row["duration"] for row in rows(store, "calls")}
    assert [found[f"C{n}"] for n in range(len(found))] == [42, 42] + [None] * len(odd)


def test_order_of_texts_is_that_of_their_bytes(make_store: Callable[[str], Any]) -> None:
    """PostgreSQL may order them as a language does, others never do."""
    found = []
    for kind in ("sqlite", "postgres"):
        store = make_store(kind)
        put(store, [message("A", 0, chat=VERA)])
        if kind == "postgres":
            with closing(Database(store.conn_id)) as database:
                for column in ("chat_id", "sender", "body"):
                    database.execute_text(
                        f'ALTER TABLE {store.table} ALTER {column} TYPE text COLLATE "en-x-icu"', ()
                    )
        create_models(store)
        more = [message("B", 1, name="anna"), message("C", 1, name="Boris"), message("D", 2, chat=LID)]
        more += [message(f"{n}", 1, chat=f"{n}@c.us", sender=LID) for n in (12, 123)]
        put(store, more, "dag/2/drain/-1")
        found.append(all_rows(store))
    assert found[0] == found[1]
    assert {row["contact_key"] for row in found[0]["messages"] if row["id_message"] == "D"} == {"123@c.us"}
