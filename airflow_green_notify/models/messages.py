"""Messages, their statuses, reactions to them, and polls."""

from __future__ import annotations

from sqlalchemy import and_, func, literal_column, not_, or_, select, text
from sqlalchemy import case as choose

from airflow_green_notify.body import UNDECRYPTED
from airflow_green_notify.message import FAILURES
from airflow_green_notify.models.rows import FILES, Row, Source
from airflow_green_notify.models.words import Sql

_ARRIVED = ("delivered", "read")


def rank(status: Row) -> Sql:
    """Return how far a message has come: a failure counts until the message arrives all the same."""
    return choose(
        (status.c.status == "read", 4),
        (status.c.status == "delivered", 3),
        (status.c.status.in_([*FAILURES]), 2),
        (status.c.status == "sent", 1),
        else_=0,
    )


def messages(source: Source, silence: int) -> Sql:
    """One row for each message, however often it came."""
    m, better, edit, deletion, status = map(source.row, ("m", "better", "edit", "deletion", "status"))
    comes_before = or_(
        and_(m.is_undecrypted, not_(better.is_undecrypted)),
        and_(m.is_undecrypted == better.is_undecrypted, better.is_before(m)),
    )
    edits = and_(edit.is_of(m), edit.is_about("editedMessage"), edit.c.text.notin_(("", *UNDECRYPTED)))
    words = func.coalesce(m.one(edit.c.text, edit, edits, order=edit.newest), m.c.text)
    newest = (rank(status).desc(), *status.newest)
    outgoing = m.direction == "outgoing"
    statuses = and_(status.is_of(m), status.is_status, outgoing)
    url = m.c.download_url
    return select(
        m.instance.label("instance_id"),
        m.chat.label("chat_id"),
        m.target.label("id_message"),
        m.at.label("sent_at"),
        m.day.label("sent_on"),
        m.chat_kind.label("chat_kind"),
        m.contact_key.label("contact_key"),
        m.direction.label("direction"),
        m.sent_from.label("sent_from"),
        m.c.sender.label("sender"),
        m.c.sender_name.label("sender_name"),
        m.c.type_message.label("type_message"),
        words.label("text"),
        m.words.characters(words).label("num_characters"),
        m.c.quoted_id.label("quoted_id"),
        _is_forwarded(m).label("is_forwarded"),
        choose(
            (m.c.type_message.notin_(FILES), None),
            (url.like("{{%"), "too_large"),
            (url != "", "available"),
            else_=choose((m.c.type_message.in_(FILES), "missing"), else_=None),
        ).label("media_state"),
        m.c.file_name.label("file_name"),
        m.c.mime_type.label("mime_type"),
        m.least(edit.at, edit, edit.is_of(m), edit.is_about("editedMessage")).label("edited_at"),
        m.least(deletion.at, deletion, deletion.is_of(m), deletion.is_about("deletedMessage")).label(
            "deleted_at"
        ),
        m.one(status.c.status, status, statuses, order=newest).label("status"),
        m.one(_reason(status), status, statuses, status.c.status.in_([*FAILURES]), order=status.newest).label(
            "failure_reason"
        ),
        m.key.label("key"),
    ).where(m.is_message, not_(m.exists(better, better.is_message, better.is_of(m), comes_before)))


def _is_forwarded(m: Row) -> Sql:
    """Tell it by the text of the body, in which the quotation marks of what people write are escaped.

    A message that quotes another may have what is said of that one.
    """
    return and_(
        func.coalesce(m.c.type_message, "") != "quotedMessage", m.c.body.like('%"isForwarded": true%')
    )


def _reason(status: Row) -> Sql:
    description = status.words.field(status.c.body, "description")
    return func.coalesce(func.nullif(description, ""), status.c.status)


def message_statuses(source: Source, silence: int) -> Sql:
    """One row for each message that has a status, whether or not the message itself came."""
    s, x, failure, message = map(source.row, ("s", "x", "failure", "message"))
    newest = (rank(x).desc(), *x.newest)
    of_it = (x.is_of(s), x.is_status)

    def first(*statuses: str) -> Sql:
        return s.least(x.at, x, *of_it, x.c.status.in_(statuses))

    is_message = (message.is_of(s), message.is_message)
    sent_at = func.coalesce(s.least(message.at, message, *is_message), first("sent"))
    failures = (failure.is_of(s), failure.is_status, failure.c.status.in_([*FAILURES]))
    failed_at = s.least(failure.at, failure, *failures)
    inner = (
        select(
            s.instance.label("instance_id"),
            s.chat.label("chat_id"),
            s.target.label("id_message"),
            s.at.label("first_status_at"),
            s.day.label("first_status_on"),
            s.contact_key.label("contact_key"),
            s.sent_from.label("sent_from"),
            s.one(x.c.status, x, *of_it, order=newest).label("status"),
            sent_at.label("sent_at"),
            first("delivered").label("delivered_at"),
            first("read").label("read_at"),
            failed_at.label("failed_at"),
            s.one(_reason(failure), failure, *failures, order=failure.newest).label("failure_reason"),
            s.least(x.at, x, *of_it, x.c.status.in_(_ARRIVED), x.at > failed_at).label(
                "arrived_after_failure_at"
            ),
            s.exists(message, *is_message).label("has_message"),
        )
        .where(s.is_status, s.is_first(lambda row: row.is_status))
        .subquery("statuses")
    )
    seconds = source.words.seconds
    return select(
        *inner.c,
        seconds(inner.c.sent_at, inner.c.delivered_at).label("seconds_to_deliver"),
        seconds(inner.c.delivered_at, inner.c.read_at).label("seconds_to_read"),
    )


def reactions(source: Source, silence: int) -> Sql:
    """One row for each person's last reaction to a message, unless it was taken back."""
    r, later = source.row("r"), source.row("later")
    is_later = and_(
        later.is_of(r),
        later.is_about("reactionMessage"),
        later.c.sender == r.c.sender,
        r.is_before(later),
    )
    return select(
        r.instance.label("instance_id"),
        r.chat.label("chat_id"),
        r.target.label("id_message"),
        r.at.label("reacted_at"),
        r.day.label("reacted_on"),
        r.c.sender.label("sender"),
        r.c.sender_name.label("sender_name"),
        r.direction.label("direction"),
        r.c.text.label("reaction"),
    ).where(r.is_about("reactionMessage"), r.c.text != "", not_(r.exists(later, is_later)))


_VOTES = {
    "sqlite": """
        json_each(tallies.tally) AS item LEFT JOIN json_each(
            CASE WHEN item.type = 'object' THEN
                CASE json_type(item.value, '$.optionVoters')
                WHEN 'array' THEN json_extract(item.value, '$.optionVoters') END
            END
        ) AS vote ON 1
    """,
    "postgresql": """
        json_array_elements(tallies.tally) AS item(value) LEFT JOIN LATERAL json_array_elements(
            CASE json_typeof(item.value -> 'optionVoters') WHEN 'array' THEN item.value -> 'optionVoters' END
        ) AS vote(value) ON true
    """,
    "mysql": """
        JSON_TABLE(tallies.tally, '$[*]' COLUMNS (
            choice TEXT CHARACTER SET utf8mb4 PATH '$.optionName',
            NESTED PATH '$.optionVoters[*]' COLUMNS (voter TEXT CHARACTER SET utf8mb4 PATH '$')
        )) AS vote
    """,
}
_OPTION_AND_VOTER = {
    "sqlite": (
        """CASE WHEN item.type = 'object' THEN
            CASE json_type(item.value, '$.optionName')
            WHEN 'text' THEN json_extract(item.value, '$.optionName') END
        END""",
        "CASE vote.type WHEN 'text' THEN vote.value END",
    ),
    "postgresql": (
        "CASE json_typeof(item.value -> 'optionName') WHEN 'string' THEN item.value ->> 'optionName' END",
        "CASE json_typeof(vote.value) WHEN 'string' THEN vote.value #>> '{}' END",
    ),
    "mysql": ("vote.choice", "vote.voter"),
}


def polls(source: Source, silence: int) -> Sql:
    """One row for each option of a poll and each voter for it; without voters one, whose voter is ``NULL``.

    An update has the whole tally, so the latest one is what counts.
    """
    p, later, poll = map(source.row, ("p", "later", "poll"))
    is_poll = and_(p.is_message, p.c.type_message == "pollMessage")
    is_update = p.is_about("pollUpdateMessage")
    asked = (poll.is_of(p), poll.is_message, poll.c.type_message == "pollMessage")
    is_newer = (later.is_of(p), later.is_about("pollUpdateMessage"), or_(is_poll, p.is_before(later)))
    place = ("messageData", "pollMessageData")
    items = source.words.items
    tallies = (
        select(
            p.instance.label("instance_id"),
            p.chat.label("chat_id"),
            p.target.label("id_message"),
            p.least(poll.at, poll, *asked).label("asked_at"),
            p.at.label("counted_at"),
            p.day.label("counted_on"),
            p.c.text.label("question"),
            source.words.is_true(p.c.body, *place, "multipleAnswers").label("multiple_answers"),
            choose(
                (is_update, items(p.c.body, *place, "votes")), else_=items(p.c.body, *place, "options")
            ).label("tally"),
        )
        .where(
            or_(is_update, and_(is_poll, p.is_first(lambda row: row.is_message))),
            not_(p.exists(later, *is_newer)),
        )
        .subquery("tallies")
    )
    kind = source.words.kind
    option, voter = _OPTION_AND_VOTER[kind]
    shown = [column for column in tallies.c if column.name != "tally"]
    return select(
        *shown, literal_column(option).label("option_name"), literal_column(voter).label("voter")
    ).select_from(tallies, text(_VOTES[kind]))
