"""The path of a request, as it was sent."""

from __future__ import annotations

from aiohttp import web


def path_of(request: web.BaseRequest) -> str:
    """The path without the query."""
    return request.raw_path.partition("?")[0]


def segments_of(request: web.BaseRequest) -> list[str]:
    """The parts of the path between slashes, without the prefix ``/v3/``."""
    segments = path_of(request).split("/")[1:]
    return segments[1:] if segments and segments[0].lower() == "v3" else segments
