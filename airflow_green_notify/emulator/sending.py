"""Whether a message may be sent at all, and the way of those that may into the send queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_green_notify.emulator.account import NOT_AUTHORIZED, UNAUTHORIZED_STATES
from airflow_green_notify.emulator.answers import as_json, refused
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.refusals import Refusal
from airflow_green_notify.emulator.validation import invalid, quoted_id

TYPING_TIME = (1000, 20000)  # milliseconds

Data = dict[str, Any]


def send(
    call: Call, method: str, chat_id: str, content: Data, shown: Data, request: Mapping[str, Any]
) -> str:
    """Take a message into the send queue, unless the account may not send, and return its id.

    :param content: What tests read of it.
    :param shown: Its ``messageData``.
    :param request: What the method was called with.
    """
    instance = call.instance
    quoted = quoted_id(request, instance.type_instance)
    _check_typing_time(request.get("typingTime"))
    state = instance.account.state
    if state == "suspended" and instance.type_instance == "v3":  # elsewhere it waits in the send queue
        raise Refusal(refused(403, "Your account is suspended"))
    if state in UNAUTHORIZED_STATES and instance.switches.unauthorized_sends == "refuse":
        raise Refusal(refused(400, NOT_AUTHORIZED))
    _check_quota(call, method, chat_id)
    return instance.outbox.send(method, chat_id, content, shown, quoted)


def _check_quota(call: Call, method: str, chat_id: str) -> None:
    """Refuse a chat beyond those of the plan; a notification tells of it, too."""
    instance = call.instance
    quota, chats = instance.switches.quota_chats, instance.outbox.chats
    if quota is None or len(chats) < quota or instance.people.key(chat_id) in chats:
        return
    shown = sorted(map(instance.people.shown, chats))
    description = f"Monthly chat allowance is used up. Allowed chats: {', '.join(shown)}"
    used = {"used": len(chats), "total": quota}
    correspondents = {"method": "correspondents"} | used | {"status": "CORRESPONDENTS_QUOTE_EXCEEDED"}
    invoked = {"method": method} | used | {"status": "QUOTE_ALLOWED", "description": ""}
    instance.push([_quota_notification(call, used, description)])
    body = {"invokeStatus": invoked, "correspondentsStatus": correspondents | {"description": description}}
    raise Refusal(as_json(body, 466))


def _quota_notification(call: Call, used: Data, description: str) -> Data:
    status = {"status": "CORRESPONDENTS_QUOTA_EXCEEDED", "description": description}
    return {
        "typeWebhook": "quotaExceeded",
        "instanceData": call.instance.account.instance_data,
        "quotaData": {"method": "correspondents"} | used | status,
    }


def _check_typing_time(value: Any) -> None:
    low, high = TYPING_TIME
    if value is not None and not (str(value).isdecimal() and low <= int(value) <= high):
        raise invalid(f"'typingTime' must be between {low} and {high}")
