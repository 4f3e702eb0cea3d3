"""Stores with models over them, and bodies to put in."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from airflow_green_notify.models.making import VIEWS
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.sql.database import Database
from tests.stores.conftest import make_store, sql_store

__all__ = ["make_store", "sql_store"]

START = datetime(2026, 11, 30, 10, tzinfo=UTC)
INSTANCE, OTHER, TELEGRAM = "7103000042", "7103000043", "4100000042"
OWN = "12025550100@c.us"
ANNA, BORIS, VERA = "12025550101@c.us", "12025550102@c.us", "12025550103@c.us"
LID = "200000000000042@lid"
GROUP = "120363025550000042@g.us"

Body = dict[str, Any]


def _body(kind: str, at: float, instance: str, more: Body) -> Body:
    product = "telegram" if instance == TELEGRAM else "whatsapp"
    data = {"idInstance": int(instance), "wid": OWN, "typeInstance": product}
    return {"typeWebhook": kind, "instanceData": data, "timestamp": START.timestamp() + at * 60, **more}


def message(
    id_message: str,
    at: float,
    text: str | None = "Hello",
    *,
    kind: str = "incomingMessageReceived",
    chat: str = ANNA,
    sender: str | None = None,
    name: str = "Anna",
    instance: str = INSTANCE,
    data: Body | None = None,
    **more: Any,
) -> Body:
    """A message, so many minutes after the start."""
    incoming = kind.startswith("incoming")
    who = {"chatId": chat, "chatName": name, "sender": sender or (chat if incoming else OWN)}
    who |= {"senderName": name if incoming else "Desk", **more}
    data = data or {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}}
    return _body(kind, at, instance, {"idMessage": id_message, "senderData": who, "messageData": data})


def by_bot(id_message: str, at: float, text: str = "Sent", **more: Any) -> Body:
    return message(id_message, at, text, kind="outgoingAPIMessageReceived", **more)


def by_human(id_message: str, at: float, text: str = "Sent", **more: Any) -> Body:
    return message(id_message, at, text, kind="outgoingMessageReceived", **more)


def about(id_message: str, at: float, target: str, kind: str, text: str | None = None, **more: Any) -> Body:
    """An edit, a deletion or a reaction."""
    payloads: dict[str, Body] = {
        "editedMessage": {"editedMessageData": {"textMessage": text, "stanzaId": target}},
        "deletedMessage": {"deletedMessageData": {"stanzaId": target}},
        "reactionMessage": {
            "extendedTextMessageData": {"text": text},
            "quotedMessage": {"stanzaId": target},
        },
    }
    return message(id_message, at, data={"typeMessage": kind} | payloads[kind], **more)


def status(id_message: str, at: float, word: str, *, instance: str = INSTANCE, **more: Any) -> Body:
    told = {"idMessage": id_message, "chatId": ANNA, "status": word, "sendByApi": True} | more
    return _body("outgoingMessageStatus", at, instance, told)


def call(id_message: str, at: float, phase: str, **more: Any) -> Body:
    return _body(
        "incomingCall", at, INSTANCE, {"idMessage": id_message, "from": ANNA, "status": phase} | more
    )


def state(at: float, word: str, instance: str = INSTANCE) -> Body:
    return _body("stateInstanceChanged", at, instance, {"stateInstance": word})


def poll(id_message: str, at: float, **data: Any) -> Body:
    payload = {"name": "When?", "multipleAnswers": False} | data
    kind = "pollUpdateMessage" if "votes" in data else "pollMessage"
    return message(
        id_message, at, chat=GROUP, sender=BORIS, data={"typeMessage": kind, "pollMessageData": payload}
    )


def put(store: Any, bodies: Iterable[Any], batch_id: str = "dag/run/drain/-1") -> None:
    """Put the first by itself and the others together."""
    first, *others = (Notification(1, body) for body in bodies)
    with store.open(batch_id) as opened:
        opened.put(first)
        assert {*map(type, opened.put_all(others))} <= {bool}


def clock(at: float) -> str:
    """A time as :func:`rows` gives it."""
    return str(datetime.fromtimestamp(START.timestamp() + at * 60, UTC))[:19]


def rows(store: SqlStore, view: str, *columns: str) -> list[dict[str, Any]]:
    """All rows of a view, or of these columns, in one form for all databases, in an order."""
    with closing(Database(store.conn_id)) as database:

        def read(connection: Any) -> list[dict[str, Any]]:
            found = connection.exec_driver_sql(f"SELECT * FROM {store.table}__{view}")
            return [row._asdict() for row in found]

        found = database.transaction(read)
    wanted = [{name: _plain(row[name]) for name in columns or row} for row in found]
    return sorted(wanted, key=repr)


def all_rows(store: SqlStore) -> dict[str, list[dict[str, Any]]]:
    return {view: rows(store, view) for view in VIEWS}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return str(value.astimezone(UTC) if value.tzinfo else value)[:19]
    if isinstance(value, str) and value.endswith(".000000"):
        return value[:19]
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, date) else value
