"""The imitated methods for sending, uploading and downloading: texts and files."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments, bodies
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.forms import read_form
from airflow_green_notify.emulator.json_body import TOO_LARGE
from airflow_green_notify.emulator.media import CHUNK, MAX_SIZE, UploadedFile
from airflow_green_notify.emulator.refusals import Rejection
from airflow_green_notify.emulator.sending import send
from airflow_green_notify.emulator.validation import invalid, optional_boolean, optional_text, text

MAX_CAPTION = 1024  # characters
OCTETS = "application/octet-stream"


async def send_message(call: Call) -> web.Response:
    """Take a text into the send queue."""
    data = await call.json_object()
    chat = arguments.chat(call, data)
    message = text(data, "message", limit=arguments.MAX_MESSAGE[call.instance.type_instance])
    optional_boolean(data, "linkPreview")
    shown = bodies.api_text_data(message)
    return as_json({"idMessage": send(call, "sendMessage", chat, {"message": message}, shown, data)})


async def send_file_by_url(call: Call) -> web.Response:
    """Take a file into the send queue that lies behind a URL; the emulator doesn't fetch it."""
    data = await call.json_object()
    chat, url, file_name = arguments.chat(call, data), text(data, "urlFile"), text(data, "fileName")
    content = _file_content(url, file_name, data)
    file = call.instance.media.find(url)
    if file is not None:
        if file.size > MAX_SIZE:
            size = file.size // 1024**2
            words = f"File from url exceeded max upload size. Size: {size}mb Limit: 100mb Url: {url}"
            raise Rejection(500, words)
        content |= {"size": file.size, "sha256": file.sha256}
    return as_json({"idMessage": _send_file(call, "sendFileByUrl", chat, content, data)})


async def send_file_by_upload(call: Call) -> web.Response:
    """Take a file into the send queue that comes with the request."""
    fields, file = await read_form(call)
    chat = arguments.chat(call, fields)
    if file is None:
        raise invalid("'file' is required")
    file.name = fields.get("fileName") or file.name
    url = _link_to_upload(call, file)
    content = _file_content(url, file.name, fields)
    content |= {"size": file.size, "sha256": file.sha256}
    id_message = _send_file(call, "sendFileByUpload", chat, content, fields)
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
    chat, id_message = arguments.chat(call, data), text(data, "idMessage")
    url = call.instance.fresh_link(chat, id_message)
    if url is None:
        words = f"File message encrypted url not found by chatId {chat} and idMessage {id_message}"
        raise Rejection(400, words)
    return as_json({"downloadUrl": url})


def _send_file(call: Call, method: str, chat: str, content: dict[str, Any], data: Mapping[str, Any]) -> str:
    parts = (content[name] for name in ("urlFile", "fileName", "mimeType", "caption"))
    return send(call, method, chat, content, bodies.file_data(*parts), data)


def _file_content(url: str, file_name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    caption = optional_text(data, "caption", limit=MAX_CAPTION)
    mime_type = mimetypes.guess_type(file_name)[0] or OCTETS
    return {"urlFile": url, "fileName": file_name, "caption": caption, "mimeType": mime_type}


def _link_to_upload(call: Call, file: UploadedFile) -> str:
    if file.size > MAX_SIZE:
        raise Rejection(500, TOO_LARGE)
    return call.instance.media.link(call.instance, file, None)
