"""The imitated methods around the notification queue and the account."""

from __future__ import annotations

import math
import time

from aiohttp import web

from airflow_green_notify.emulator.account import Needs
from airflow_green_notify.emulator.answers import as_json, raw_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.javascript import number
from airflow_green_notify.emulator.refusals import Rejection
from airflow_green_notify.emulator.validation import invalid

DEFAULT_RECEIVE_TIMEOUT = 5.0
MAX_RECEIVE_TIMEOUT = 60.0
CLEAR_INTERVAL = 60  # seconds between two successful clearWebhooksQueue
NOT_A_NUMBER = "Parameter receiptId must be a Number!"
NOT_FOUND = "Cannot read properties of undefined (reading 'findUnAckedMessage')"
IDLE_BODIES = {"null": b"null", "empty": b""}
DELETED = b'{"result":true,"reason":""}'
NOT_DELETED = b'{"result":false,"reason":"the notification was not found or has been deleted already"}'


async def receive_notification(call: Call) -> web.Response:
    """Answer with the head of the queue, if need be once there is one."""
    instance = call.instance
    until = time.monotonic() + _receive_timeout(call)
    while True:
        if found := instance.queue.deliver():
            return raw_json(found)
        left = until - time.monotonic()
        if left <= 0:
            return raw_json(IDLE_BODIES[instance.switches.idle])
        await instance.queue.wait(left)
        if call.abandoned:
            return raw_json(b"")  # nobody reads it; a notification handed out now would be hidden for nothing
        call.require_token()
        call.require(Needs.POLLING)
        until = min(until, time.monotonic() + _receive_timeout(call))  # settings may have changed


def _receive_timeout(call: Call) -> float:
    if call.instance.switches.instant_empty or call.instance.account.silent:
        return 0.0
    try:
        seconds = float(call.parameter("receiveTimeout", ""))
    except ValueError:
        return DEFAULT_RECEIVE_TIMEOUT
    return min(max(0.0, seconds), MAX_RECEIVE_TIMEOUT)  # in this order, what is not a number is 0


async def delete_notification(call: Call) -> web.Response:
    """Delete what was handed out under the receipt id."""
    receipt_id = number(call.rest) if call.rest else None
    if receipt_id is None:
        raise Rejection(500, NOT_A_NUMBER)
    if receipt_id.is_integer() and call.instance.queue.delete(int(receipt_id)):
        return raw_json(DELETED)
    if call.instance.switches.missing_receipt == "false":
        return raw_json(NOT_DELETED)
    raise Rejection(500, NOT_FOUND)


async def get_webhooks_count(call: Call) -> web.Response:
    """Answer how many notifications wait."""
    return as_json({"count": call.instance.reported_count()})


async def clear_webhooks_queue(call: Call) -> web.Response:
    """Remove all that waits, once a minute at most."""
    instance = call.instance
    left = instance.cleared_at + CLEAR_INTERVAL - instance.clock.now()
    if left > 0:
        return as_json({"isCleared": False, "reason": "Too many requests", "leftTime": math.ceil(left)})
    instance.queue.clear()
    instance.cleared_at = instance.clock.now()
    return as_json({"isCleared": True, "reason": ""})


async def get_state_instance(call: Call) -> web.Response:
    """Answer the state of the instance."""
    return as_json({"stateInstance": call.instance.account.state})


async def get_settings(call: Call) -> web.Response:
    """Answer all settings."""
    return as_json(call.instance.account.settings)


async def set_settings(call: Call) -> web.Response:
    """Change some settings, which restarts the instance."""
    changes = await call.json_object()
    if not changes:
        raise Rejection(400, "bad request data")
    problem = call.instance.account.problem_with(changes)
    if problem:
        raise invalid(problem)
    call.instance.account.change_by_api(changes)
    return as_json({"saveSettings": True})


async def reboot(call: Call) -> web.Response:
    """Restart the instance."""
    call.instance.account.restart()
    return as_json({"isReboot": True})
