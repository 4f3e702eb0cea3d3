"""The files of notifications: what they are called, and how they get from the gateway's storage into ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import (
    GreenApiConfigError,
    GreenApiError,
    GreenApiInstanceError,
    GreenApiResponseError,
    GreenApiUnauthorizedError,
)
from airflow_green_notify.files.media_names import has_file as has_file
from airflow_green_notify.files.media_names import media_name as media_name
from airflow_green_notify.hooks.bounds import FileBounds, FileTooLargeError
from airflow_green_notify.progress import Progress, span

if TYPE_CHECKING:
    from airflow_green_notify.files.place import Files
    from airflow_green_notify.hooks import GreenApiHook
    from airflow_green_notify.hooks.downloads import Downloads
    from airflow_green_notify.notification import Notification

log = logging.getLogger(__name__)

TOO_LARGE = "{{SWE002}}"
"""What stands in the place of a link to a file of more than 100 MB."""

EXPIRED = (401, 403, 404, 410)
ATTEMPTS = 3
LISTED = 100
"""How many keys a report names; the log names all."""

_OF_THE_WHOLE_INSTANCE = (GreenApiConfigError, GreenApiInstanceError, GreenApiUnauthorizedError)


@dataclass
class MediaReport:
    """What became of the files.

    :param downloaded: Files that are new.
    :param present: Files that were there already.
    :param without_file: Notifications that bring no file.
    :param too_large: Keys of notifications whose file has more than 100 MB, so that the gateway doesn't give
        it out, or more than ``max_file_size``.
    :param failed: Keys and errors of those whose file could not be downloaded.
    """

    downloaded: int = 0
    present: int = 0
    without_file: int = 0
    too_large: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def sentence(self) -> str:
        """Say in words what became of them."""
        return (
            f"{self.downloaded:,} files downloaded, {self.present:,} there already, "
            f"{len(self.too_large):,} too large, {len(self.failed):,} failed; "
            f"{self.without_file:,} notifications have no file"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as small JSON values: it counts all, and names the first hundred."""
        return {
            "downloaded": self.downloaded,
            "present": self.present,
            "without_file": self.without_file,
            "too_large_count": len(self.too_large),
            "too_large": self.too_large[:LISTED],
            "failed_count": len(self.failed),
            "failed": self.failed[:LISTED],
        }


def download_media(
    hook: GreenApiHook,
    notifications: Iterable[Notification],
    files: Files,
    report: MediaReport,
    bounds: FileBounds = FileBounds(),  # noqa: B008 (it can't be changed)
) -> None:
    """Download the files of notifications, one after the other, and tell in the report what became of them.

    A file appears under its name when it is whole and durable. A crash leaves the files so far, and what is
    there is not downloaded again.

    :raises GreenApiError: The gateway refuses the instance as a whole, so that no file can be downloaded.
    """
    from airflow_green_notify.hooks.downloads import Downloads

    files.prepare()
    progress = Progress()
    present = {*files.names("")}
    with Downloads(hook.config, bounds) as downloads:
        media = _Media(hook, downloads, files, bounds.max_seconds)
        for notification in notifications:
            if progress.is_due():
                log.info("So far, after %s: %s.", span(progress.seconds()), report.sentence())
            if not has_file(notification):
                report.without_file += 1
            elif media_name(notification) in present:
                report.present += 1
            elif notification.download_url == TOO_LARGE:
                report.too_large.append(notification.key)
            else:
                _download_or_list(media, notification, report)
                present.add(media_name(notification))


def _download_or_list(media: _Media, notification: Notification, report: MediaReport) -> None:
    try:
        if media.download(notification):
            report.downloaded += 1
        else:
            report.present += 1
    except _OF_THE_WHOLE_INSTANCE:
        raise
    except FileTooLargeError as error:
        log.warning("The file of notification %s is left out: %s", notification.key, error)
        report.too_large.append(notification.key)
    except GreenApiError as error:
        log.warning("The file of notification %s is missing: %s", notification.key, error)
        report.failed.append({"key": notification.key, "error": str(error)})


class _Media:
    """Where files come from, and where they go."""

    def __init__(self, hook: GreenApiHook, downloads: Downloads, files: Files, max_seconds: float) -> None:
        self._hook = hook
        self._downloads = downloads
        self._files = files
        self._max_seconds = max_seconds

    def download(self, notification: Notification) -> bool:
        """Download by the notification's own link; if it has expired, by a fresh one.

        :return: Whether it was written; ``False`` if somebody else had written it meanwhile.
        """
        ends = time.monotonic() + self._max_seconds
        name = media_name(notification)
        if url := notification.download_url:
            try:
                return self._save(url, name, ends)
            except GreenApiResponseError as error:
                if error.status not in EXPIRED:
                    raise
        return self._save(self._fresh_link(notification), name, ends)

    def _save(self, url: str, name: str, ends: float) -> bool:
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

        def once() -> bool:
            with self._downloads.open(url, ends) as chunks:
                return self._files.create(name, chunks)

        retrying = Retrying(
            stop=lambda state: stop_after_attempt(ATTEMPTS)(state) or time.monotonic() >= ends,
            wait=wait_exponential_jitter(initial=0.5, max=10, jitter=0.5),
            retry=retry_if_exception(lambda error: isinstance(error, GreenApiError) and error.retryable),
            reraise=True,
        )
        return retrying(once)

    def _fresh_link(self, notification: Notification) -> str:
        chat_id, id_message = notification.chat_id, notification.id_message
        if not chat_id or not id_message:
            raise GreenApiResponseError(
                "Its link has expired, and it names no message to get a fresh one for."
            )
        return self._hook.download_file(chat_id, id_message, notification.type_instance)
