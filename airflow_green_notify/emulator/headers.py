"""The headers around the gateway's answers: each of its back ends has its own."""

from __future__ import annotations

import binascii
import hashlib
from email.utils import formatdate
from functools import lru_cache

from aiohttp import web

CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
PREFLIGHT = CORS | {
    "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
    "Access-Control-Allow-Headers": "*",
}
SECURITY = {
    "Access-Control-Allow-Origin": "*",  # inferred: the vendor's JavaScript client runs in browsers
    "Strict-Transport-Security": "max-age=15552000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "0",
}


def dress(response: web.StreamResponse, idle: str, at: float) -> None:
    """Give an answer of this UNIX time the headers of the back end that has this form of an idle answer.

    That which answers ``null`` has security headers and an ETag, that which answers nothing CORS headers.
    """
    response.headers.setdefault("Date", _date(int(at)))
    response.headers.update(SECURITY if idle == "null" else CORS)
    body = response.body if isinstance(response, web.Response) else None
    if idle == "null" and isinstance(body, bytes) and response.status == 200:
        response.headers.setdefault("ETag", _etag(body))


def _etag(body: bytes) -> str:
    """The weak ETag of Express."""
    digest = hashlib.sha1(body, usedforsecurity=False).digest()
    text = binascii.b2a_base64(digest, newline=False).decode().rstrip("=")
    return f'W/"{len(body):x}-{text}"'


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
