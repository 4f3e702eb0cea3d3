"""The imitated methods around the send queue."""

from __future__ import annotations

from aiohttp import web

from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call

SHOWN_MESSAGES = 500
SHOWN_TYPES = {"sendFileByUpload": "sendFileByUrl", "forwardMessages": "ForwardMessages"}


async def show_messages_queue(call: Call) -> web.Response:
    """Answer what waits in the send queue."""
    messages = list(call.instance.outbox.waiting.values())[:SHOWN_MESSAGES]
    return as_json(
        [
            {
                "messageID": message.id_message,
                "messagesIDs": [message.id_message],
                "type": SHOWN_TYPES.get(message.method, message.method),
                "body": {"chatId": message.chat_id, **message.content}
                | ({"quotedMessageId": message.quoted_id} if message.quoted_id else {}),
            }
            for message in messages
        ]
    )


async def get_messages_count(call: Call) -> web.Response:
    """Answer how many messages wait in the send queue."""
    return as_json({"count": len(call.instance.outbox.waiting)})


async def clear_messages_queue(call: Call) -> web.Response:
    """Empty the send queue."""
    call.instance.outbox.clear()
    return as_json({"isCleared": True})
