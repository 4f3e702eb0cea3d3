"""Who talks with whom, who answers, and how soon."""

from __future__ import annotations

from sqlalchemy import and_, distinct, func, literal_column, not_, or_, select
from sqlalchemy import case as choose

from airflow_green_notify.models.rows import Row, Source
from airflow_green_notify.models.words import Sql

_LONG_AGO: Sql = literal_column("'1000-01-01 00:00:00'")
_FAR_FUTURE: Sql = literal_column("'9999-12-31 00:00:00'")


def _by_whom(row: Row) -> Sql:
    return choose(
        (row.is_incoming, "customer"),
        (row.c.type_webhook == "outgoingAPIMessageReceived", "bot"),
        else_="human",
    )


def conversations(source: Source, silence: int) -> Sql:
    """One row for each stretch of a chat in which no silence was longer than so many seconds."""
    first, before, follower, between, m = map(
        source.row, ("first_one", "before_first", "follower", "between_both", "m")
    )

    def is_start(row: Row, other: Row) -> Sql:
        """Tell whether the message before it, if there is one, is long ago."""
        earlier = (other.is_talk, other.is_in_chat_of(row), other.at <= row.at, other.is_before(row))
        last = row.one(other.at, other, *earlier, order=(other.at.desc(),))
        return func.coalesce(last, _LONG_AGO) < source.words.earlier(row.at, silence)

    follows = (
        follower.is_talk,
        follower.is_in_chat_of(first),
        follower.at > first.at,
        is_start(follower, between),
    )
    starts = (
        select(
            first.instance.label("instance_id"),
            first.chat.label("chat_id"),
            first.at.label("started_at"),
            first.day.label("started_on"),
            first.chat_kind.label("chat_kind"),
            first.contact_key.label("contact_key"),
            _by_whom(first).label("started_by"),
            func.coalesce(
                first.one(follower.at, follower, *follows, order=(follower.at,)), _FAR_FUTURE
            ).label("next_at"),
        )
        .where(first.is_talk, is_start(first, before))
        .subquery("starts")
    )
    s = starts.c
    incoming, outgoing = choose((m.is_incoming, m.target)), choose((not_(m.is_incoming), m.target))
    within = (
        m.is_talk,
        m.instance == s.instance_id,
        m.chat == s.chat_id,
        m.at >= s.started_at,
        m.at < s.next_at,
    )
    known = [column for column in s if column.name != "next_at"]
    sums = (
        select(
            *known,
            func.max(m.at).label("last_at"),
            func.min(choose((m.is_incoming, m.at))).label("first_incoming_at"),
            func.max(choose((m.is_incoming, m.at))).label("last_incoming_at"),
            func.max(choose((not_(m.is_incoming), m.at))).label("last_outgoing_at"),
            func.count(distinct(incoming)).label("incoming"),
            func.count(distinct(outgoing)).label("outgoing"),
            func.count(distinct(choose((_by_whom(m) == "bot", m.target)))).label("by_bot"),
            func.count(distinct(choose((_by_whom(m) == "human", m.target)))).label("by_human"),
        )
        .select_from(starts, m.of)
        .where(*within)
        .group_by(*known)
        .subquery("sums")
    )
    return _with_answers(source, sums)


def _with_answers(source: Source, sums: Sql) -> Sql:
    """Add when the business answered first, and since when the customer waits."""
    c, answer = sums.c, source.row("answer")

    def first_at(*conditions: Sql) -> Sql:
        here = (
            answer.is_talk,
            answer.instance == c.instance_id,
            answer.chat == c.chat_id,
            answer.at <= c.last_at,
        )
        return answer.only(func.min(answer.at), answer, *here, *conditions).scalar_subquery()

    is_answer = answer.at >= c.first_incoming_at
    waits = or_(c.last_outgoing_at.is_(None), answer.at > c.last_outgoing_at)
    bot = first_at(is_answer, _by_whom(answer) == "bot")
    human = first_at(is_answer, _by_whom(answer) == "human")
    seconds = source.words.seconds
    return select(
        c.instance_id,
        c.chat_id,
        c.started_at,
        c.started_on,
        c.last_at,
        c.chat_kind,
        c.contact_key,
        c.started_by,
        c.incoming,
        c.outgoing,
        c.by_bot,
        c.by_human,
        bot.label("first_bot_answer_at"),
        human.label("first_human_answer_at"),
        seconds(c.first_incoming_at, bot).label("seconds_to_bot_answer"),
        seconds(c.first_incoming_at, human).label("seconds_to_human_answer"),
        first_at(answer.is_incoming, answer.at >= c.started_at, waits).label("waiting_since"),
        and_(c.incoming > 0, c.outgoing == 1, c.last_outgoing_at >= c.last_incoming_at).label("is_one_touch"),
    )


def response_times(source: Source, silence: int) -> Sql:
    """One row for each turn of a customer: messages in a row, up to the next one of the business."""
    q, before, answer, m = map(source.row, ("q", "before_q", "answer", "m"))
    earlier = (before.is_talk, before.is_in_chat_of(q), before.at <= q.at, before.is_before(q))
    newest = (before.at.desc(), before.key.desc())
    was_incoming = q.one(before.c.type_webhook, before, *earlier, order=newest)
    answers = (
        answer.is_talk,
        answer.is_in_chat_of(q),
        answer.at >= q.at,
        q.is_before(answer),
        not_(answer.is_incoming),
    )
    oldest = (answer.at, answer.key)
    turns = (
        select(
            q.instance.label("instance_id"),
            q.chat.label("chat_id"),
            q.at.label("asked_at"),
            q.day.label("asked_on"),
            q.key.label("key"),
            q.chat_kind.label("chat_kind"),
            q.contact_key.label("contact_key"),
            q.one(answer.at, answer, *answers, order=oldest).label("answered_at"),
            q.one(_by_whom(answer), answer, *answers, order=oldest).label("answered_by"),
        )
        .where(q.is_talk, q.is_incoming, func.coalesce(was_incoming, "") != "incomingMessageReceived")
        .subquery("turns")
    )
    t = turns.c
    of_turn = (
        m.is_talk,
        m.is_incoming,
        m.instance == t.instance_id,
        m.chat == t.chat_id,
        m.at >= t.asked_at,
        m.at <= func.coalesce(t.answered_at, _FAR_FUTURE),
    )
    return select(
        t.instance_id,
        t.chat_id,
        t.asked_at,
        t.asked_on,
        t.chat_kind,
        t.contact_key,
        m.only(func.count(distinct(m.target)), m, *of_turn).scalar_subquery().label("messages"),
        t.answered_at,
        t.answered_by,
        source.words.seconds(t.asked_at, t.answered_at).label("seconds_to_answer"),
    )
