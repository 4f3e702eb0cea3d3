"""The JSON body of a request, read and refused as the gateway does it."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

PLAIN = "identity"
PACKED = ("gzip", "deflate")
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
MAX_JSON = 100 * 1024  # bytes
TOO_LARGE = "request entity too large"
END_OF_INPUT = "Unexpected end of JSON input"


class BodyTooLargeError(Exception):
    """The body is larger than the gateway reads."""


class BrokenBodyError(Exception):
    """The body is no JSON; the message is the gateway's."""


async def read_json(request: web.BaseRequest) -> Any:
    """The JSON value that a request carries.

    :raises BodyTooLargeError: It has more than :data:`MAX_JSON` bytes.
    :raises BrokenBodyError: It isn't JSON.
    """
    body = bytearray()
    async for chunk in _unpacked(request):
        body += chunk
        if len(body) > MAX_JSON:
            raise BodyTooLargeError
    return parsed(body.decode("utf-8-sig", "replace"))


async def _unpacked(request: web.BaseRequest) -> AsyncIterator[bytes]:
    """The body without its ``Content-Encoding``, in pieces."""
    encoding = request.headers.get("Content-Encoding", PLAIN).lower()
    if encoding not in (PLAIN, *PACKED):
        raise BrokenBodyError(f'unsupported content encoding "{encoding}"')
    unpack = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        async for chunk in request.content.iter_any():
            if encoding == PLAIN:
                yield chunk
            while chunk and encoding != PLAIN:
                yield unpack.decompress(chunk, MAX_JSON)
                chunk = unpack.unconsumed_tail
    except zlib.error:
        raise BrokenBodyError("incorrect header check") from None
    except (web.PayloadAccessError, web.RequestPayloadError, HttpProcessingError):
        raise BrokenBodyError("request aborted") from None
    if encoding != PLAIN and not unpack.eof:
        raise BrokenBodyError("unexpected end of file")


def parsed(text: str) -> Any:
    """The value of a JSON text; what only Python takes for JSON is refused.

    :raises BrokenBodyError: In the words of JavaScript's parser.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        complaint = _unexpected(text, error)
    except _ConstantError as error:
        complaint = _unexpected_token(text, text.find(str(error)))
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        complaint = "bad request data"
    raise BrokenBodyError(complaint)


class _ConstantError(Exception):
    """A constant that JSON doesn't have, such as ``NaN``."""


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _unexpected(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return END_OF_INPUT
    return _unexpected_token(text, error.pos)


def _unexpected_token(text: str, position: int) -> str:
    return f"Unexpected token {text[position]} in JSON at position {position}"
