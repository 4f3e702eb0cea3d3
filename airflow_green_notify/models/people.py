"""Contacts and chats."""

from __future__ import annotations

from sqlalchemy import Integer, and_, cast, distinct, func, not_, or_, select
from sqlalchemy import case as choose

from airflow_green_notify.models.rows import Source
from airflow_green_notify.models.words import Sql

_DIGITS = 15
"""No phone number has more."""


def contacts(source: Source, silence: int) -> Sql:
    """One row for each person of an instance, phone number and LID as one where any row shows both."""
    m = source.row("m")
    is_number = not_(or_(m.c.chat_id.like("%@%"), m.c.chat_id.like("%.%")))
    number = source.words.digits(source.words.field(m.c.body, "senderData", "senderPhoneNumber"), _DIGITS)
    names = (
        select(
            m.instance.label("instance_id"),
            m.contact_key.label("contact_key"),
            choose((m.is_incoming, func.nullif(m.c.sender_name, ""))).label("name"),
            func.max(choose((and_(is_number, m.is_incoming), func.nullif(number, "0")))).label("number"),
            func.max(choose((m.contact.like("%@lid"), m.contact), else_=m.lid)).label("lid"),
            func.min(m.at).label("first_seen_at"),
            func.max(m.at).label("last_seen_at"),
            func.count(distinct(choose((m.direction == "incoming", m.target)))).label("incoming"),
            func.count(distinct(choose((m.direction == "outgoing", m.target)))).label("outgoing"),
        )
        .where(or_(m.is_message, m.is_call), m.contact.isnot(None))
        .group_by(m.instance, "contact_key", "name")
        .subquery("names")
    )
    c = names.c
    phone = choose(
        (c.contact_key.like("%@c.us"), func.replace(c.contact_key, "@c.us", "")), else_=func.max(c.number)
    )
    return select(
        c.instance_id,
        c.contact_key,
        phone.label("phone"),
        func.max(c.lid).label("lid"),
        source.words.listed(c.name).label("names"),
        func.min(c.first_seen_at).label("first_seen_at"),
        func.max(c.last_seen_at).label("last_seen_at"),
        cast(func.sum(c.incoming), Integer).label("incoming"),
        cast(func.sum(c.outgoing), Integer).label("outgoing"),
    ).group_by(c.instance_id, c.contact_key)


def chats(source: Source, silence: int) -> Sql:
    """One row for each chat of an instance."""
    m, named = source.row("m"), source.row("named")
    rows = (
        select(
            m.instance.label("instance_id"),
            m.chat.label("chat_id"),
            func.max(m.chat_kind).label("chat_kind"),
            func.min(m.at).label("first_message_at"),
            func.max(m.at).label("last_message_at"),
            func.max(choose((m.is_incoming, m.at))).label("last_incoming_at"),
            func.count(distinct(choose((m.is_incoming, m.target)))).label("incoming"),
            func.count(distinct(choose((not_(m.is_incoming), m.target)))).label("outgoing"),
            func.count(distinct(choose((m.is_incoming, m.c.sender)))).label("senders"),
        )
        .where(m.is_message, m.chat.isnot(None))
        .group_by(m.instance, m.chat)
        .subquery("rows_of_chats")
    )
    c = rows.c
    name = source.words.binary(source.words.field(named.c.body, "senderData", "chatName"))
    here = (named.instance == c.instance_id, named.chat == c.chat_id, named.at == c.last_message_at)
    return select(
        c.instance_id,
        c.chat_id,
        c.chat_kind,
        named.only(func.max(name), named, *here, named.is_message).scalar_subquery().label("name"),
        *[column for column in c if column.name not in ("instance_id", "chat_id", "chat_kind")],
    )
