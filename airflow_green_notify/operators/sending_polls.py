"""Send a poll."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_green_notify.arguments import Judge, boolean_of, options_of
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.operators.send_once import JOURNAL_LAG, Outgoing
from airflow_green_notify.operators.send_operator import DEFERRABLE, MAX_WAIT, POLL_INTERVAL, SendOperator
from airflow_green_notify.protocol.limits import checked_poll

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.operators.send_operator import Stage
    from airflow_green_notify.stores.store import Store


class GreenApiSendPollOperator(SendOperator):
    """Puts a poll into the send queue, once per Dag run, also over retries of the task.

    What a crash at each point leaves behind, what ``deduplicate`` and ``wait_for`` do, and which texts are
    refused or never rendered, is as with :class:`GreenApiSendMessageOperator`. A poll is recognised by chat,
    question and options.

    Votes come as notifications of the type ``pollUpdateMessage``, each with the whole tally so far, if the
    settings ``incomingWebhook`` and ``pollMessageWebhook`` are on; their ``quoted_id`` is the poll's id.

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
    :param message: The question, up to 255 characters.
    :param options: 2 to 12 answers, each another one of up to 100 characters.
    :param multiple_answers: Whether one person may choose several.
    :param quoted_message_id: The message to answer.
    :param deduplicate: Whether to look before anything is sent a second time.
    :param journal_lag: Seconds for which to look; the gateway says that messages appear within 120.
    :param wait_for: ``"sent"``, ``"delivered"`` or ``"read"``: wait until the poll is so far. Telegram and
        MAX tell of no "sent": there it counts once it is delivered.
    :param wait_in: A ``SqlStore`` or ``ObjectStorageStore`` that a Dag reads the queue of this instance into:
        wait for the status to be stored there, and ask the gateway nothing.
    :param on_failed: What happens to a poll that is not delivered, or not within ``max_wait``: ``"fail"`` the
        task, without a retry if the gateway says that it failed, or ``"skip"`` it and what follows.
    :param max_wait: Seconds to wait.
    :param poll_interval: Seconds between two looks at the gateway.
    :param deferrable: Whether to wait in the triggerer.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :return: The poll's id (``idMessage``).

    .. seealso:: https://green-api.com/en/docs/api/sending/SendPoll/
    """

    template_fields: Sequence[str] = (
        "chat_id",
        "message",
        "options",
        "multiple_answers",
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
    judges: ClassVar[Mapping[str, Judge]] = {
        **SendOperator.judges,
        "options": options_of,
        "multiple_answers": boolean_of,
    }

    def __init__(
        self,
        *,
        chat_id: str | int,
        message: str,
        options: Sequence[str] | str,
        multiple_answers: bool | str = False,
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
        self.message = message
        self.options = options
        self.multiple_answers = multiple_answers
        self.check_arguments()

    def execute(self, context: Context) -> str:
        with fail_fast(), self.hook as hook:
            self._refuse_leaks(hook, "chat_id", "message", "options", "quoted_message_id")
            given, question = self.judged_arguments(), str(self.message)
            checked_poll(question, given.options)
            outgoing = Outgoing(given.chat_id, question, self.quoted_message_id, options=given.options)

            def send() -> str:
                return hook.send_poll(
                    given.chat_id, question, given.options, given.multiple_answers, self.quoted_message_id
                )

            id_message = self._send(context, hook, outgoing, send)
        return self._wait_until_delivered(context, given.chat_id, id_message)
