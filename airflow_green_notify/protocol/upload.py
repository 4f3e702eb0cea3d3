"""A file on its way to the gateway, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True)
class Upload:
    """A file on its way to the gateway as ``multipart/form-data``, read as it is sent.

    :param stream: Opened for reading bytes, at its beginning.
    :param size: Bytes in ``stream``.
    """

    stream: IO[bytes]
    size: int
    file_name: str
    mime_type: str
    fields: Mapping[str, str]
    boundary: str

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self.boundary}"

    def _head(self) -> bytes:
        def part(disposition: str, rest: str) -> str:
            return f"--{self.boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{rest}"

        fields = "".join(part(f'name="{name}"', f"\r\n{value}\r\n") for name, value in self.fields.items())
        name = self.file_name.replace("\\", "_").replace('"', "%22").replace("\r", " ").replace("\n", " ")
        file = part(f'name="file"; filename="{name}"', f"Content-Type: {self.mime_type}\r\n\r\n")
        return (fields + file).encode("utf-8", "replace")

    def _tail(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head()) + self.size + len(self._tail())

    def __iter__(self) -> Iterator[bytes]:
        yield self._head()
        while chunk := self.stream.read(64 * 1024):
            yield chunk
        yield self._tail()
