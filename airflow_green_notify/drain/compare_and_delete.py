"""Deletes the head of the queue if, and only if, it is the notification that was meant."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_green_notify.drain.doubt import Doubts
from airflow_green_notify.hooks.queue_head import EMPTY_ANSWERS, QueueHead
from airflow_green_notify.stoppable import run_async

if TYPE_CHECKING:
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.notification import Notification


async def acompare_and_delete(
    hook: GreenApiHook, wanted: Notification | str, *, receive_timeout: float = 5.0
) -> bool:
    """Receive the head and delete it if it is what is wanted.

    A receipt id is used once, a moment after it was handed out, or the head is received again: see
    :class:`~airflow_green_notify.hooks.receipt.Receipt`; so it is after a delete in doubt, see
    :class:`~airflow_green_notify.drain.doubt.Doubts`. A crash at any point leaves the notification either in
    the queue or deleted, and never touches another one.

    :param wanted: A notification, or the key of one. Where a notification's key could not be checked, since
        it came without its thumbnail, the bodies are compared too: a key alone may be made up.
    :param receive_timeout: Seconds the gateway may hold a receive open.
    :return: ``True`` if this call deleted it, ``False`` if it was not at the head.
    :raises GreenApiError: It is still there, and the deletes kept failing.
    """
    doubts, queue = Doubts(), QueueHead(hook)
    may_be_deleted = False
    while (found := await _find(queue, wanted, receive_timeout)) is not None:
        doubts.give_up()
        if await doubts.delete(hook, found):
            return True
        may_be_deleted = may_be_deleted or not doubts.was_gone
        await doubts.back_off()
    return may_be_deleted


async def _find(queue: QueueHead, wanted: Notification | str, receive_timeout: float) -> Notification | None:
    """Return the head under a fresh receipt id if it is what is wanted."""
    queue.empty_answers = 0
    while queue.empty_answers < EMPTY_ANSWERS:
        head = await queue.receive(receive_timeout)
        if head is None:
            continue
        if not _is(head, wanted):
            return None
        if queue.receipt.is_fresh():
            return head
    return None


def _is(head: Notification, wanted: Notification | str) -> bool:
    return head.key == wanted if isinstance(wanted, str) else head.is_meant_by(wanted)


def compare_and_delete(
    hook: GreenApiHook, wanted: Notification | str, *, receive_timeout: float = 5.0
) -> bool:
    """Do the same as :func:`acompare_and_delete` from sync code."""
    return run_async(hook, partial(acompare_and_delete, hook, wanted, receive_timeout=receive_timeout))
