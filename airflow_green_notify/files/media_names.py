"""What the file that a notification brings is called in our folder or bucket."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from airflow_green_notify.files.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_green_notify.notification import Notification

FILE_MESSAGES = ("imageMessage", "videoMessage", "documentMessage", "audioMessage", "stickerMessage")

_OURS = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,8})?")


def media_name(notification: Notification) -> str:
    """Return the name of a notification's file: its key, and a suffix that tells the kind of file.

    A key that could not be checked names no file, or somebody could put another file in the real one's place:
    the key of what came, without its thumbnail, does then.
    """
    key = notification.key if notification.key_is_checked else notification.content_key
    suffix = PurePosixPath(notification.file_name or "").suffix.lower()
    if not re.fullmatch(r"\.[a-z0-9]{1,8}", suffix):
        mime_type = (notification.mime_type or "").partition(";")[0].strip()
        suffix = mimetypes.guess_extension(mime_type) or ""
    return safe_name(key + suffix)


def has_file(notification: Notification) -> bool:
    """Tell whether a notification comes with a file."""
    return notification.download_url is not None or notification.type_message in FILE_MESSAGES


def media_names(notification: Notification) -> set[str]:
    """Return what the file of a notification may be called, if it has one: also when XCom had it between."""
    if not has_file(notification):
        return set()
    through_xcom = type(notification).from_dict(notification.as_dict(thumbnails=False))
    return {media_name(notification), media_name(through_xcom)}


def ours_among(names: Iterable[str]) -> set[str]:
    """Return the names that are of the form of those above."""
    return {name for name in names if _OURS.fullmatch(name)}
