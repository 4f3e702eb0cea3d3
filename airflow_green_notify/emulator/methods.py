"""The imitated methods: one line each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from airflow_green_notify.emulator import journals, queue_methods, send_methods
from airflow_green_notify.emulator.account import Needs
from airflow_green_notify.emulator.call import Call

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


class Method(NamedTuple):
    """An imitated method: its name, its verbs, what it needs of the instance, and what it does."""

    name: str
    verbs: tuple[str, ...]
    needs: Needs
    handler: Handler


METHODS = {
    method.name.lower(): method
    for method in (
        Method("receiveNotification", ("GET",), Needs.POLLING, queue_methods.receive_notification),
        Method("deleteNotification", ("DELETE",), Needs.POLLING, queue_methods.delete_notification),
        Method("getWebhooksCount", ("GET",), Needs.STARTED, queue_methods.get_webhooks_count),
        Method(
            "clearWebhooksQueue", ("DELETE", "GET"), Needs.NO_WEBHOOK_URL, queue_methods.clear_webhooks_queue
        ),
        Method("getStateInstance", ("GET",), Needs.NOTHING, queue_methods.get_state_instance),
        Method("getSettings", ("GET",), Needs.STARTED, queue_methods.get_settings),
        Method("setSettings", ("POST",), Needs.STARTED, queue_methods.set_settings),
        Method("sendMessage", ("POST",), Needs.STARTED, send_methods.send_message),
        Method("sendFileByUrl", ("POST",), Needs.STARTED, send_methods.send_file_by_url),
        Method("sendFileByUpload", ("POST",), Needs.STARTED, send_methods.send_file_by_upload),
        Method("uploadFile", ("POST",), Needs.STARTED, send_methods.upload_file),
        Method("downloadFile", ("POST",), Needs.STARTED, send_methods.download_file),
        Method("showMessagesQueue", ("GET",), Needs.STARTED, send_methods.show_messages_queue),
        Method("getMessagesCount", ("GET",), Needs.STARTED, send_methods.get_messages_count),
        Method("clearMessagesQueue", ("GET",), Needs.STARTED, send_methods.clear_messages_queue),
        Method("lastIncomingMessages", ("GET",), Needs.AUTHORIZED, journals.last_incoming_messages),
        Method("lastOutgoingMessages", ("GET",), Needs.AUTHORIZED, journals.last_outgoing_messages),
        Method("reboot", ("GET",), Needs.STARTED, queue_methods.reboot),
    )
}
