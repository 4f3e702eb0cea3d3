"""The gateway's methods, from workers and from event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks.connection import EXTRA_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_green_notify.hooks.instance_hook import InstanceHook
from airflow_green_notify.hooks.methods import twins
from airflow_green_notify.protocol import calls

if TYPE_CHECKING:
    from airflow_green_notify.hooks.files import File


class GreenApiHook(InstanceHook):
    """Wraps the credentials of one instance and speaks with the gateway.

    Each method has an async twin with the prefix ``a`` for event loops: the plain ones run on ``requests``,
    the twins on ``aiohttp``. Both are context managers; leaving closes the connections.

    Repeated on their own, with exponential back-off and jitter, are calls that got no answer, 429 (after
    ``Retry-After`` if it is given), 408, 499, 5xx and "starting". Never repeated on their own are
    :meth:`delete_notification`, the sending methods, and what else says so: after a doubtful answer, look
    first. A method that has none of its own here is called by its name, with :meth:`call`.

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

    # --- one line a method: what it asks, returns and raises stands in protocol/calls ---

    call, acall = twins(calls.call)

    receive_notification, areceive_notification = twins(calls.receive_notification)
    delete_notification, adelete_notification = twins(calls.delete_notification)
    get_webhooks_count, aget_webhooks_count = twins(calls.get_webhooks_count)
    clear_webhooks_queue, aclear_webhooks_queue = twins(calls.clear_webhooks_queue)

    get_state_instance, aget_state_instance = twins(calls.get_state_instance)
    get_settings, aget_settings = twins(calls.get_settings)
    set_settings, aset_settings = twins(calls.set_settings)
    reboot, areboot = twins(calls.reboot)
    logout, alogout = twins(calls.logout)
    qr, aqr = twins(calls.qr)

    send_message, asend_message = twins(calls.send_message)
    send_poll, asend_poll = twins(calls.send_poll)
    send_location, asend_location = twins(calls.send_location)
    send_contact, asend_contact = twins(calls.send_contact)
    forward_messages, aforward_messages = twins(calls.forward_messages)
    show_messages_queue, ashow_messages_queue = twins(calls.show_messages_queue)
    get_messages_count, aget_messages_count = twins(calls.get_messages_count)
    clear_messages_queue, aclear_messages_queue = twins(calls.clear_messages_queue)

    edit_message, aedit_message = twins(calls.edit_message)
    delete_message, adelete_message = twins(calls.delete_message)
    read_chat, aread_chat = twins(calls.read_chat)
    check_whatsapp, acheck_whatsapp = twins(calls.check_whatsapp)
    get_contacts, aget_contacts = twins(calls.get_contacts)
    get_contact_info, aget_contact_info = twins(calls.get_contact_info)
    get_group_data, aget_group_data = twins(calls.get_group_data)

    get_message, aget_message = twins(calls.get_message)
    get_chat_history, aget_chat_history = twins(calls.get_chat_history)
    last_incoming_messages, alast_incoming_messages = twins(calls.last_incoming_messages)
    last_outgoing_messages, alast_outgoing_messages = twins(calls.last_outgoing_messages)
    download_file, adownload_file = twins(calls.download_file)

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
