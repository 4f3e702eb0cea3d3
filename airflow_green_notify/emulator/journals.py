"""The journals of messages: what was received and sent, flattened, whether deleted from the queue or not."""

from __future__ import annotations

from aiohttp import web

from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call

DEFAULT_MINUTES = 1440


async def last_incoming_messages(call: Call) -> web.Response:
    """Answer the messages that came in during the last ``minutes``, newest first."""
    history = call.instance.history
    return as_json([history.incoming_entry(body) for body in history.received(*window(call))])


async def last_outgoing_messages(call: Call) -> web.Response:
    """Answer the messages that went out during the last ``minutes``, those sent by API first."""
    history, span = call.instance.history, window(call)
    entries = [history.sent_entry(message) for message in history.sent(*span)]
    statuses = history.statuses(*span)
    entries += [history.outgoing_entry(body, statuses) for body in history.sent_elsewhere(*span)]
    return as_json(entries)


def window(call: Call) -> tuple[float, float]:
    """From when to when a message must have arrived; the latest ones lag."""
    minutes = call.parameter("minutes", "")
    span = int(minutes[:9]) if minutes.isdecimal() else DEFAULT_MINUTES
    now = call.instance.clock.now()
    return now - span * 60, now - call.instance.switches.journal_lag
