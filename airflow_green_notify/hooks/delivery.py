"""Watches what becomes of a message that was put into the send queue; takes nothing from any queue."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_green_notify.contacts import counts_messages
from airflow_green_notify.errors import (
    GreenApiError,
    GreenApiResponseError,
    GreenApiTransportError,
    GreenApiUnavailableError,
)
from airflow_green_notify.message import FAILURES
from airflow_green_notify.printable import NAME, printable
from airflow_green_notify.progress import span

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from airflow_green_notify.hooks import GreenApiHook

log = logging.getLogger(__name__)

STAGES = ("sent", "delivered", "read")
"""What becomes of a message, one after the other. Telegram and MAX begin with the second."""

FINAL = ("noAccount", "notInGroup")

CONFIRMATION = 30.0
"""Seconds for which another failure must be seen: some that "failed" are delivered nevertheless, and a yellow
card is often wrong."""

LAST_LOOK = 20.0
"""Seconds that a look has at least. At the deadline it is given up: many waits share the gateway's limits."""

LONGEST_LOOK_BACK = 1440
"""Minutes of the journal that are looked through at most."""


class UndeliveredError(GreenApiError):
    """The gateway says that the message doesn't reach its receiver."""


class NotDeliveredYetError(GreenApiError):
    """The message is still on its way when its time is over."""

    retryable = True


@dataclass(frozen=True)
class Message:
    """A message to be watched.

    :param since: UNIX time in seconds since when it may have been sent.
    """

    chat_id: str
    id_message: str
    since: float


async def delivery_event(id_message: str, delivered: Awaitable[None]) -> dict[str, Any]:
    """Wait, and return what came of a message as JSON values.

    :param delivered: What :func:`await_delivery` returns, or what waits in another way.
    :return: ``id_message``, and ``error``, ``retryable`` and ``undelivered``: why it isn't so far, whether
        waiting longer may help, and whether that is the message's own fate. All of them ``None`` if it is.
    """
    event = dict.fromkeys(("error", "retryable", "undelivered"), None)
    try:
        await delivered
    except GreenApiError as error:
        own = isinstance(error, UndeliveredError | NotDeliveredYetError)
        event = {"error": str(error), "retryable": error.retryable, "undelivered": own}
    return {"id_message": id_message, **event}


async def await_delivery(
    hook: GreenApiHook, message: Message, wait_for: str, *, deadline: float, poll_interval: float
) -> None:
    """Look again and again until the message is as far as it is waited for. Outages are waited out.

    :param hook: Best with ``max_attempts=1``.
    :param wait_for: One of :data:`STAGES`.
    :param deadline: UNIX time in seconds.
    :param poll_interval: Seconds between two looks.
    :raises UndeliveredError: It doesn't reach its receiver; the text repeats the gateway's reason.
    :raises NotDeliveredYetError: It isn't so far at the deadline.
    :raises GreenApiError: Looking is in vain, for instance since the token is refused.
    """
    started, failing_since = time.time(), None
    while True:
        now, found, trouble = time.time(), _NOTHING, ""
        try:
            async with asyncio.timeout(max(LAST_LOOK, deadline - now)):
                found = await _look(hook, message)
        except TimeoutError:
            trouble = " The last look got no answer in time: is the gateway slow, or are many waits at it?"
        except (GreenApiTransportError, GreenApiUnavailableError) as error:
            log.info("%s Still waiting.", error)
            trouble = f" The last look failed: {error}"
        if found.status in STAGES[STAGES.index(wait_for) :]:
            log.info("Message %s is %r.", message.id_message, found.status)
            return
        if found.status in FAILURES:
            failing_since = failing_since or now
            if found.status in FINAL or now - failing_since >= CONFIRMATION or now >= deadline:
                raise UndeliveredError(failure(message.id_message, found.status, found.description))
        elif not trouble:
            failing_since = None
        if now >= deadline:
            raise NotDeliveredYetError(found.lateness(message.id_message, wait_for, now - started) + trouble)
        await asyncio.sleep(max(0.0, min(poll_interval, deadline - time.time())))


def failure(id_message: str, status: str, description: str) -> str:
    """Say in words what a status of a failure means, and what the gateway says of it."""
    reason = f" ({printable(description)})" if description else ""
    return f"Message {id_message} was not delivered, {status!r}{reason}: {FAILURES[status]}."


@dataclass(frozen=True)
class _Found:
    """What the gateway shows of a message."""

    status: str = ""
    description: str = ""

    def lateness(self, id_message: str, wait_for: str, seconds: float) -> str:
        shown = f"is {printable(self.status, NAME)!r}" if self.status else "is not shown by the gateway"
        return (
            f"Message {id_message} {shown} after {span(seconds)}, not {wait_for!r} yet. Is the setting "
            "outgoingWebhook on, without which the gateway may not keep statuses? See the send queue and the "
            "instance's state with the doctor."
        )


_NOTHING = _Found()


async def _look(hook: GreenApiHook, message: Message) -> _Found:
    """Ask for the message, and look through the journal where that doesn't bring a status.

    A chat may go by another id by now; the journal is looked through for the message's own.
    """
    try:
        found = _found(await hook.aget_message(message.chat_id, message.id_message))
        if found.status:
            return found
    except GreenApiResponseError as error:
        if type(error) is not GreenApiResponseError:  # else it isn't there yet, or under another chat
            raise
    minutes = min(LONGEST_LOOK_BACK, math.ceil((time.time() - message.since) / 60) + 1)
    entries = await hook.alast_outgoing_messages(minutes)
    mine = [_found(entry) for entry in entries if _is_same(message, entry)]
    return max(mine, key=_progress, default=_NOTHING)


def _is_same(message: Message, entry: Mapping[str, Any]) -> bool:
    """Tell whether a journal's entry is that message, by its id, and by its chat where that counts messages.

    What went to a phone number is shown there under another id: then its own id has to do.
    """
    chat_id = str(entry.get("chatId"))
    both_count = counts_messages(message.chat_id) and counts_messages(chat_id)
    return entry.get("idMessage") == message.id_message and (chat_id == message.chat_id or not both_count)


def _found(entry: Mapping[str, Any]) -> _Found:
    status, description = entry.get("statusMessage"), entry.get("description")
    return _Found(
        status if isinstance(status, str) else "", description if isinstance(description, str) else ""
    )


def _progress(found: _Found) -> int:
    """A failure counts more than nothing, and less than any stage: what was delivered did not fail."""
    return STAGES.index(found.status) + 2 if found.status in STAGES else int(found.status in FAILURES)
