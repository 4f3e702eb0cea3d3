"""Send a message or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_green_notify.arguments import Judge, boolean_of, path_of, recipient_of, seconds_of
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.protocol.limits import SAFE_MESSAGE, checked_caption, checked_message
from airflow_green_notify.send_once import JOURNAL_LAG, Outgoing, send_once
from airflow_green_notify.task import GreenApiTask
from airflow_green_notify.templating import templatable

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.hooks.files import File


class _SendOperator(GreenApiTask):
    """What sending a message and sending a file share."""

    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "chat_id": recipient_of,
        "deduplicate": boolean_of,
        "journal_lag": seconds_of,
    }
    ui_color = "#d5e8f6"

    def __init__(
        self,
        *,
        chat_id: str | int,
        quoted_message_id: str | None,
        deduplicate: bool | str,
        journal_lag: float | timedelta | str,
        green_api_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chat_id = chat_id
        self.quoted_message_id = quoted_message_id
        self.deduplicate = deduplicate
        self.journal_lag = journal_lag
        self.green_api_conn_id = green_api_conn_id

    def _send(self, context: Context, hook: GreenApiHook, outgoing: Outgoing, send: Callable[[], str]) -> str:
        given = self.judged_arguments()
        if not given.deduplicate:
            return send()
        notes = context.get("task_state_store")
        id_message = send_once(hook, outgoing, send, notes, journal_lag=given.journal_lag)
        self.log.info("In the send queue as %s.", id_message)
        return id_message


class GreenApiSendMessageOperator(_SendOperator):
    """Puts a text message into the send queue, once per Dag run, also over retries of the task.

    With ``deduplicate``, the task's state notes what is about to be sent. A crash before that note sends
    nothing. After it, the retry looks first: into the send queue, and for ``journal_lag`` seconds into the
    journal of outgoing messages; it sends again only if neither shows the message. A crash after the gateway
    answered makes the retry return that answer. Airflow below 3.3 keeps no such note: there an answer that
    was lost is looked for in the same try only, so that a retry after a killed worker, or after a lost answer
    for a message that the journal doesn't show yet, may send a second time.

    Once per Dag run holds for the same content, also when the task is cleared. So keep what changes with each
    try, such as ``{{ ti.try_number }}``, out of the text; and to send the same again, run the Dag again.

    The result means *queued*, not delivered: delivery is told by notifications of the type
    ``outgoingMessageStatus``.

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
    :param message: Up to 20000 characters (WhatsApp), 4096 (Telegram) or 4000 (MAX); a longer one fails the
        task at once.
    :param quoted_message_id: The message to answer.
    :param deduplicate: Whether to look before anything is sent a second time.
    :param journal_lag: Seconds for which to look; the gateway says that messages appear within 120.
    :param green_api_conn_id: The connection, of type ``green_api``.
    :return: The message's id (``idMessage``); answers name it as ``quoted_id``.

    .. seealso:: https://green-api.com/en/docs/api/sending/SendMessage/
    """

    template_fields: Sequence[str] = (
        "chat_id",
        "message",
        "quoted_message_id",
        "deduplicate",
        "journal_lag",
        "green_api_conn_id",
    )

    def __init__(
        self,
        *,
        chat_id: str | int,
        message: str,
        quoted_message_id: str | None = None,
        deduplicate: bool | str = True,
        journal_lag: float | timedelta | str = JOURNAL_LAG,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            chat_id=chat_id,
            quoted_message_id=quoted_message_id,
            deduplicate=deduplicate,
            journal_lag=journal_lag,
            green_api_conn_id=green_api_conn_id,
            **kwargs,
        )
        self.message = message
        self.check_arguments()

    def execute(self, context: Context) -> str:
        given = self.judged_arguments()
        with fail_fast(), self.hook as hook:
            message = checked_message(str(self.message), self._type_instance(hook))
            outgoing = Outgoing(given.chat_id, message, self.quoted_message_id)

            def send() -> str:
                return hook.send_message(outgoing.chat_id, message, self.quoted_message_id)

            return self._send(context, hook, outgoing, send)

    def _type_instance(self, hook: GreenApiHook) -> str | None:
        """Ask for the product only where its limit matters."""
        if len(str(self.message)) <= SAFE_MESSAGE:
            return None
        return hook.get_settings().get("typeInstance", "whatsapp")


class GreenApiSendFileOperator(_SendOperator):
    """Puts a file of up to 100 MB into the send queue, once per Dag run, also over retries of the task.

    What a crash at each point leaves behind, and what ``deduplicate`` does, is as with
    :class:`GreenApiSendMessageOperator`. A document is recognised by chat, file name and caption; a picture,
    video or sound by chat, kind and caption, since the journal doesn't keep its name.

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
    :param green_api_conn_id: The connection, of type ``green_api``.
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
        "green_api_conn_id",
    )
    judges: ClassVar[Mapping[str, Judge]] = {**_SendOperator.judges, "file": path_of}

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
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            chat_id=chat_id,
            quoted_message_id=quoted_message_id,
            deduplicate=deduplicate,
            journal_lag=journal_lag,
            green_api_conn_id=green_api_conn_id,
            **kwargs,
        )
        self.file = templatable(file)
        self.file_name = file_name
        self.caption = caption
        self.check_arguments()

    def execute(self, context: Context) -> str:
        from airflow_green_notify.hooks.files import checked_size, is_url, shown_name

        given = self.judged_arguments()
        with fail_fast(), self.hook as hook:
            caption = checked_caption(self.caption)
            if not is_url(self.file):
                checked_size(self.file)
            name = shown_name(self.file, self.file_name)
            outgoing = Outgoing(
                given.chat_id, caption or "", self.quoted_message_id, name, source=str(self.file)
            )

            def send() -> str:
                return hook.send_file(outgoing.chat_id, self.file, name, caption, self.quoted_message_id)

            return self._send(context, hook, outgoing, send)
