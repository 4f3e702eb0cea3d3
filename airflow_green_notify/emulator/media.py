"""Files behind links: generated or uploaded, served below ``/_media/``, with links that may expire."""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from aiohttp import web

from airflow_green_notify.emulator.answers import cut, refused
from airflow_green_notify.emulator.clock import Clock
from airflow_green_notify.emulator.switches import Switches

CHUNK = 1 << 16
MAX_SIZE = 100 * 1024**2  # bytes; the gateway passes on no larger file
TOO_LARGE_MARKER = "{{SWE002}}"
INVENTED_SIZE = 10_000  # bytes of a file of which only a link elsewhere is known


def media_content(name: str, size: int) -> Iterator[bytes]:
    """Make the bytes of a generated file: always the same for the same name and size."""
    chance = random.Random(name.encode("utf-8", "surrogatepass"))
    for start in range(0, size, CHUNK):
        yield chance.randbytes(min(CHUNK, size - start))


class MediaFile:
    """A file whose bytes are generated while they are read."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size

    def content(self) -> Iterator[bytes]:
        """The bytes, piece by piece."""
        return media_content(self.name, self.size)

    @property
    def sha256(self) -> str:
        """The hash of the content, in hex."""
        digest = hashlib.sha256()
        for chunk in self.content():
            digest.update(chunk)
        return digest.hexdigest()


class UploadedFile(MediaFile):
    """A file that a client sent: on disk while anything leads to it, never in memory."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 0)
        self._digest = hashlib.sha256()
        self._disk: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._disk.close)

    def write(self, chunk: bytes) -> None:
        """Append to the file; beyond the gateway's limit only the size goes on growing."""
        self.size += len(chunk)
        if self.size <= MAX_SIZE:
            self._digest.update(chunk)
            self._disk.write(chunk)

    def content(self) -> Iterator[bytes]:
        """The bytes, piece by piece; several readers don't disturb each other."""
        for start in range(0, min(self.size, MAX_SIZE), CHUNK):
            self._disk.seek(start)
            yield self._disk.read(CHUNK)

    @property
    def sha256(self) -> str:
        """The hash of the content, in hex."""
        return self._digest.hexdigest()


class Owner(Protocol):
    """The instance to which a file belongs."""

    switches: Switches
    link_seconds: float

    def note_request(self, method: str, verb: str) -> dict[str, Any]:
        """Write a request into the log."""
        ...


@dataclass
class Link:
    """A way to a file of an instance that may be open for a while only."""

    owner: Owner
    file: MediaFile
    expires_at: float


class MediaStore:
    """All links of a gateway, served at ``/_media/<link>/<name>``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: dict[str, Link] = {}
        self.base = ""  # where the gateway answers

    def link(self, owner: Owner, file: MediaFile, expires_after: float | None) -> str:
        """Open a fresh way to a file, for so many seconds or the life that the product gives it."""
        if not self.base:
            raise RuntimeError("there are no links before the emulator was started")
        seconds = owner.link_seconds if expires_after is None else expires_after
        expires_at = self._clock.now() + seconds
        key = secrets.token_hex(8)
        self._links[key] = Link(owner, file, expires_at)
        return f"{self.base}/_media/{key}/{quote(file.name, errors='replace')}"

    def find(self, url: str) -> MediaFile | None:
        """The file behind a link of this gateway, expired or not."""
        link = self._links.get(_key(_path(url)))
        return link.file if link else None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request below ``/_media/``."""
        link = self._links.get(_key(request.path))
        if link is None or request.method not in ("GET", "HEAD"):
            return refused(404, "Not Found")
        record = link.owner.note_request("media", request.method)
        expired = self._clock.now() >= link.expires_at
        if expired:
            record["status"] = int(link.owner.switches.expired_link)
            return refused(record["status"], "the link has expired")
        part = _part(request, link.file.size)
        record["status"] = 416 if part is None else 200 if len(part) == link.file.size else 206
        if part is None:
            headers = {"Content-Range": f"bytes */{link.file.size}"}
            return web.Response(status=416, headers=headers)
        return await _stream(request, link.file, part, record["status"])


def name_in(url: str) -> str:
    """The file name at the end of a URL."""
    return unquote(_path(url).rpartition("/")[2]) or "file"


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _key(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "_media" else ""


def _part(request: web.BaseRequest, size: int) -> range | None:
    """Which bytes are asked for; all of them if the range is none; ``None`` if there are no such bytes."""
    try:
        wanted = request.http_range
    except ValueError:
        return range(size)
    part = range(size)[wanted]
    return None if wanted.start is not None and not part else part


async def _stream(request: web.BaseRequest, file: MediaFile, part: range, status: int) -> web.StreamResponse:
    response = web.StreamResponse(
        status=status, headers={"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    )
    response.content_length = len(part)
    if status == 206:
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
    await response.prepare(request)
    try:
        await _write(response, file, part if request.method == "GET" else range(0))
    except Exception:
        cut(request)  # an answer that has begun can't be taken back
        raise
    return response


async def _write(response: web.StreamResponse, file: MediaFile, part: range) -> None:
    position = 0
    for chunk in file.content():
        if position >= part.stop:
            return
        wanted = chunk[max(0, part.start - position) : part.stop - position]
        position += len(chunk)
        if wanted:
            await response.write(wanted)
        else:
            await asyncio.sleep(0)  # what lies before the part is made, too
