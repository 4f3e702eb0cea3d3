"""The gateway's methods, from workers and from event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.connection import EXTRA_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_green_notify.hooks.instance_hook import InstanceHook
from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.limits import checked_receive_timeout

if TYPE_CHECKING:
    from airflow_green_notify.hooks.files import File
    from airflow_green_notify.notification import Notification


class GreenApiHook(InstanceHook):
    """Wraps the credentials of one instance and speaks with the gateway.

    Each method has an async twin with the prefix ``a`` for event loops: the plain ones run on ``requests``,
    the twins on ``aiohttp``. Both are context managers; leaving closes the connections.

    Repeated on their own, with exponential back-off and jitter, are calls that got no answer, 429 (after
    ``Retry-After`` if it is given), 408, 499, 5xx and "starting". Never repeated on their own are
    :meth:`delete_notification` and the sending methods: after a doubtful answer, look first.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param max_attempts: How often an idempotent call is sent at most, the first time included.

    Every method raises:

    * :class:`~airflow_green_notify.errors.GreenApiConfigError`: the connection is incomplete, nothing was
      sent
    * :class:`~airflow_green_notify.errors.GreenApiTransportError`: no answer came
    * :class:`~airflow_green_notify.errors.GreenApiResponseError`: the gateway refused; the subclass and the
      text tell what to do
    * :class:`~airflow_green_notify.errors.GreenApiPayloadError`: the answer is not what the contract says

    .. seealso:: https://green-api.com/en/docs/api/
    """

    # --- the queue ---

    def receive_notification(self, receive_timeout: float = 5) -> Notification | None:
        """Receive the oldest notification without deleting it.

        The gateway keeps showing it until it is deleted. A crash after this call loses nothing. An empty
        answer is not proof of an empty queue.

        :param receive_timeout: Seconds the gateway may hold the request open, 5 to 60.
        :return: The notification, or ``None`` if none came within ``receive_timeout``.

        .. seealso:: https://green-api.com/en/docs/api/receiving/technology-http-api/ReceiveNotification/
        """
        return self._send(calls.receive_notification(checked_receive_timeout(receive_timeout)))

    async def areceive_notification(self, receive_timeout: float = 5) -> Notification | None:
        """Async twin of :meth:`receive_notification`."""
        return await self._asend(calls.receive_notification(checked_receive_timeout(receive_timeout)))

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
        from airflow_green_notify.hooks.files import aopened_call

        async with aopened_call(chat_id, file, file_name, caption, quoted_message_id) as call:
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

    def test_connection(self) -> tuple[bool, str]:
        """Check state and settings, and say in words what is wrong and where to fix it."""
        from airflow_green_notify.hooks.diagnosis import diagnose, way_risks

        try:
            # Two attempts: somebody waits for the answer.
            with GreenApiHook(self.green_api_conn_id, max_attempts=2) as hook:
                good, verdict = diagnose(hook.get_state_instance(), hook.get_settings())
                risks = way_risks(hook.config.base_url, hook.config.media_url, hook.config.verify)
                return good, verdict + "".join(f" Warning: {risk.found}: {risk.remedy}." for risk in risks)
        except GreenApiError as error:
            # Airflow tests what stands in a form under a random id, which nobody knows.
            return False, str(error).removeprefix(f"Connection {self.green_api_conn_id!r}: ")

    # Both for Airflow below 3.2, which looks for them in this very class; later ones read the provider info.

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the standard fields of the connection form."""
        return UI_FIELD_BEHAVIOUR

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form."""
        from airflow_green_notify.hooks.form_widgets import form_widgets

        return form_widgets(EXTRA_FIELDS)
