"""Days and hours of an instance, its states, and its calls."""

from __future__ import annotations

from sqlalchemy import Integer, and_, cast, func, not_, or_, select
from sqlalchemy import case as choose

from airflow_green_notify.models.messages import rank
from airflow_green_notify.models.rows import Row, Source
from airflow_green_notify.models.words import Sql


def _counts(row: Row) -> Sql:
    """Tell whether a row makes a message known: it brings it, or its status."""
    return or_(row.is_message, row.is_status)


def instance_daily(source: Source, silence: int) -> Sql:
    """One row for each instance and day: messages, and how far those sent that day have come by now."""
    m, status = source.row("m"), source.row("status")
    is_outgoing = m.direction == "outgoing"
    reached = m.only(func.max(rank(status)), status, status.is_of(m), status.is_status).scalar_subquery()
    sums = (
        select(
            m.instance.label("instance_id"),
            m.day.label("day"),
            m.chat.label("chat_id"),
            m.direction.label("direction"),
            m.sent_from.label("sent_from"),
            choose((is_outgoing, reached)).label("reached"),
            func.count().label("messages"),
        )
        .where(_counts(m), m.is_first(_counts))
        .group_by(m.instance, m.day, m.chat, "direction", "sent_from", "reached")
        .subquery("sums")
    )
    c = sums.c

    def total(*conditions: Sql) -> Sql:
        return cast(func.coalesce(func.sum(choose((and_(*conditions), c.messages))), 0), Integer)

    def share(count: Sql) -> Sql:
        return func.round(1.0 * count / func.nullif(outgoing, 0), 4)

    outgoing = total(c.direction == "outgoing")
    delivered, read, failed = total(c.reached >= 3), total(c.reached == 4), total(c.reached == 2)
    return select(
        c.instance_id,
        c.day,
        func.count(c.chat_id.distinct()).label("chats"),
        total(c.direction == "incoming").label("incoming"),
        outgoing.label("outgoing"),
        total(c.sent_from == "api").label("by_bot"),
        total(c.sent_from == "phone").label("by_human"),
        delivered.label("delivered_count"),
        read.label("read_count"),
        failed.label("failed_count"),
        share(delivered).label("delivered_share"),
        share(read).label("read_share"),
        share(failed).label("failed_share"),
    ).group_by(c.instance_id, c.day)


def messages_per_hour(source: Source, silence: int) -> Sql:
    """One row for each instance, day and hour in which there were messages."""
    m = source.row("m")
    hour = source.words.hour(m.at)
    return (
        select(
            m.instance.label("instance_id"),
            m.day.label("day"),
            hour.label("hour"),
            func.count(choose((m.is_incoming, 1))).label("incoming"),
            func.count(choose((not_(m.is_incoming), 1))).label("outgoing"),
        )
        .where(m.is_message, m.is_first(lambda row: row.is_message))
        .group_by(m.instance, m.day, hour)
    )


def instance_states(source: Source, silence: int) -> Sql:
    """One row for each state that an instance came into, until the next one."""
    s, following = source.row("s"), source.row("following")

    def is_state(row: Row) -> Sql:
        return and_(row.c.type_webhook == "stateInstanceChanged", row.chat.is_(None))

    later = (
        following.instance == s.instance,
        is_state(following),
        following.at >= s.at,
        s.is_before(following),
    )
    until = s.one(following.at, following, *later, order=(following.at,))
    return select(
        s.instance.label("instance_id"),
        s.at.label("since"),
        s.day.label("since_day"),
        until.label("until"),
        s.c.status.label("state"),
        source.words.seconds(s.at, until).label("seconds"),
    ).where(is_state(s))


_PHASES = {"offer": 1, "missed": 2, "declined": 2, "invalid": 2, "pickUp": 3, "hangUp": 4, "hungUp": 4}


def calls(source: Source, silence: int) -> Sql:
    """One row for each call, whatever phases of it were told."""
    c, x = source.row("c"), source.row("x")
    of_it = (x.is_of(c), x.is_call)
    phase = choose(*((x.c.status == name, number) for name, number in _PHASES.items()), else_=0)
    words = source.words

    def first(*statuses: str) -> Sql:
        return c.least(x.at, x, *of_it, x.c.status.in_(statuses))

    def told(value: Sql) -> Sql:
        return c.only(func.max(value), x, *of_it).scalar_subquery()

    is_video = choose((words.is_true(x.c.body, "isVideo"), 1), else_=0)

    answered = first("pickUp")
    return select(
        c.instance.label("instance_id"),
        c.chat.label("chat_id"),
        c.target.label("id_message"),
        c.at.label("started_at"),
        c.day.label("started_on"),
        c.contact_key.label("contact_key"),
        c.direction.label("direction"),
        c.one(x.c.status, x, *of_it, order=(phase.desc(), *x.newest)).label("status"),
        answered.label("answered_at"),
        first("hangUp", "hungUp", "missed", "declined", "invalid").label("ended_at"),
        told(words.whole(words.field(x.c.body, "duration"))).label("duration"),
        (told(is_video) == 1).label("is_video"),
    ).where(c.is_call, c.is_first(lambda row: row.is_call))
