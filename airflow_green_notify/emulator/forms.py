"""Multipart forms, in which files come."""

from __future__ import annotations

import zlib

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.media import CHUNK, UploadedFile
from airflow_green_notify.emulator.refusals import Rejection

BROKEN = (
    ValueError,  # among them: not UTF-8, no base64, a boundary that is missing, too long or never comes
    LookupError,  # an unknown charset
    AssertionError,
    RuntimeError,
    EOFError,
    RuntimeWarning,  # of a broken header, where warnings are errors
    zlib.error,
    HttpProcessingError,
    web.PayloadAccessError,
    web.RequestPayloadError,
)
"""What aiohttp's reader of forms raises on a broken one."""


async def read_form(call: Call) -> tuple[dict[str, str], UploadedFile | None]:
    """The fields and the file of a multipart form."""
    try:
        return await _read(call.request)
    except BROKEN:
        raise Rejection(400, "bad request data") from None


async def _read(request: web.BaseRequest) -> tuple[dict[str, str], UploadedFile | None]:
    if not request.content_type.startswith("multipart/"):
        raise ValueError("no form")
    fields: dict[str, str] = {}
    file = None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form in a form")
        if part.name != "file":
            fields[part.name or ""] = await part.text()
            continue
        file = UploadedFile(part.filename or "file")
        while chunk := await part.read_chunk(CHUNK):
            file.write(chunk)
    return fields, file
