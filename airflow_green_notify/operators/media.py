"""Download the files that notifications bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_green_notify.arguments import (
    Judge,
    as_dicts,
    choice_of,
    count_of,
    notifications_of,
    path_of,
    plain_boolean_of,
    positive_seconds_of,
)
from airflow_green_notify.errors import GreenApiTransportError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.files.place import files_at, place_of
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.bounds import FileBounds
from airflow_green_notify.lineage import Folder, Lineage, Queue, TellsLineage, read_from
from airflow_green_notify.media import MediaReport, download_media
from airflow_green_notify.stores.batch import notifications_in
from airflow_green_notify.task import GreenApiTask
from airflow_green_notify.templating import templatable

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath, XComArg

    from airflow_green_notify.notification import Notification


class GreenApiDownloadMediaOperator(TellsLineage, GreenApiTask):
    """Downloads the files of a batch, or of some notifications, into a folder or bucket.

    A crash at any point leaves whole files only, and a retry goes on with those that are missing. A file that
    can't be downloaded doesn't hold up the others: it is listed, and the retry of a task with
    ``on_failed="fail"`` tries it again.

    Each file is called as its notification's key, with a suffix that tells the kind:
    :func:`~airflow_green_notify.media.media_name` gives the name for a notification. One that lost its
    thumbnail on its way through XCom is called otherwise than the one that a drain stored. Files are read as
    they are written, never as a whole in memory. An expired link is replaced by a fresh one from
    ``downloadFile``, within its rate. Download soon: links live from a day (Telegram) to 15 days (MAX).

    Links come from a chat, so from anybody: redirects are followed one by one, and neither they nor the link
    may lead to a private or loopback address. Behind an HTTP proxy, which looks names up by itself, refusing
    those is the proxy's business. What is refused is listed with the reason.

    :param notifications: The batch description that a drain returned (its ``.output``), a notification as the
        receiving operator or the sensor returned it, or a list of such.
    :param path: Folder, or a URL such as ``s3://bucket/media``.
    :param conn_id: Airflow connection for the bucket.
    :param on_failed: With files that could not be downloaded: ``"list"`` them in the result, or ``"fail"``
        the task after all others were tried.
    :param max_file_size: Bytes that a file may have, unpacked; of a larger one nothing is left.
    :param max_seconds: Seconds that a file may take, all attempts together.
    :param allow_private_addresses: Whether links may lead to private and loopback addresses: for a storage of
        your own, and for the emulator.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :return: ``{"path", "downloaded", "present", "without_file", "too_large_count", "too_large",
        "failed_count", "failed"}``: counts, and the keys of the first hundred files above 100 MB, which the
        gateway doesn't give out, or above ``max_file_size``, and of those that failed, with the error.

    .. seealso:: https://green-api.com/en/docs/api/receiving/files/DownloadFile/
    """

    template_fields: Sequence[str] = (
        "notifications",
        "path",
        "conn_id",
        "on_failed",
        "max_file_size",
        "max_seconds",
        "green_api_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"notifications": "json"}
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "notifications": notifications_of,
        "path": path_of,
        "on_failed": choice_of("list", "fail"),
        "max_file_size": count_of,
        "max_seconds": positive_seconds_of,
        "allow_private_addresses": plain_boolean_of,
    }
    ui_color = "#fbe8d0"
    _report: MediaReport | None = None

    def __init__(
        self,
        *,
        notifications: Mapping[str, Any] | Notification | Iterable[Any] | XComArg | str,
        path: str | PathLike[str] | ObjectStoragePath,
        conn_id: str | None = None,
        on_failed: Literal["list", "fail"] = "list",
        max_file_size: int | str = FileBounds.max_file_size,
        max_seconds: float | str = FileBounds.max_seconds,
        allow_private_addresses: bool = False,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_file_size = max_file_size
        self.max_seconds = max_seconds
        self.allow_private_addresses = allow_private_addresses
        self.notifications = as_dicts(notifications)
        self.path = templatable(path)
        self.conn_id = conn_id
        self.on_failed = on_failed
        self.green_api_conn_id = green_api_conn_id
        self.check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        given = self.judged_arguments()
        bounds = FileBounds(
            max_file_size=given.max_file_size,
            max_seconds=given.max_seconds,
            allow_private_addresses=given.allow_private_addresses,
        )
        self._report = report = MediaReport()
        files = files_at(*place_of(self.path, self.conn_id))
        self.log.info("Downloading files into %s.", self.path)
        with fail_fast(), self.hook as hook:
            download_media(hook, notifications_in(given.notifications), files, report, bounds)
        self.log.info("%s.", report.sentence())
        if report.failed and given.on_failed == "fail":
            raise GreenApiTransportError(
                f"{len(report.failed)} files could not be downloaded; a retry tries them again. The first: "
                f"{report.failed[0]['error']}"
            )
        return {"path": str(self.path), **report.as_dict()}

    def lineage(self) -> Lineage:
        path, _ = place_of(self.path, self.conn_id)
        written = Folder(path, files=None if self._report is None else self._report.downloaded)
        return Lineage([Queue(self.hook), *read_from(self.notifications)], [written])
