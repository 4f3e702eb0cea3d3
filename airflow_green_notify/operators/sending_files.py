"""Send a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_green_notify.arguments import Judge, path_of
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.operators.send_once import JOURNAL_LAG, Outgoing
from airflow_green_notify.operators.send_operator import DEFERRABLE, MAX_WAIT, POLL_INTERVAL, SendOperator
from airflow_green_notify.protocol.limits import checked_caption
from airflow_green_notify.templating import templatable

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.hooks.files import File
    from airflow_green_notify.operators.send_operator import Stage
    from airflow_green_notify.stores.store import Store


class GreenApiSendFileOperator(SendOperator):
    """Puts a file of up to 100 MB into the send queue, once per Dag run, also over retries of the task.

    What a crash at each point leaves behind, what ``deduplicate`` and ``wait_for`` do, and which texts are
    refused or never rendered, is as with :class:`GreenApiSendMessageOperator`. A document is recognised by
    chat, file name and caption; a picture, video or sound by chat, kind and caption, since the journal
    doesn't keep its name.

    A path is uploaded, read as it is sent, never as a whole in memory. An ``http(s)`` URL is given to the
    gateway, which must be able to reach it.

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
    :param file: A local path, an ``ObjectStoragePath`` (or its URL, such as ``s3://…``), or an ``http(s)``
        URL. A file of more than 100 MB fails the task at once.
    :param file_name: What the receiver sees; by default the last part of ``file``. Its suffix decides whether
        it is shown as picture, video, sound or document.
    :param caption: Up to 1024 characters; a longer one fails the task at once.
    :param quoted_message_id: The message to answer.
    :param deduplicate: Whether to look before anything is sent a second time.
    :param journal_lag: Seconds for which to look; the gateway says that messages appear within 120.
    :param wait_for: ``"sent"``, ``"delivered"`` or ``"read"``: wait until the message is so far. Telegram
        and MAX tell of no "sent": there it counts once it is delivered.
    :param wait_in: A ``SqlStore`` or ``ObjectStorageStore`` that a Dag reads the queue of this instance into:
        wait for the status to be stored there, and ask the gateway nothing.
    :param on_failed: What happens to a message that is not delivered, or not within ``max_wait``: ``"fail"``
        the task, without a retry if the gateway says that it failed, or ``"skip"`` it and what follows.
    :param max_wait: Seconds to wait.
    :param poll_interval: Seconds between two looks at the gateway.
    :param deferrable: Whether to wait in the triggerer.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :return: The message's id (``idMessage``).

    .. seealso:: https://green-api.com/en/docs/api/sending/SendFileByUpload/
        and https://green-api.com/en/docs/api/sending/SendFileByUrl/
    """

    template_fields: Sequence[str] = (
        "chat_id",
        "file",
        "file_name",
        "caption",
        "quoted_message_id",
        "deduplicate",
        "journal_lag",
        "wait_for",
        "wait_in",
        "on_failed",
        "max_wait",
        "poll_interval",
        "green_api_conn_id",
    )
    judges: ClassVar[Mapping[str, Judge]] = {**SendOperator.judges, "file": path_of}

    def __init__(
        self,
        *,
        chat_id: str | int,
        file: File,
        file_name: str | None = None,
        caption: str | None = None,
        quoted_message_id: str | None = None,
        deduplicate: bool | str = True,
        journal_lag: float | timedelta | str = JOURNAL_LAG,
        wait_for: Stage | None = None,
        wait_in: Store | None = None,
        on_failed: Literal["fail", "skip"] = "fail",
        max_wait: float | timedelta | str = MAX_WAIT,
        poll_interval: float | timedelta | str = POLL_INTERVAL,
        deferrable: bool = DEFERRABLE,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            chat_id=chat_id,
            quoted_message_id=quoted_message_id,
            deduplicate=deduplicate,
            journal_lag=journal_lag,
            wait_for=wait_for,
            wait_in=wait_in,
            on_failed=on_failed,
            max_wait=max_wait,
            poll_interval=poll_interval,
            deferrable=deferrable,
            green_api_conn_id=green_api_conn_id,
            **kwargs,
        )
        self.file = templatable(file)
        self.file_name = file_name
        self.caption = caption
        self.check_arguments()

    def execute(self, context: Context) -> str:
        from airflow_green_notify.hooks.files import checked_size, is_url, shown_name

        with fail_fast(), self.hook as hook:
            self._refuse_leaks(hook, "chat_id", "file", "file_name", "caption", "quoted_message_id")
            chat_id = self.judged_arguments().chat_id
            caption = checked_caption(self.caption)
            if not is_url(self.file):
                checked_size(self.file)
            name = shown_name(self.file, self.file_name)
            outgoing = Outgoing(chat_id, caption or "", self.quoted_message_id, name, source=str(self.file))

            def send() -> str:
                return hook.send_file(outgoing.chat_id, self.file, name, caption, self.quoted_message_id)

            id_message = self._send(context, hook, outgoing, send)
        return self._wait_until_delivered(context, chat_id, id_message)
