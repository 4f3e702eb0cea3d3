"""Deletes the head of the queue if, and only if, it is the notification that was meant."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from airflow_green_notify.drain.doubt import doubt_wait
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.receipt import Receipt
from airflow_green_notify.stoppable import run_async

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification

MAX_DOUBTS = 5
EMPTY_ANSWERS = 2


async def acompare_and_delete(
    hook: GreenApiHook, wanted: Notification | str, *, receive_timeout: float = 5.0
) -> bool:
    """Receive the head and delete it if it is what is wanted.

    A receipt id is used once, a moment after it was handed out, or the head is received again: see
    :class:`~airflow_green_notify.hooks.receipt.Receipt`. A delete with a doubtful end (no answer, 5xx,
    ``false``) is settled by receiving again: the same key means it is still there and is deleted under its
    new receipt id; another key, or an empty queue, means it is gone. A crash at any point leaves the
    notification either in the queue or deleted, and never touches another one.

    :param wanted: A notification, or the key of one. Where a notification's key could not be checked, since
        it came without its thumbnail, the bodies are compared too: a key alone may be made up.
    :param receive_timeout: Seconds the gateway may hold a receive open.
    :return: ``True`` if this call deleted it, ``False`` if it was not at the head.
    :raises GreenApiError: It is still there, and the deletes kept failing.
    """
    doubt: GreenApiError | None = None
    for attempt in range(MAX_DOUBTS):
        receipt_id = await _receipt_id_of_head(hook, wanted, receive_timeout)
        if receipt_id is None:
            return doubt is not None
        try:
            if await hook.adelete_notification(receipt_id):
                return True
        except GreenApiError as error:
            if not error.retryable:
                raise
            doubt = error
        await asyncio.sleep(doubt_wait(attempt, doubt))
    raise doubt or GreenApiError(
        f"Notification {_key_of(wanted)} is still at the head, though deleting it was refused {MAX_DOUBTS} "
        "times: does another consumer use this instance?"
    )


async def _receipt_id_of_head(
    hook: GreenApiHook, wanted: Notification | str, receive_timeout: float
) -> int | None:
    """Return the fresh receipt id if what is wanted is at the head. One empty answer proves no emptiness."""
    empty_answers, receipt = 0, Receipt()
    while empty_answers < EMPTY_ANSWERS:
        asked_at = time.monotonic()
        receipt.ask(receive_timeout)
        head = await hook.areceive_notification(receive_timeout)
        receipt.answer(head)
        if head is None:
            empty_answers += 1
            await asyncio.sleep(max(0.0, min(1.0, receive_timeout) - (time.monotonic() - asked_at)))
        elif not _is(head, wanted):
            return None
        elif receipt.is_fresh():
            return head.receipt_id
    return None


def _is(head: Notification, wanted: Notification | str) -> bool:
    return head.key == wanted if isinstance(wanted, str) else head.is_meant_by(wanted)


def _key_of(wanted: Notification | str) -> str:
    return wanted if isinstance(wanted, str) else wanted.key


def compare_and_delete(
    hook: GreenApiHook, wanted: Notification | str, *, receive_timeout: float = 5.0
) -> bool:
    """Do the same as :func:`acompare_and_delete` from sync code."""
    return run_async(hook, partial(acompare_and_delete, hook, wanted, receive_timeout=receive_timeout))
