"""How soon the models answer over a large table of PostgreSQL, and what they cost a put.

``python -m tests.benchmarks.models`` fills a table of 2,000,000 notifications of 100 instances in 90 days
(texts, media, groups, LIDs, edits, deletions, reactions, statuses, calls, states), makes the models, and asks
each for one chat, for one day or month of one instance, for a report over all that one instance has, and for
the large extracts, which are the very rows of an instance or of a day of all; without PostgreSQL's JIT, as
the documentation says. It prints the median of some rounds in milliseconds, the rows, and by which indexes
the plan finds them. Exit code 1 if one that is no extract takes 300 ms or more, or reads the whole table.
``--puts`` prints what a put takes without the indexes of the models and with them. ``--explain VIEW`` prints
the plans of one view.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from airflow_green_notify.emulator.traffic import traffic
from airflow_green_notify.models.making import VIEWS, create_models
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.row import to_row
from airflow_green_notify.stores.sql.database import Database
from airflow_green_notify.stores.sql.tables import StoreTables, chat_id_of
from tests.servers import postgres

LIMIT = 300.0
"""Milliseconds that a usual question may take."""

ROUNDS = 5
INSTANCES = 100
FIRST, DAYS = datetime(2026, 9, 1, tzinfo=UTC), 90
BASE = 1_101_000_000
INSTANCE, DAY = str(BASE + 42), "2026-10-15"
CHAT = "120255510007@c.us"
TABLE = "green_api_notifications"
QUIET = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}

DAY_OF = {
    "messages": "sent_on",
    "message_statuses": "first_status_on",
    "reactions": "reacted_on",
    "polls": "counted_on",
    "conversations": "started_on",
    "response_times": "asked_on",
    "instance_daily": "day",
    "messages_per_hour": "day",
    "instance_states": "since_day",
    "calls": "started_on",
}
REPORT_OF = {
    "messages": "sent_on, direction, sent_from, count(*), count(DISTINCT contact_key)",
    "message_statuses": "first_status_on, status, count(*), avg(seconds_to_deliver)",
    "reactions": "reacted_on, reaction, count(*)",
    "polls": "question, option_name, count(voter)",
    "conversations": "started_on, started_by, count(*), avg(seconds_to_human_answer)",
    "response_times": "asked_on, answered_by, count(*), avg(seconds_to_answer)",
    "instance_states": "state, count(*)",
    "calls": "started_on, direction, count(*)",
}
"""What a report over all of an instance shows, behind the names by which it groups."""
WITHOUT_CHAT = ("contacts", "instance_daily", "messages_per_hour", "instance_states")
_MULTIPLY = """
    INSERT INTO {table} ({columns})
    SELECT {values} FROM {table}, generate_series(1, {copies}) AS n
"""


def life(rows: int) -> Iterator[dict[str, Any]]:
    """Yield the bodies of one instance, without timestamps: the generator's, and what follows from them."""
    chance = random.Random(1)
    for number, body in enumerate(traffic(1, rows, id_instance=BASE)):
        kind = body["typeWebhook"]
        phone = f"1202555{10000 + chance.randrange(50)}"
        chat = f"{phone}@c.us"
        if kind == "outgoingMessageStatus":
            yield from _sent(chance, body, chat)
        elif kind == "incomingMessageReceived":
            yield from _received(chance, body, chat)
        else:
            yield body | {"from": chat}
        if number % 500 == 0:
            state = {"typeWebhook": "stateInstanceChanged", "instanceData": body["instanceData"]}
            yield state | {"stateInstance": chance.choice(["authorized", "starting", "yellowCard"])}


def _sent(chance: random.Random, status: dict[str, Any], chat: str) -> Iterator[dict[str, Any]]:
    kind = chance.choice(["outgoingAPIMessageReceived", "outgoingMessageReceived"])
    text = {"typeMessage": "extendedTextMessage", "extendedTextMessageData": {"text": "On its way " * 5}}
    sender = {"chatId": chat, "chatName": "", "sender": "12025550100@c.us", "senderName": "Desk"}
    common = {name: status[name] for name in ("instanceData", "idMessage")}
    yield common | {"typeWebhook": kind, "senderData": sender, "messageData": text}
    for word in ("sent", "delivered", "read")[: chance.randint(1, 3)]:
        by_api = {"sendByApi": kind == "outgoingAPIMessageReceived"}
        yield common | {"typeWebhook": status["typeWebhook"], "chatId": chat, "status": word} | by_api


def _received(chance: random.Random, body: dict[str, Any], chat: str) -> Iterator[dict[str, Any]]:
    sender, lid = chat, f"2000{chat.removesuffix('@c.us')}@lid"
    if (dice := chance.random()) < 0.1:
        chat = f"12036302555{chance.randrange(8)}@g.us"
    elif dice < 0.2:
        chat = sender = lid
    elif dice < 0.22:
        sender = lid
    data = body["senderData"] | {"chatId": chat, "sender": sender}
    yield (body := body | {"senderData": data})
    target = {"stanzaId": body["idMessage"]}
    for kind, share, payload in (
        ("editedMessage", 0.05, {"editedMessageData": {"textMessage": "No, blue"} | target}),
        ("deletedMessage", 0.02, {"deletedMessageData": target}),
        ("reactionMessage", 0.05, {"extendedTextMessageData": {"text": "👍"}, "quotedMessage": target}),
    ):
        if chance.random() < share:
            more = {"idMessage": f"{body['idMessage']}{kind[:1].upper()}"}
            yield body | more | {"messageData": {"typeMessage": kind} | payload}
    if chance.random() < 0.01:
        poll = {"name": "When?", "options": [{"optionName": "Now"}, {"optionName": "Later"}]}
        votes = [{"optionName": "Now", "optionVoters": [sender]}, {"optionName": "Later", "optionVoters": []}]
        asked = {"idMessage": f"{body['idMessage']}P"}
        yield body | asked | {"messageData": {"typeMessage": "pollMessage", "pollMessageData": poll}}
        tally = {"stanzaId": asked["idMessage"], "name": "When?", "votes": votes}
        answer = {"messageData": {"typeMessage": "pollUpdateMessage", "pollMessageData": tally}}
        yield body | {"idMessage": f"{body['idMessage']}V"} | answer


class Large:
    """The table, and questions to it."""

    def __init__(self) -> None:
        self.store = SqlStore("store")
        self.database = Database("store")
        self.database.create(StoreTables(TABLE))

    def fill(self, rows: int) -> None:
        """Put the life of one instance in, then that of the others, whose ids differ."""
        each = rows // INSTANCES
        bodies = [*life(int(each / 1.56))]
        step = DAYS * 86_400 / len(bodies)
        table = StoreTables(TABLE).notifications
        first = []
        for number, body in enumerate(bodies):
            stamped = Notification(0, body | {"timestamp": int(FIRST.timestamp() + number * step)})
            row = to_row(Entry(stamped, "dag/run/drain/-1", None))
            first.append(row | {"sequence": number, "chat": chat_id_of(stamped.instance_id, stamped.chat_id)})
        self.database.transaction(lambda connection: connection.execute(table.insert(), first))
        others = {
            "key": "md5(key || n)",
            "instance_id": f"({BASE} + n)::text",
            "id_message": "id_message || '-' || n",
            "quoted_id": "quoted_id || '-' || n",
            "chat": "md5(chat || n)",
            "body": f"replace(body, '{BASE}', ({BASE} + n)::text)",
            "received_at": "notified_at",
            "notified_at": "notified_at + n * interval '1 minute'",
        }
        names = [column.name for column in table.columns if column.name not in ("arrival", "position")]
        values = ", ".join(others.get(name, name) for name in names)
        self.run(_MULTIPLY.format(table=TABLE, columns=", ".join(names), values=values, copies=INSTANCES - 1))

    def run(self, statement: str) -> list[Any]:
        with self.database._connected() as connection:
            result = connection.exec_driver_sql(statement)
            return [*result.all()] if result.returns_rows else []

    def ask(self, question: str) -> tuple[float, int]:
        """Return the milliseconds until all rows of an answer are here, and how many they are."""
        began = time.perf_counter()
        found = self.run(question)
        return (time.perf_counter() - began) * 1000, len(found)

    def indexes(self, question: str) -> set[str]:
        """Return the indexes of a plan, and ``whole table`` where it reads that."""
        ((plan,),) = self.run(f"EXPLAIN (FORMAT JSON) {question}")
        return set(_indexes(plan[0]["Plan"]))


def _indexes(node: dict[str, Any]) -> Iterator[str]:
    if node.get("Relation Name") == TABLE and node["Node Type"] == "Seq Scan":
        yield "whole table"
    if "Index Name" in node:
        yield node["Index Name"].removeprefix(f"ix_{TABLE}_model_")
    for below in node.get("Plans", ()):
        yield from _indexes(below)


def questions(view: str) -> Iterator[tuple[str, bool, str]]:
    """Yield what is asked, whether that is a usual question and no large extract, and its SQL."""
    start = f"SELECT * FROM {TABLE}__{view} WHERE"
    instance = f"instance_id = '{INSTANCE}'"
    if view not in WITHOUT_CHAT:
        yield "one chat", True, f"{start} {instance} AND chat_id = '{CHAT}'"
    if view in ("messages", "message_statuses"):
        some = f"SELECT max(id_message) FROM {TABLE}__{view} WHERE {instance} AND chat_id = '{CHAT}'"
        yield "one message", True, f"{start} {instance} AND id_message = ({some})"
    if view in ("instance_daily", "messages_per_hour"):
        yield "one month", True, f"{start} {instance} AND day BETWEEN '2026-10-01' AND '2026-10-31'"
    if view in DAY_OF:
        yield "one day", True, f"{start} {instance} AND {DAY_OF[view]} = '{DAY}'"
        yield "one day of all", False, f"{start} {DAY_OF[view]} = '{DAY}'"
    if view in REPORT_OF:
        shown = REPORT_OF[view]
        groups = ", ".join(part for part in shown.split(", ") if "(" not in part)
        yield "report", True, f"SELECT {shown} FROM {TABLE}__{view} WHERE {instance} GROUP BY {groups}"
    yield "one instance", view not in DAY_OF, f"{start} {instance}"


def answers(large: Large) -> bool:
    """Print how soon each question is answered; return whether all usual ones are, soon enough."""
    is_slow = False
    large.run("SET jit = off")
    print(f"{'view':18} {'question':15} {'ms':>8} {'rows':>7}  found by")
    for view in VIEWS:
        for name, is_usual, question in questions(view):
            rounds = [large.ask(question) for _ in range(ROUNDS + 1)][1:]
            median = statistics.median(each for each, _ in rounds)
            found_by = large.indexes(question)
            is_bad = is_usual and (median >= LIMIT or "whole table" in found_by)
            is_slow = is_slow or is_bad
            mark = "SLOW" if is_bad else "" if is_usual else "(extract)"
            print(
                f"{view:18} {name:15} {median:8.1f} {rounds[0][1]:7}  {', '.join(sorted(found_by))} {mark}",
                flush=True,
            )
    return not is_slow


def puts(count: int = 3000) -> None:
    """Print the median of a put without the indexes and with them, in turns."""
    plain, modelled = SqlStore("store", table="plain"), SqlStore("store", table="modelled")
    create_models(modelled)
    times: dict[str, list[float]] = {"plain": [], "modelled": []}
    bodies = [*life(count)][:count]
    with plain.open("puts") as one, modelled.open("puts") as other:
        for number, body in enumerate(bodies):
            for store in (one, other) if number % 2 else (other, one):
                notification = Notification(0, body | {"timestamp": int(FIRST.timestamp()) + number})
                began = time.perf_counter()
                store.put(notification)
                times[store.table].append((time.perf_counter() - began) * 1e6)
    for name, each in times.items():
        print(f"put, {name}: median {statistics.median(each):.0f} µs of {len(each):,}")


def main() -> int:
    """Fill, make, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--puts", action="store_true")
    parser.add_argument("--explain", metavar="VIEW", choices=VIEWS)
    options = parser.parse_args()
    os.environ |= QUIET
    with postgres() as connection:
        os.environ["AIRFLOW_CONN_STORE"] = connection
        if options.puts:
            puts()
            return 0
        large = Large()
        with closing(large.database):
            began = time.perf_counter()
            large.fill(options.rows)
            filled = time.perf_counter()
            create_models(large.store)
            made = time.perf_counter()
            large.run(f"VACUUM (ANALYZE) {TABLE}")
            ((count,),) = large.run(f"SELECT count(*) FROM {TABLE}")
            print(f"{count:,} rows filled in {filled - began:.0f} s, models made in {made - filled:.0f} s")
            if options.explain:
                for name, _, question in questions(options.explain):
                    print(f"\n{name}: {question}")
                    print("\n".join(row[0] for row in large.run(f"EXPLAIN (ANALYZE, BUFFERS) {question}")))
                return 0
            return 0 if answers(large) else 1


if __name__ == "__main__":
    sys.exit(main())
