"""How much of an answer is kept, and how its compression is undone, whichever library reads it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from airflow_green_notify.errors import GreenApiError, GreenApiPayloadError, GreenApiResponseError
from airflow_green_notify.protocol.answers import outcome_of
from airflow_green_notify.protocol.calls import Call, Result
from airflow_green_notify.version import VERSION

MAX_REFUSAL = 64 * 2**10
"""Bytes of a refusal that are read; the first words tell which it is."""

QUICK = 256 * 2**10
"""Bytes of an answer that may be parsed within an event loop."""

PIECE = 256 * 2**10
"""Bytes that are unpacked at once."""

HEADERS = {"User-Agent": f"airflow-green-notify/{VERSION}", "Accept-Encoding": "gzip"}
"""What every request says: who asks, and what :class:`Unpacker` can undo."""

_AUTOMATIC_HEADER = 32 + zlib.MAX_WBITS
_PACKED = ("gzip", "x-gzip", "deflate")


class UnpackingError(ValueError):
    """The body is not what its ``Content-Encoding`` says, or that is none that was asked for."""


class Unpacker:
    """Undoes the compression of a body piece by piece, since a megabyte may stand for a gigabyte.

    :param coding: The header ``Content-Encoding``, if there was one.
    """

    def __init__(self, coding: str | None) -> None:
        name = (coding or "identity").strip().lower()
        if name not in ("", "identity", *_PACKED):
            raise UnpackingError("unknown Content-Encoding")
        self._stream: Any = zlib.decompressobj(_AUTOMATIC_HEADER) if name in _PACKED else None
        self._members = 0
        self._is_open = False
        self._filling = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes stand for, at most :data:`PIECE` at once."""
        if self._stream is None:
            yield data
            return
        while data and not self._filling:
            piece = self._unpack(data)
            data = self._stream.unconsumed_tail or self._stream.unused_data
            self._is_open = not self._stream.eof and (self._is_open or bool(piece) or not self._members)
            if self._stream.eof:  # another member may follow
                self._members += 1
                self._stream = zlib.decompressobj(_AUTOMATIC_HEADER)
            yield piece

    def _unpack(self, data: bytes) -> bytes:
        try:
            piece: bytes = self._stream.decompress(data, PIECE)
            return piece
        except zlib.error:
            if self._members and not self._is_open:
                self._filling = True  # what follows the last member is no member
                return b""
        raise UnpackingError("broken compression")

    def end(self) -> None:
        """Say that nothing follows.

        :raises UnpackingError: Something is missing.
        """
        if self._is_open:
            raise UnpackingError("compression that breaks off")


@dataclass(frozen=True)
class FileBounds:
    """What is fetched by a link from a chat.

    :param max_file_size: Bytes of a file, unpacked.
    :param max_seconds: Seconds for a file, all attempts together.
    :param allow_private_addresses: Whether a link may lead to a private or loopback address.
    """

    max_file_size: int = 110 * 2**20
    max_seconds: float = 600.0
    allow_private_addresses: bool = False


class FileTooLargeError(GreenApiResponseError):
    """The file is larger than what is fetched at most."""


class Answer(Generic[Result]):
    """What came so far of an answer to a call, and what it means.

    :param headers: Looked up without regard to case.
    """

    def __init__(self, call: Call[Result], status: int, headers: Mapping[str, str]) -> None:
        self._call = call
        self._status = status
        self._retry_after = headers.get("Retry-After")
        self._unpacker = Unpacker(headers.get("Content-Encoding"))
        self._limit = call.bounds.max_bytes if status == 200 else MAX_REFUSAL
        self._body = bytearray()
        self._values = 0
        self._excess = ""
        self.is_enough = False
        """Whether the rest is left unread."""

    def take(self, data: bytes) -> Iterator[None]:
        """Keep what these bytes stand for. Yields after each large piece, for others to do something."""
        for piece in self._unpacker.feed(data):
            self._keep(piece)
            if self.is_enough:
                return
            if len(piece) == PIECE:
                yield

    def _keep(self, piece: bytes) -> None:
        self._body += piece[: self._limit + 1 - len(self._body)]
        if self._status != 200:
            self.is_enough = len(self._body) > self._limit
            return
        # Parsed, a value takes up to 30 times its bytes, and the parser lets no other thread run meanwhile.
        self._values += piece.count(b",") + piece.count(b"[") + piece.count(b"{")
        if len(self._body) > self._limit:
            self._excess = f"{self._limit // 2**20} MiB"
        elif self._values > self._call.bounds.max_values:
            self._excess = f"{self._call.bounds.max_values:,} values"
        self.is_enough = bool(self._excess)

    def end(self) -> None:
        """Say that nothing follows.

        :raises UnpackingError: Something is missing.
        """
        if not self.is_enough:
            self._unpacker.end()

    @property
    def is_quick(self) -> bool:
        """Whether :meth:`outcome` takes next to no time."""
        return len(self._body) <= QUICK

    def outcome(self, token: str) -> Result | GreenApiError:
        """Return the result, or the error to raise where neither token nor body is in reach.

        :param token: Never appears in the error.
        """
        if not self._excess:
            return outcome_of(
                self._call, self._status, self._body, token=token, retry_after=self._retry_after
            )
        return GreenApiPayloadError(
            f"{self._call.method} answered with more than {self._excess}, and the rest was not read: "
            f"{self._call.bounds.advice}"
        )
