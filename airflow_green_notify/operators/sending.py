"""Send a message, or many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_green_notify.arguments import Judge, as_dicts, choice_of, optional, recipient_of
from airflow_green_notify.errors import GreenApiConfigError, GreenApiError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.leaks import leak_in
from airflow_green_notify.operators.messages import (
    Request,
    SendReport,
    check_messages,
    concerns_one_message,
    requests_of,
)
from airflow_green_notify.operators.send_once import JOURNAL_LAG, Outgoing
from airflow_green_notify.operators.send_operator import DEFERRABLE, MAX_WAIT, POLL_INTERVAL, SendOperator
from airflow_green_notify.progress import Progress, span
from airflow_green_notify.protocol.limits import SAFE_MESSAGE, checked_message
from airflow_green_notify.templating import as_is, resolved

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_green_notify.notification import Notification
    from airflow_green_notify.operators.messages import Messages
    from airflow_green_notify.operators.send_operator import Stage
    from airflow_green_notify.stores.store import Store


class GreenApiSendMessageOperator(SendOperator):
    """Puts a text message into the send queue, or many, once per Dag run, also over retries of the task.

    With ``deduplicate``, the task's state notes what is about to be sent. A crash before that note sends
    nothing. After it, the retry looks first: into the send queue, and for ``journal_lag`` seconds into the
    journal of outgoing messages; it sends again only if neither shows the message. A crash after the gateway
    answered makes the retry return that answer. Airflow below 3.3 keeps no such note: there a retry looks for
    everything that it is to send, as far back as the Dag run's start, and sends what it doesn't find.

    Once per Dag run holds for the same content, also when the task is cleared (Airflow 3.3 and later). So
    keep what changes with each try, such as ``{{ ti.try_number }}``, out of the text; and to send the same
    again, run the Dag again.

    Answer the messages of a batch with a function, in one task that maps nothing and renders nothing:

    .. code-block:: python

        def answer(notification):
            if notification.type_webhook == "incomingMessageReceived":
                return f"You wrote: {notification.text}"


        GreenApiSendMessageOperator(task_id="answer", messages=answer, notifications=drained.output)

    Texts that people write into a chat are never templates here, whichever way they come: as ``message`` by a
    task's ``.output``, by ``expand`` or ``expand_kwargs``, or in ``messages`` and ``notifications``. What
    holds the connection's token, or a value that Airflow masks, is refused. Other operators render what
    ``expand_kwargs`` gets from a task: hand such texts to them with ``expand``, or as keys of a batch.

    With ``messages``, what the gateway refuses for good (an unknown chat, the plan's limit) doesn't hold up
    the others. An outage stops the task, and a retry goes on where it stopped. An answer counts as sent by
    what it answers: a retry may call the function again, and doesn't send what it then returns. Only where a
    try died while it was sending, a function whose answers differ from call to call may answer twice; return
    its answers from a task of their own and hand on their list to rule that out.

    The result means *queued*, not delivered, unless ``wait_for`` says for what to wait. That looks at the
    gateway again and again (``getMessage``, and the journal where it must) and takes nothing from the queue
    of notifications. With ``wait_in`` it waits for the status that a Dag stores, as soon as that is there:
    hundreds of deferred waits share one query a second. Whatever dies meanwhile, a retry finds the message
    sent and waits on. A wait that is over fails the task and leaves the message on its way.

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX). With
        ``messages``, the chat of those that name none; by default that of the notification.
    :param message: Up to 20000 characters (WhatsApp), 4096 (Telegram) or 4000 (MAX); a longer one fails the
        task at once.
    :param quoted_message_id: The message to answer.
    :param messages: In place of ``message``: a list of texts and of dicts with ``chat_id``, ``message`` and
        ``quoted_message_id``, or a function that is called with each notification, in order, and returns a
        text, a dict, a list of these, or ``None`` for no answer. Nothing of it is rendered.
    :param notifications: What the function is called with: the batch description that a drain returned (its
        ``.output``), a notification as the receiving operator or the sensor returned it, or a list of such.
    :param on_refused: With messages that were refused for good: ``"fail"`` the task, without a retry, after
        all others were sent, or ``"list"`` them in the result.
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
    :return: The message's id (``idMessage``); answers name it as ``quoted_id``. With ``messages``:
        ``{"sent", "id_messages", "unanswered", "refused_count", "refused"}``, counts, the first thousand ids,
        and the first hundred that were refused, with their position and the reason.

    .. seealso:: https://green-api.com/en/docs/api/sending/SendMessage/
    """

    template_fields: Sequence[str] = (
        "chat_id",
        "message",
        "quoted_message_id",
        "messages",
        "notifications",
        "on_refused",
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
        "chat_id": optional(recipient_of),
        "on_refused": choice_of("fail", "list"),
    }

    def __init__(
        self,
        *,
        chat_id: str | int | None = None,
        message: str | None = None,
        quoted_message_id: str | None = None,
        messages: Messages | XComArg | None = None,
        notifications: Mapping[str, Any] | Notification | Sequence[Any] | XComArg | str | None = None,
        on_refused: Literal["fail", "list"] = "fail",
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
        self._check(chat_id, message, messages, notifications, wait_for)
        self.message = message
        self.messages = as_is(messages)
        self.notifications = as_is(as_dicts(notifications))
        self.on_refused = on_refused
        self.check_arguments()

    @staticmethod
    def _check(chat_id: Any, message: Any, messages: Any, notifications: Any, wait_for: Any) -> None:
        if (message is None) == (messages is None):
            raise ValueError("Give either message= or messages=.")
        if messages is not None:
            check_messages(messages, notifications)
            if wait_for is not None:
                raise ValueError("messages= takes no wait_for=; to wait for each, map the task over them.")
        elif chat_id is None:
            raise ValueError("chat_id is None; message= needs chat_id=, the chat that it is sent to.")
        elif notifications is not None:
            raise ValueError("message= takes no notifications=; answer them with messages=.")

    def execute(self, context: Context) -> str | dict[str, Any]:
        if self.message is not None:
            return self._send_one(context)
        with fail_fast(), self.hook as hook:
            report = self._send_all(context, hook)
        self.log.info(
            "Messages: %d sent, %d refused, %d notifications without an answer.",
            len(report.id_messages),
            len(report.refused),
            report.unanswered,
        )
        if report.refused and self.on_refused == "fail":
            raise AirflowFailException(
                f"{len(report.refused)} messages were refused for good; the other {len(report.id_messages)} "
                f"are in the send queue. The first: {report.refused[0]['error']}"
            )
        return report.as_dict()

    def _send_one(self, context: Context) -> str:
        with fail_fast(), self.hook as hook:
            self._refuse_leaks(hook, "chat_id", "message", "quoted_message_id")
            chat_id = self.judged_arguments().chat_id
            if chat_id is None:
                raise GreenApiConfigError(
                    "chat_id is None: the task before returned nothing. Was it marked a success?"
                )
            outgoing = Outgoing(chat_id, str(self.message), self.quoted_message_id)
            _check_length(outgoing.text, partial(_product, hook))
            id_message = self._send(context, hook, outgoing, partial(_send_text, hook, outgoing))
        return self._wait_until_delivered(context, chat_id, id_message)

    def _send_all(self, context: Context, hook: GreenApiHook) -> SendReport:
        messages, notifications = resolved(self.messages, context), resolved(self.notifications, context)
        if messages is None:
            raise GreenApiConfigError(
                "message and messages are None: the task before returned nothing. Was it marked a success?"
            )
        self.log.info("Sending messages, each once, through %r.", self.green_api_conn_id)
        send, progress = self._request_sender(context, hook), Progress()
        report = SendReport()
        for position, request in enumerate(requests_of(messages, notifications)):
            if progress.is_due():
                self.log.info("So far, after %s: %d messages.", span(progress.seconds()), position)
            if request.wanted is None:
                report.unanswered += 1
                continue
            try:
                report.id_messages.append(send(request))
            except GreenApiError as error:
                if not concerns_one_message(error):
                    raise
                self.log.warning("Message %d was refused: %s", position, error)
                report.note_refusal(position, request, error)
        return report

    def _request_sender(self, context: Context, hook: GreenApiHook) -> Callable[[Request], str]:
        """Return what sends one message of many.

        :raises GreenApiConfigError: The connection is wrong, which concerns all of them.
        """
        config, sender, product = hook.config, self._sender(context, hook), cache(_product)

        def send(request: Request) -> str:
            outgoing = request.outgoing(self.chat_id)
            arguments = {"chat_id": outgoing.chat_id, "message": outgoing.text}
            if leak := leak_in(config, **arguments, quoted_message_id=outgoing.quoted_message_id):
                raise GreenApiConfigError(leak)
            _check_length(outgoing.text, partial(product, hook))
            call = partial(_send_text, hook, outgoing)
            if sender is None:
                return call()
            return sender.send(outgoing, call, name=request.name, identity=request.identity)

        return send


def _send_text(hook: GreenApiHook, outgoing: Outgoing) -> str:
    return hook.send_message(outgoing.chat_id, outgoing.text, outgoing.quoted_message_id)


def _check_length(text: str, product: Callable[[], str]) -> None:
    """Ask for the product only where its limit matters."""
    checked_message(text, product() if len(text) > SAFE_MESSAGE else None)


def _product(hook: GreenApiHook) -> str:
    product: str = hook.get_settings().get("typeInstance", "whatsapp")
    return product
