"""From a path or a URL to the call that sends the file."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
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
    chat_id: str,
    file: File,
    file_name: str | None = None,
    caption: str | None = None,
    quoted_message_id: str | None = None,
) -> Iterator[Call[str]]:
    """Yield the call that sends ``file``, by upload or by URL as fits, and close what was opened for it."""
    name = shown_name(file, file_name)
    if is_url(file):
        yield calls.send_file_by_url(chat_id, str(file), name, caption, quoted_message_id)
        return
    size = checked_size(file)
    with _path(file).open("rb") as stream:
        yield calls.send_file_by_upload(
            Upload(
                stream=stream,
                size=size,
                file_name=name,
                mime_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
                fields={"chatId": chat_id, "fileName": name}
                | calls.optional_file_fields(caption, quoted_message_id),
                boundary=uuid.uuid4().hex,
            )
        )


@asynccontextmanager
async def aopened_call(*arguments: Any) -> AsyncIterator[Call[str]]:
    """Async twin of :func:`opened_call`: a folder on a network, or a bucket, holds up no event loop."""
    opened = opened_call(*arguments)
    call = await asyncio.to_thread(opened.__enter__)
    try:
        yield call
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


def is_url(file: File) -> bool:
    """Tell whether the gateway is to fetch the file itself."""
    return isinstance(file, str) and file.startswith(("http://", "https://"))


def shown_name(file: File, file_name: str | None = None) -> str:
    """Return the name under which the receiver sees the file."""
    if file_name:
        return file_name
    if is_url(file):
        return unquote(PurePosixPath(urlsplit(str(file)).path).name) or "file"
    return _path(file).name


def checked_size(file: File) -> int:
    """Return the size of a file that is not behind a URL, in bytes.

    :raises GreenApiConfigError: It is larger than the gateway takes; or a folder, or a pipe, which might be
        waited for without end.
    """
    path = _path(file)
    status = path.stat()
    if stat.S_IFMT(status.st_mode) not in (stat.S_IFREG, 0):  # 0: a bucket that doesn't tell
        raise GreenApiConfigError(f"{path.name} is not a regular file, so it can't be sent.")
    size = int(status.st_size)
    if size > MAX_FILE_SIZE:
        raise GreenApiConfigError(
            f"{path.name} has {size / 2**20:.1f} MiB; the gateway takes at most {MAX_FILE_SIZE // 2**20} MiB."
        )
    return size


def _path(file: File) -> Path | ObjectStoragePath:
    if isinstance(file, str) and "://" in file:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(file)
    return Path(file) if isinstance(file, str) else file  # type: ignore[return-value]
