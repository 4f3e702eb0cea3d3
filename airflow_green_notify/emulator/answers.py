"""The forms in which the gateway answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

JSON = {"Content-Type": "application/json; charset=utf-8"}
REASONS = {466: "Correspondents quota exceeded"}


def raw_json(body: bytes, status: int = 200) -> web.Response:
    """An answer whose body is JSON already."""
    return web.Response(body=body, status=status, headers=JSON)


def as_json(data: Any, status: int = 200) -> web.Response:
    """An answer with this as JSON; pure ASCII, so that lone surrogates survive."""
    response = raw_json(json.dumps(data, separators=(",", ":")).encode("ascii"), status)
    if status in REASONS:
        response.set_status(status, REASONS[status])
    return response


def refused(status: int, text: str = "") -> web.Response:
    """A refusal in plain text."""
    body = text.encode("utf-8", "backslashreplace")
    return web.Response(body=body, status=status, headers={"Content-Type": "text/plain; charset=utf-8"})


def error(status: int, message: str, path: str, at: float) -> web.Response:
    """The gateway's JSON form of an error: it repeats the path of the request, and with it the token.

    :param path: As it stood in the request.
    :param at: UNIX time.
    """
    return as_json({"statusCode": status, "timestamp": instant(at), "path": path, "message": message}, status)


def instant(at: float) -> str:
    """A UNIX time as JavaScript writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cut(request: web.BaseRequest) -> web.Response:
    """Close the connection; the server notices that there is nobody to answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
