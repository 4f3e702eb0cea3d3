"""Multipart forms, in which files come."""

from __future__ import annotations

from aiohttp import BodyPartReader

from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.media import CHUNK, UploadedFile
from airflow_green_notify.emulator.refusals import Rejection


async def read_form(call: Call) -> tuple[dict[str, str], UploadedFile | None]:
    """The fields and the file of a multipart form."""
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
