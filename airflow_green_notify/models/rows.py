"""A row of the table in a view: what it brings, of which message it speaks, and what comes before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Computed, Date, String, and_, exists, func, not_, or_, select
from sqlalchemy import case as choose

from airflow_green_notify.body import DIRECTIONS, UNDECRYPTED
from airflow_green_notify.message import ABOUT_ANOTHER, MESSAGE_TYPES
from airflow_green_notify.models.words import Sql, Words
from airflow_green_notify.stores.sql.tables import StoreTables

STATUS = "outgoingMessageStatus"
FILES = ("imageMessage", "videoMessage", "documentMessage", "audioMessage", "stickerMessage")
_LENGTH = 128
"""Characters of an id that count. The gateway's have no more, and indexes take no long ones."""

COMPUTED: dict[str, Any] = {
    "model_instance": String(64),
    "model_chat": String(_LENGTH),
    "model_target": String(_LENGTH),
    "model_within": String(_LENGTH),
    "model_day": Date(),
    "model_lid": String(_LENGTH),
    "model_phone": String(_LENGTH),
}
"""What is computed of a row. MySQL and MariaDB, whose indexes take no expressions, have columns for it."""


class Source:
    """The table that the views read.

    :param table: Its name, with the schema or not.
    """

    def __init__(self, table: str, words: Words) -> None:
        self.name = table
        self.words = words
        self.table = StoreTables(table).notifications
        if words.is_mysql:
            for name, expression in Row(self.table, words).computed.items():
                computed = Computed(expression, persisted=False)
                self.table.append_column(Column(name, COMPUTED[name], computed))

    def row(self, name: str) -> Row:
        """Return one more row of the table, under a name of its own within a query."""
        return Row(self.table.alias(name), self.words)


class Row:
    """Expressions over one row."""

    def __init__(self, of: Sql, words: Words) -> None:
        self.of, self.c, self.words = of, of.c, words
        self.at, self.key = of.c.notified_at, of.c.key

    @property
    def instance(self) -> Sql:
        return self._computed("model_instance")

    @property
    def chat(self) -> Sql:
        return self._computed("model_chat")

    @property
    def target(self) -> Sql:
        """The id of the message, or call, of which it speaks."""
        return self._computed("model_target")

    @property
    def within(self) -> Sql:
        """Where that id is unique: on Telegram and MAX only in its chat, whose id is a number."""
        return self._computed("model_within")

    @property
    def day(self) -> Sql:
        return self._computed("model_day")

    @property
    def lid(self) -> Sql:
        """The LID that it shows to be the same person's as :attr:`phone`."""
        return self._computed("model_lid")

    @property
    def phone(self) -> Sql:
        return self._computed("model_phone")

    def _computed(self, name: str) -> Sql:
        return self.c[name] if self.words.is_mysql else self.computed[name]

    @property
    def computed(self) -> dict[str, Sql]:
        """What is computed of a row, by the name that it has as a column."""
        c = self.c
        about_another = and_(c.type_message.in_(ABOUT_ANOTHER), c.quoted_id.isnot(None))
        target = choose((about_another, c.quoted_id), else_=c.id_message)
        elsewhere = or_(c.chat_id.is_(None), c.chat_id.like("%@%"), c.chat_id.like("%.%"))
        within = choose((elsewhere, ""), else_=c.chat_id)
        lid = choose(
            (c.type_webhook != "incomingMessageReceived", None),
            (or_(c.chat_id.like("null@%"), c.sender.like("null@%")), None),
            (and_(c.chat_id.like("%@c.us"), c.sender.like("%@lid")), c.sender),
            (and_(c.chat_id.like("%@lid"), c.sender.like("%@c.us")), c.chat_id),
            else_=None,
        )
        phone = choose((c.chat_id.like("%@lid"), c.sender), else_=c.chat_id)
        cut = self.words.cut
        return {
            "model_instance": cut(c.instance_id, 64),
            "model_chat": cut(c.chat_id, _LENGTH),
            "model_target": cut(target, _LENGTH),
            "model_within": cut(within, _LENGTH),
            "model_day": self.words.day(self.at),
            "model_lid": cut(lid, _LENGTH),
            "model_phone": cut(phone, _LENGTH),
        }

    # --- what it is ---

    @property
    def is_message(self) -> Sql:
        about = self.c.type_message.in_(ABOUT_ANOTHER)
        return and_(
            self.c.type_webhook.in_([*MESSAGE_TYPES]), or_(self.c.type_message.is_(None), not_(about))
        )

    @property
    def is_status(self) -> Sql:
        return self.c.type_webhook == STATUS

    @property
    def is_call(self) -> Sql:
        return self.c.type_webhook.in_(("incomingCall", "outgoingCall"))

    def is_about(self, kind: str) -> Sql:
        """Tell whether it is of a kind of messages that say something about another one."""
        return and_(self.c.type_webhook.in_([*MESSAGE_TYPES]), self.c.type_message == kind)

    @property
    def is_talk(self) -> Sql:
        """Tell whether it is a message of a conversation, of two or in a group, at a known time."""
        chat = self.c.chat_id
        is_post = and_(chat.like("-%"), chat == self.c.sender)  # of a channel of Telegram's
        elsewhere = or_(chat.like("%@newsletter"), chat.like("%@broadcast"), chat.like("null@%"), is_post)
        return and_(self.is_message, self.at.isnot(None), not_(elsewhere))

    @property
    def is_incoming(self) -> Sql:
        return self.c.type_webhook == "incomingMessageReceived"

    @property
    def is_undecrypted(self) -> Sql:
        return func.coalesce(self.c.text, "").in_(UNDECRYPTED)

    # --- what it says ---

    @property
    def direction(self) -> Sql:
        return choose(*((self.c.type_webhook == kind, way) for kind, way in DIRECTIONS.items()), else_=None)

    @property
    def sent_from(self) -> Sql:
        by_api = self.words.is_true(self.c.body, "sendByApi")
        return choose(
            (self.c.type_webhook == "outgoingMessageReceived", "phone"),
            (self.c.type_webhook == "outgoingAPIMessageReceived", "api"),
            (and_(self.is_status, by_api), "api"),
            (and_(self.is_status, not_(by_api)), "phone"),
            else_=None,
        )

    @property
    def chat_kind(self) -> Sql:
        """Tell it as :func:`airflow_green_notify.contacts.chat_kind` does; Telegram and MAX say it."""
        chat, first = self.c.chat_id, func.substr(self.c.chat_id, 1, 1)
        is_number = and_(first >= "0", first <= "9")
        is_channel = self.words.has(self.c.body, ("channel",), "senderData", "chatType")
        return choose(
            (and_(chat.like("%@c.us"), is_number), "private"),
            (and_(chat.like("%@lid"), is_number), "private"),
            (chat.like("%@g.us"), "group"),
            (chat.like("%@newsletter"), "channel"),
            (chat == "status@broadcast", "status"),
            (chat.like("%@broadcast"), "broadcast"),
            (chat.like("%@%"), None),
            (is_channel, "channel"),
            (chat.like("-%"), "group"),
            (or_(is_number, chat.like("__.%")), "private"),
            else_=None,
        )

    @property
    def contact(self) -> Sql:
        """The id of the person at the other end; nobody is there of what went to a group."""
        chat, sender = self.c.chat_id, self.c.sender
        of_many = or_(chat.like("%@g.us"), chat.like("%@broadcast"), chat.like("-%"))
        return choose(
            (self.c.type_webhook == "outgoingCall", None),  # it names the account itself
            (or_(chat.like("%@newsletter"), chat.like("null@%")), None),
            (and_(of_many, self.is_incoming, sender != chat), self.words.cut(sender, _LENGTH)),
            (of_many, None),
            else_=self.chat,
        )

    # --- beside others ---

    def is_of(self, other: Row) -> Sql:
        """Tell whether both speak of the same message, or the same call."""
        return and_(self.instance == other.instance, self.target == other.target, self.within == other.within)

    def is_in_chat_of(self, other: Row) -> Sql:
        return and_(self.instance == other.instance, self.chat == other.chat)

    def is_before(self, other: Row) -> Sql:
        """Tell whether it comes first, in an order that doesn't depend on when either came in."""
        same = or_(self.at == other.at, and_(self.at.is_(None), other.at.is_(None)))
        return or_(
            self.at < other.at,
            and_(self.at.is_(None), other.at.isnot(None)),
            and_(same, self.key < other.key),
        )

    @property
    def newest(self) -> Sequence[Sql]:
        """The order from the last to the first, the opposite of :meth:`is_before`."""
        return (self.words.newest_first(self.at), self.key.desc())

    def beside(self, name: str) -> Row:
        """Return another row of the table."""
        return Row(self.of.element.alias(name), self.words)

    def is_first(self, is_kind: Callable[[Row], Sql]) -> Sql:
        """Tell whether no other row of a kind that speaks of the same comes before it."""
        other = self.beside("before")
        return not_(self.exists(other, is_kind(other), other.is_of(self), other.is_before(self)))

    def exists(self, other: Row, *conditions: Sql) -> Sql:
        """Tell whether there is such another row."""
        return exists(select(other.key).select_from(other.of).where(*conditions).correlate_except(other.of))

    def only(self, value: Sql, other: Row, *conditions: Sql) -> Sql:
        """Return a value of all such other rows, as a query within a query."""
        found = select(value).select_from(other.of).where(*conditions)
        return found.correlate_except(other.of)

    def one(self, value: Sql, other: Row, *conditions: Sql, order: Sequence[Sql]) -> Sql:
        """Return a value of the first such other row, in an order."""
        return self.only(value, other, *conditions).order_by(*order).limit(1).scalar_subquery()

    def least(self, value: Sql, other: Row, *conditions: Sql) -> Sql:
        """Return the least value of such other rows."""
        return self.only(func.min(value), other, *conditions).scalar_subquery()

    @property
    def contact_key(self) -> Sql:
        """The person at the other end: the phone number, where any row shows whose the LID is."""
        pair = self.beside("pair")
        return func.coalesce(self.least(pair.phone, pair, pair.lid == self.contact), self.contact)
