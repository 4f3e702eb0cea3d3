"""What the gateway can be asked: one function per method, which describes the request.

Each of them is a method of the hook too, with the same signature and docstring.
"""

from airflow_green_notify.protocol.call import Call, Result
from airflow_green_notify.protocol.calls.account import (
    get_settings,
    get_state_instance,
    logout,
    qr,
    reboot,
    set_settings,
)
from airflow_green_notify.protocol.calls.any_method import call
from airflow_green_notify.protocol.calls.chats import (
    check_whatsapp,
    delete_message,
    edit_message,
    get_contact_info,
    get_contacts,
    get_group_data,
    read_chat,
)
from airflow_green_notify.protocol.calls.journals import (
    download_file,
    get_chat_history,
    get_message,
    last_incoming_messages,
    last_outgoing_messages,
)
from airflow_green_notify.protocol.calls.queues import (
    clear_messages_queue,
    clear_webhooks_queue,
    delete_notification,
    get_messages_count,
    get_webhooks_count,
    receive_notification,
    show_messages_queue,
)
from airflow_green_notify.protocol.calls.sending import (
    forward_messages,
    optional_file_fields,
    send_contact,
    send_file_by_upload,
    send_file_by_url,
    send_location,
    send_message,
    send_poll,
)
from airflow_green_notify.protocol.rates import ACCOUNT_RATE, QUEUE_RATE, SENDING_RATE

__all__ = [
    "ACCOUNT_RATE",
    "QUEUE_RATE",
    "SENDING_RATE",
    "Call",
    "Result",
    "call",
    "check_whatsapp",
    "clear_messages_queue",
    "clear_webhooks_queue",
    "delete_message",
    "delete_notification",
    "download_file",
    "edit_message",
    "forward_messages",
    "get_chat_history",
    "get_contact_info",
    "get_contacts",
    "get_group_data",
    "get_message",
    "get_messages_count",
    "get_settings",
    "get_state_instance",
    "get_webhooks_count",
    "last_incoming_messages",
    "last_outgoing_messages",
    "logout",
    "optional_file_fields",
    "qr",
    "read_chat",
    "reboot",
    "receive_notification",
    "send_contact",
    "send_file_by_upload",
    "send_file_by_url",
    "send_location",
    "send_message",
    "send_poll",
    "set_settings",
    "show_messages_queue",
]
