"""What waits to be sent, and whether it moves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook

WATCH = 6.0
"""Seconds for which the send queue is watched, if something waits: the gateway doesn't say since when."""

SHOWN_AT_MOST = 500
"""How many messages the gateway shows."""


class SendQueue(NamedTuple):
    """The send queue, as a look or two showed it.

    :param length: How many messages wait, up to :data:`SHOWN_AT_MOST`.
    :param moves: Whether the first of them left between the looks; ``None`` if there was one look only.
    """

    length: int
    moves: bool | None


def watch_send_queue(hook: GreenApiHook, once: bool = False) -> SendQueue:
    """Look at the send queue, and again after a while if something waits in it, unless one look must do."""
    before = hook.show_messages_queue()
    if not before:
        return SendQueue(0, True)
    if once:
        return SendQueue(len(before), None)
    time.sleep(WATCH)
    after = hook.show_messages_queue()
    return SendQueue(len(before), not after or after[0].get("messageID") != before[0].get("messageID"))
