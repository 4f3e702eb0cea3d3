"""The imitated methods for sending, uploading and downloading, and for the send queue."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any

from aiohttp import BodyPartReader, web

from airflow_green_notify.emulator.account import NOT_AUTHORIZED, UNAUTHORIZED_STATES
from airflow_green_notify.emulator.answers import as_json, refused
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.json_body import TOO_LARGE
from airflow_green_notify.emulator.media import CHUNK, MAX_SIZE, UploadedFile
from airflow_green_notify.emulator.refusals import Refusal, Rejection
from airflow_green_notify.emulator.validation import (
    chat_id,
    invalid,
    optional_boolean,
    optional_text,
    quoted_id,
    text,
)

MAX_MESSAGE = {"whatsapp": 20000, "telegram": 4096, "v3": 4000}  # characters
MAX_CAPTION = 1024
TYPING_TIME = (1000, 20000)  # milliseconds
SHOWN_MESSAGES = 500
OCTETS = "application/octet-stream"


async def send_message(call: Call) -> web.Response:
    """Take a text into the send queue."""
    data = await call.json_object()
    chat = _chat(call, data)
    message = text(data, "message", limit=MAX_MESSAGE[call.instance.type_instance])
    optional_boolean(data, "linkPreview")
    return as_json({"idMessage": _send(call, "sendMessage", chat, {"message": message}, data)})


async def send_file_by_url(call: Call) -> web.Response:
    """Take a file into the send queue that lies behind a URL; the emulator doesn't fetch it."""
    data = await call.json_object()
    chat, url, file_name = _chat(call, data), text(data, "urlFile"), text(data, "fileName")
    content = _file_content(url, file_name, data)
    file = call.instance.media.find(url)
    if file is not None:
        if file.size > MAX_SIZE:
            size = file.size // 1024**2
            words = f"File from url exceeded max upload size. Size: {size}mb Limit: 100mb Url: {url}"
            raise Rejection(500, words)
        content |= {"size": file.size, "sha256": file.sha256}
    return as_json({"idMessage": _send(call, "sendFileByUrl", chat, content, data)})


async def send_file_by_upload(call: Call) -> web.Response:
    """Take a file into the send queue that comes with the request."""
    fields, file = await _read_form(call)
    chat = _chat(call, fields)
    if file is None:
        raise invalid("'file' is required")
    file.name = fields.get("fileName") or file.name
    url = _link_to_upload(call, file)
    content = _file_content(url, file.name, fields)
    content |= {"size": file.size, "sha256": file.sha256}
    id_message = _send(call, "sendFileByUpload", chat, content, fields)
    return as_json({"idMessage": id_message, "urlFile": url})


async def upload_file(call: Call) -> web.Response:
    """Keep a file for a later ``sendFileByUrl``."""
    headers = call.request.headers
    suffix = mimetypes.guess_extension(headers.get("Content-Type", OCTETS)) or ".bin"
    file = UploadedFile(headers.get("GA-Filename") or f"upload{suffix}")
    async for chunk in call.request.content.iter_chunked(CHUNK):
        file.write(chunk)
    return as_json({"urlFile": _link_to_upload(call, file)})


async def download_file(call: Call) -> web.Response:
    """Answer with a fresh link to the file of a message."""
    data = await call.json_object()
    if len(data) < 2:
        raise invalid("'value' must have at least 2 keys")
    chat, id_message = _chat(call, data), text(data, "idMessage")
    url = call.instance.fresh_link(chat, id_message)
    if url is None:
        words = f"File message encrypted url not found by chatId {chat} and idMessage {id_message}"
        raise Rejection(400, words)
    return as_json({"downloadUrl": url})


async def show_messages_queue(call: Call) -> web.Response:
    """Answer what waits in the send queue."""
    messages = list(call.instance.outbox.waiting.values())[:SHOWN_MESSAGES]
    return as_json(
        [
            {
                "messageID": message.id_message,
                "messagesIDs": [message.id_message],
                "type": "sendMessage" if message.method == "sendMessage" else "sendFileByUrl",
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


def _chat(call: Call, data: Mapping[str, Any]) -> str:
    return chat_id(data, call.instance.type_instance)


def _send(call: Call, method: str, chat: str, content: dict[str, Any], data: Mapping[str, Any]) -> str:
    """Send, unless the account may not."""
    instance = call.instance
    quoted = quoted_id(data, instance.type_instance)
    _check_typing_time(data.get("typingTime"))
    state = instance.account.state
    if state == "suspended":
        raise Refusal(refused(403, "Your account is suspended"))
    if state in UNAUTHORIZED_STATES and instance.switches.unauthorized_sends == "refuse":
        raise Refusal(refused(400, NOT_AUTHORIZED))
    quota = instance.switches.quota_chats
    if quota is not None and chat not in instance.outbox.chats and len(instance.outbox.chats) >= quota:
        raise Refusal(as_json(_quota_exceeded(method, sorted(instance.outbox.chats), quota), 466))
    return instance.outbox.send(method, chat, content, quoted)


def _quota_exceeded(method: str, chats: list[str], quota: int) -> dict[str, Any]:
    return {
        "invokeStatus": {
            "method": method,
            "used": len(chats),
            "total": quota,
            "status": "QUOTE_ALLOWED",
            "description": "",
        },
        "correspondentsStatus": {
            "method": "correspondents",
            "used": len(chats),
            "total": quota,
            "status": "CORRESPONDENTS_QUOTE_EXCEEDED",
            "description": f"Monthly chat allowance is used up. Allowed chats: {', '.join(chats)}",
        },
    }


def _file_content(url: str, file_name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    caption = optional_text(data, "caption", limit=MAX_CAPTION)
    mime_type = mimetypes.guess_type(file_name)[0] or OCTETS
    return {"urlFile": url, "fileName": file_name, "caption": caption, "mimeType": mime_type}


async def _read_form(call: Call) -> tuple[dict[str, str], UploadedFile | None]:
    if not call.request.content_type.startswith("multipart/"):
        raise Rejection(400, "bad request data")
    fields: dict[str, str] = {}
    file = None
    async for part in await call.request.multipart():
        if not isinstance(part, BodyPartReader):
            raise Rejection(400, "bad request data")
        if part.name != "file":
            fields[part.name or ""] = await part.text()
            continue
        file = UploadedFile(part.filename or "file")
        while chunk := await part.read_chunk(CHUNK):
            file.write(chunk)
    return fields, file


def _link_to_upload(call: Call, file: UploadedFile) -> str:
    if file.size > MAX_SIZE:
        raise Rejection(500, TOO_LARGE)
    return call.instance.media.link(call.instance, file, None)


def _check_typing_time(value: Any) -> None:
    low, high = TYPING_TIME
    if value is not None and not (str(value).isdecimal() and low <= int(value) <= high):
        raise invalid(f"'typingTime' must be between {low} and {high}")
