"""From a path or a URL to the call that sends the file."""

from __future__ import annotations

import mimetypes
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.upload import Upload

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_green_notify.protocol.calls import Call

    File = str | os.PathLike[str] | ObjectStoragePath

MAX_FILE_SIZE = 100 * 1024 * 1024


@contextmanager
def opened_call(
    chat_id: str, file: File, file_name: str | None = None, caption: str | None = None
) -> Iterator[Call]:
    """Yield the call that sends ``file``, by upload or by URL as fits, and close what was opened for it."""
    if isinstance(file, str) and file.startswith(("http://", "https://")):
        name = file_name or unquote(PurePosixPath(urlsplit(file).path).name) or "file"
        yield calls.send_file_by_url(chat_id, file, name, caption)
        return
    path = _path(file)
    name = file_name or path.name
    with path.open("rb") as stream:
        fields = {"chatId": chat_id, "fileName": name} | ({"caption": caption} if caption else {})
        yield calls.send_file_by_upload(
            Upload(
                stream=stream,
                size=_checked_size(path),
                file_name=name,
                mime_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
                fields=fields,
                boundary=uuid.uuid4().hex,
            )
        )


def _path(file: File) -> Path | ObjectStoragePath:
    if isinstance(file, str) and "://" in file:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(file)
    return Path(file) if isinstance(file, str) else file  # type: ignore[return-value]


def _checked_size(path: Path | ObjectStoragePath) -> int:
    size = int(path.stat().st_size)
    if size > MAX_FILE_SIZE:
        raise GreenApiConfigError(
            f"{path.name} has {size / 2**20:.1f} MiB; the gateway takes at most {MAX_FILE_SIZE // 2**20} MiB."
        )
    return size
