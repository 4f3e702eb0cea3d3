"""The forms in which the gateway answers."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

REASONS = {466: "Correspondents quota exceeded"}


def raw_json(body: bytes, status: int = 200) -> web.Response:
    """An answer whose body is JSON already."""
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json; charset=utf-8"})


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


def internal_error(message: str, path: str) -> web.Response:
    """The gateway's form of a 500: it repeats the path of the request, and with it the token."""
    return as_json({"message": message, "path": path}, 500)


def cut(request: web.BaseRequest) -> web.Response:
    """Close the connection; the server notices that there is nobody to answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
