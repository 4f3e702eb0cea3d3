"""The gateway's methods, from workers and from event loops."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_green_notify.errors import GreenApiConfigError, GreenApiError
from airflow_green_notify.hooks.connection import (
    CONNECTION_NAME,
    CONNECTION_TYPE,
    EXTRA_FIELDS,
    UI_FIELD_BEHAVIOUR,
    InstanceConfig,
)
from airflow_green_notify.protocol import calls

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState, Retrying

    from airflow_green_notify.hooks.aiohttp_transport import AiohttpTransport
    from airflow_green_notify.hooks.files import File
    from airflow_green_notify.hooks.requests_transport import RequestsTransport
    from airflow_green_notify.notification import Notification
    from airflow_green_notify.protocol.calls import Call

MAX_RETRY_WAIT = 60.0


class GreenApiHook(BaseHook):
    """Wraps the credentials of one instance and speaks with the gateway.

    Each method has an async twin with the prefix ``a`` for event loops: the plain ones run on ``requests``,
    the twins on ``aiohttp``. Both are context managers; leaving closes the connections.

    Repeated on their own, with exponential back-off and jitter, are calls that got no answer, 429 (after
    ``Retry-After`` if it is given), 408, 499, 5xx and "starting". Never repeated on their own are
    :meth:`delete_notification` and the sending methods: after a doubtful answer, look first.

    :param green_api_conn_id: The connection, of type ``green_api``.
    :param max_attempts: How often a repeatable call is sent at most, the first time included.

    Every method raises:

    * :class:`~airflow_green_notify.errors.GreenApiConfigError`: the connection is incomplete, nothing was
      sent
    * :class:`~airflow_green_notify.errors.GreenApiTransportError`: no answer came
    * :class:`~airflow_green_notify.errors.GreenApiResponseError`: the gateway refused; the subclass and the
      text tell what to do
    * :class:`~airflow_green_notify.errors.GreenApiPayloadError`: the answer is not what the contract says

    .. seealso:: https://green-api.com/en/docs/api/
    """

    conn_name_attr = "green_api_conn_id"
    default_conn_name = "green_api_default"
    conn_type = CONNECTION_TYPE
    hook_name = CONNECTION_NAME

    def __init__(
        self, green_api_conn_id: str = default_conn_name, *, max_attempts: int = 5, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.green_api_conn_id = green_api_conn_id
        self.max_attempts = max_attempts
        self.retries = 0
        """How many calls were sent again so far."""
        self._requests: RequestsTransport | None = None
        self._aiohttp: AiohttpTransport | None = None

    # --- the queue ---

    def receive_notification(self, receive_timeout: float = 5) -> Notification | None:
        """Receive the oldest notification without deleting it.

        The gateway keeps showing it until it is deleted. A crash after this call loses nothing. An empty
        answer is not proof of an empty queue.

        :param receive_timeout: Seconds the gateway may hold the request open, 5 to 60.
        :return: The notification, or ``None`` if none came within ``receive_timeout``.

        .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
        """
        return self._send(calls.receive_notification(_checked_timeout(receive_timeout)))

    async def areceive_notification(self, receive_timeout: float = 5) -> Notification | None:
        """Async twin of :meth:`receive_notification`."""
        return await self._asend(calls.receive_notification(_checked_timeout(receive_timeout)))

    def delete_notification(self, receipt_id: int) -> bool:
        """Delete the notification that was *just* received under ``receipt_id``.

        Never repeated on its own: when it raises a retryable error, receive again and compare the keys.

        :param receipt_id: The handle of the last receive. It may name another notification later.
        :return: ``True`` if it was deleted; ``False`` if the gateway doesn't know the receipt id any more.

        .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/DeleteNotification/
        """
        return self._send(calls.delete_notification(receipt_id))

    async def adelete_notification(self, receipt_id: int) -> bool:
        """Async twin of :meth:`delete_notification`."""
        return await self._asend(calls.delete_notification(receipt_id))

    def get_webhooks_count(self) -> int:
        """Return how many notifications wait, as the gateway counted up to 10 s ago.

        A hint, never a stop condition: wrong zeros have been reported.

        .. seealso:: https://green-api.com/en/docs/api/queues/GetWebhooksCount/
        """
        return self._send(calls.get_webhooks_count())

    async def aget_webhooks_count(self) -> int:
        """Async twin of :meth:`get_webhooks_count`."""
        return await self._asend(calls.get_webhooks_count())

    def clear_webhooks_queue(self) -> bool:
        """Delete every waiting notification, unseen and for ever.

        :return: ``True``.
        :raises GreenApiUnavailableError: It was cleared less than a minute ago; ``retry_after`` says how
            many seconds are left.

        .. seealso:: https://green-api.com/en/docs/api/queues/ClearWebhooksQueue/
        """
        return self._send(calls.clear_webhooks_queue())

    async def aclear_webhooks_queue(self) -> bool:
        """Async twin of :meth:`clear_webhooks_queue`."""
        return await self._asend(calls.clear_webhooks_queue())

    # --- the instance ---

    def get_state_instance(self) -> str:
        """Return the state: ``authorized``, ``notAuthorized``, ``starting``, ``blocked``, ….

        .. seealso:: https://green-api.com/en/docs/api/account/GetStateInstance/
        """
        return self._send(calls.get_state_instance())

    async def aget_state_instance(self) -> str:
        """Async twin of :meth:`get_state_instance`."""
        return await self._asend(calls.get_state_instance())

    def get_settings(self) -> dict[str, Any]:
        """Return the settings; switches are the strings ``"yes"`` and ``"no"``.

        .. seealso:: https://green-api.com/en/docs/api/account/GetSettings/
        """
        return self._send(calls.get_settings())

    async def aget_settings(self) -> dict[str, Any]:
        """Async twin of :meth:`get_settings`."""
        return await self._asend(calls.get_settings())

    def set_settings(self, **settings: Any) -> bool:
        """Change settings. This restarts the instance, and takes effect within 5 minutes.

        :param settings: The gateway's names, such as ``incomingWebhook="yes"``.
        :return: Whether the gateway saved them.

        .. seealso:: https://green-api.com/en/docs/api/account/SetSettings/
        """
        return self._send(calls.set_settings(settings))

    async def aset_settings(self, **settings: Any) -> bool:
        """Async twin of :meth:`set_settings`."""
        return await self._asend(calls.set_settings(settings))

    # --- sending ---

    def send_message(self, chat_id: str, message: str, quoted_message_id: str | None = None) -> str:
        """Put a text message into the send queue.

        The answer means *queued*, not delivered. Never repeated on its own.

        :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
        :param message: Up to 20000 characters (WhatsApp), 4096 (Telegram) or 4000 (MAX).
        :param quoted_message_id: The message to answer.
        :return: The message's id (``idMessage``).

        .. seealso:: https://green-api.com/en/docs/api/sending/SendMessage/
        """
        return self._send(calls.send_message(chat_id, message, quoted_message_id))

    async def asend_message(self, chat_id: str, message: str, quoted_message_id: str | None = None) -> str:
        """Async twin of :meth:`send_message`."""
        return await self._asend(calls.send_message(chat_id, message, quoted_message_id))

    def send_file(
        self,
        chat_id: str,
        file: File,
        file_name: str | None = None,
        caption: str | None = None,
        quoted_message_id: str | None = None,
    ) -> str:
        """Put a file of up to 100 MB into the send queue.

        A path is uploaded, read as it is sent; an ``http(s)`` URL is given to the gateway, which must be able
        to reach it. Never repeated on its own.

        :param file: A local path, an ``ObjectStoragePath``, or an ``http(s)`` URL.
        :param file_name: What the receiver sees; by default the last part of ``file``.
        :param caption: Up to 1024 characters.
        :param quoted_message_id: The message to answer.
        :return: The message's id (``idMessage``).

        .. seealso:: https://green-api.com/en/docs/api/sending/SendFileByUpload/
            and https://green-api.com/en/docs/api/sending/SendFileByUrl/
        """
        from airflow_green_notify.hooks.files import opened_call

        with opened_call(chat_id, file, file_name, caption, quoted_message_id) as call:
            return self._send(call)

    async def asend_file(
        self,
        chat_id: str,
        file: File,
        file_name: str | None = None,
        caption: str | None = None,
        quoted_message_id: str | None = None,
    ) -> str:
        """Async twin of :meth:`send_file`."""
        from airflow_green_notify.hooks.files import opened_call

        with opened_call(chat_id, file, file_name, caption, quoted_message_id) as call:
            return await self._asend(call)

    def show_messages_queue(self) -> list[dict[str, Any]]:
        """Return what waits in the send queue, at most its first 500 messages.

        .. seealso:: https://green-api.com/en/docs/api/queues/ShowMessagesQueue/
        """
        return self._send(calls.show_messages_queue())

    async def ashow_messages_queue(self) -> list[dict[str, Any]]:
        """Async twin of :meth:`show_messages_queue`."""
        return await self._asend(calls.show_messages_queue())

    # --- files and journals ---

    def download_file(self, chat_id: str, id_message: str, type_instance: str | None = None) -> str:
        """Return a fresh link to a message's file. Anyone who holds it can read the file.

        :param type_instance: The product, where known: ``v3`` (MAX) allows one such call per second, the
            others five.

        .. seealso:: https://green-api.com/en/docs/api/receiving/files/DownloadFile/
        """
        return self._send(calls.download_file(chat_id, id_message, type_instance))

    async def adownload_file(self, chat_id: str, id_message: str, type_instance: str | None = None) -> str:
        """Async twin of :meth:`download_file`."""
        return await self._asend(calls.download_file(chat_id, id_message, type_instance))

    def last_incoming_messages(self, minutes: int = 1440) -> list[dict[str, Any]]:
        """Return the journal of incoming messages. Entries may lag by two minutes.

        :param minutes: How far to look back.

        .. seealso:: https://green-api.com/en/docs/api/journals/LastIncomingMessages/
        """
        return self._send(calls.last_incoming_messages(minutes))

    async def alast_incoming_messages(self, minutes: int = 1440) -> list[dict[str, Any]]:
        """Async twin of :meth:`last_incoming_messages`."""
        return await self._asend(calls.last_incoming_messages(minutes))

    def last_outgoing_messages(self, minutes: int = 1440) -> list[dict[str, Any]]:
        """Return the journal of outgoing messages. Entries may lag by two minutes.

        :param minutes: How far to look back.

        .. seealso:: https://green-api.com/en/docs/api/journals/LastOutgoingMessages/
        """
        return self._send(calls.last_outgoing_messages(minutes))

    async def alast_outgoing_messages(self, minutes: int = 1440) -> list[dict[str, Any]]:
        """Async twin of :meth:`last_outgoing_messages`."""
        return await self._asend(calls.last_outgoing_messages(minutes))

    # --- sending the calls ---

    @cached_property
    def config(self) -> InstanceConfig:
        """The instance of the connection, looked up once."""
        return InstanceConfig.from_connection(self.get_connection(self.green_api_conn_id))

    async def aconfig(self) -> InstanceConfig:
        """Async twin of :attr:`config`."""
        if "config" not in self.__dict__:
            connection = await self.aget_connection(self.green_api_conn_id)
            self.__dict__["config"] = InstanceConfig.from_connection(connection)
        return self.config

    def get_conn(self) -> RequestsTransport:
        """Return the transport that the plain methods use."""
        if self._requests is None:
            from airflow_green_notify.hooks.requests_transport import RequestsTransport

            self._requests = RequestsTransport(self.config)
        return self._requests

    async def aget_conn(self) -> AiohttpTransport:
        """Return the transport that the async twins use."""
        config = await self.aconfig()
        if self._aiohttp is None:
            from airflow_green_notify.hooks.aiohttp_transport import AiohttpTransport

            self._aiohttp = AiohttpTransport(config)
        return self._aiohttp

    def _send(self, call: Call) -> Any:
        send = self.get_conn().send
        return self._retrying(send, call) if call.repeatable else send(call)

    async def _asend(self, call: Call) -> Any:
        send = (await self.aget_conn()).send
        return await self._aretrying(send, call) if call.repeatable else await send(call)

    @cached_property
    def _retrying(self) -> Retrying:
        from tenacity import Retrying

        return Retrying(**self._retry_policy())

    @cached_property
    def _aretrying(self) -> AsyncRetrying:
        from tenacity import AsyncRetrying

        return AsyncRetrying(**self._retry_policy())

    def _retry_policy(self) -> dict[str, Any]:
        from tenacity import retry_if_exception, stop_after_attempt

        return {
            "stop": stop_after_attempt(self.max_attempts),
            "wait": _retry_wait,
            "retry": retry_if_exception(lambda error: isinstance(error, GreenApiError) and error.retryable),
            "before_sleep": self._note_retry,
            "reraise": True,
        }

    def _note_retry(self, state: RetryCallState) -> None:
        self.retries += 1
        self.log.warning(
            "%s Attempt %d of %d; the next one in %.1f s.",
            state.outcome and state.outcome.exception(),
            state.attempt_number,
            self.max_attempts,
            state.upcoming_sleep,
        )

    def close(self) -> None:
        """Close the connections of the plain methods; the next call opens new ones."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None

    async def aclose(self) -> None:
        """Leave the event loop's shared session; the last to leave closes it."""
        if self._aiohttp is not None:
            await self._aiohttp.close()
            self._aiohttp = None

    def __enter__(self) -> GreenApiHook:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> GreenApiHook:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    # --- the connection form ---

    def test_connection(self) -> tuple[bool, str]:
        """Check state and settings, and say in words what is wrong and where to mend it."""
        from airflow_green_notify.hooks.diagnosis import diagnose

        try:
            with GreenApiHook(self.green_api_conn_id, max_attempts=2) as hook:  # somebody waits for the answer
                return diagnose(hook.get_state_instance(), hook.get_settings())
        except GreenApiError as error:
            return False, str(error)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's standard fields, for Airflow below 3.2; later ones read the provider info."""
        return UI_FIELD_BEHAVIOUR

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields, for Airflow below 3.2; later ones read the provider info."""
        from airflow_green_notify.hooks.form_widgets import form_widgets

        return form_widgets(EXTRA_FIELDS)


def _checked_timeout(receive_timeout: float) -> float:
    if not 0 < receive_timeout <= 60:
        raise GreenApiConfigError(
            f"receive_timeout is {receive_timeout!r}; give seconds between 5 and 60 "
            "(the gateway holds a request open for at most a minute)."
        )
    return receive_timeout


def _retry_wait(state: RetryCallState) -> float:
    from tenacity import wait_exponential_jitter

    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None) or 0.0
    wait = wait_exponential_jitter(initial=0.5, max=MAX_RETRY_WAIT / 2, jitter=0.5)(state)
    return min(max(wait, asked), MAX_RETRY_WAIT)
