"""What the demo on a terminal counts, and what its figures mean."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_green_notify.emulator import GreenApiEmulator

Say = Callable[[str], None]

ABOUT_A_MESSAGE = ("editedMessage", "deletedMessage", "reactionMessage", "pollUpdateMessage")
TABLES = {
    "notifications": "of receive_load_delete: a row for each run",
    "green_api_notifications": "of the drain: everything, as it came",
    "messages": "built from that: what was written, and what happened to it",
    "statuses": "built from that: sent, delivered, read, failed",
    "calls": "built from that: ringing, answered, missed; several for a call",
}


def report(gateway: GreenApiEmulator, warehouse: Path, say: Say) -> int:
    """Print what came, what lies in the database, and the gateway's audit; return how many were lost."""
    audit = gateway.audit()
    say("\nWhat came, by type")
    for kind, count in sorted(Counter(entry["body"]["typeWebhook"] for entry in audit).items()):
        say(f"  {kind:32}{count:6}")
    say("\nWhat lies in the database")
    with sqlite3.connect(warehouse) as database:
        for table, meaning in TABLES.items():
            say(f"  {table:32}{_count(database, table):6}   {meaning}")
        say("  The tables green_api_notifications_… are the drain's ledger: leases, batches, attempts.")
        _add_up(database, say)
        stored = _stored_keys(database)
    return _audit(gateway, audit, stored, say)


def _add_up(database: sqlite3.Connection, say: Say) -> None:
    """Tell why there are fewer messages than notifications."""
    total, messages, statuses, calls = (
        _count(database, table) for table in ("green_api_notifications", "messages", "statuses", "calls")
    )
    marks = ", ".join("?" * len(ABOUT_A_MESSAGE))
    about = _count(database, "messages", f"WHERE type_message IN ({marks})", ABOUT_A_MESSAGE)
    say(f"\nHow the {total} notifications of the drain add up")
    for count, meaning in (
        (messages - about, "messages: texts, files, locations, contacts, polls, …"),
        (about, "edits, deletions, reactions and votes: news of a message, and no new one"),
        (statuses, "delivery statuses: a message that is sent gets several"),
        (calls, "steps of calls"),
        (
            total - messages - statuses - calls,
            "news of the account: its state, its phone, its quota, who blocked it",
        ),
    ):
        say(f"  {count:6}   {meaning}")


def _audit(gateway: GreenApiEmulator, audit: list[dict[str, Any]], stored: set[str], say: Say) -> int:
    pushed = {_key(entry["body"]) for entry in audit}
    lost = len(pushed - stored - {_key(body) for body in gateway.queue()})
    again = len(audit) - len(pushed)
    say("\nAudit of the gateway")
    for name, count, meaning in (
        ("pushed", len(audit), f"{len(pushed)} different; {again} came twice, as each Dag got them"),
        ("stored, each once", len(stored), "recognised by a key made of the content"),
        ("deleted", sum(entry["deleted_at"] is not None for entry in audit), "each after it was stored"),
        ("still in the queue", len(gateway.queue()), ""),
        ("lost", lost, "neither stored nor in the queue"),
    ):
        say(f"  {name:32}{count:6}   {meaning}".rstrip())
    return lost


def _count(database: sqlite3.Connection, table: str, where: str = "", values: tuple[str, ...] = ()) -> int:
    return int(database.execute(f"SELECT count(*) FROM {table} {where}", values).fetchone()[0])


def _stored_keys(database: sqlite3.Connection) -> set[str]:
    """The keys of both Dags' tables."""
    tables = ("notifications", "green_api_notifications")
    return {key for table in tables for (key,) in database.execute(f"SELECT key FROM {table}")}


def _key(body: dict[str, Any]) -> str:
    from airflow_green_notify.notification import Notification

    return Notification(0, body).key
