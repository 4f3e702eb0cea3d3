"""The imitated methods: one line each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from airflow_green_notify.emulator import (
    account_methods,
    chat_methods,
    contact_methods,
    group_methods,
    journals,
    message_methods,
    queue_methods,
    send_kinds,
    send_methods,
    send_queue_methods,
    story_methods,
    voice_call_methods,
)
from airflow_green_notify.emulator.account import Needs
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.documented import DOCUMENTED

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
        Method("showMessagesQueue", ("GET",), Needs.STARTED, send_queue_methods.show_messages_queue),
        Method("getMessagesCount", ("GET",), Needs.STARTED, send_queue_methods.get_messages_count),
        Method("clearMessagesQueue", ("GET",), Needs.STARTED, send_queue_methods.clear_messages_queue),
        Method("lastIncomingMessages", ("GET",), Needs.AUTHORIZED, journals.last_incoming_messages),
        Method("lastOutgoingMessages", ("GET",), Needs.AUTHORIZED, journals.last_outgoing_messages),
        Method("reboot", ("GET",), Needs.STARTED, queue_methods.reboot),
        Method("sendPoll", ("POST",), Needs.STARTED, send_kinds.send_poll),
        Method("sendLocation", ("POST",), Needs.STARTED, send_kinds.send_location),
        Method("sendContact", ("POST",), Needs.STARTED, send_kinds.send_contact),
        Method("sendLink", ("POST",), Needs.STARTED, send_kinds.send_link),
        Method("forwardMessages", ("POST",), Needs.STARTED, send_kinds.forward_messages),
        Method("getMessage", ("POST",), Needs.AUTHORIZED, message_methods.get_message),
        Method("getChatHistory", ("POST",), Needs.AUTHORIZED, message_methods.get_chat_history),
        Method("editMessage", ("POST",), Needs.AUTHORIZED, message_methods.edit_message),
        Method("deleteMessage", ("POST",), Needs.AUTHORIZED, message_methods.delete_message),
        Method("readChat", ("POST",), Needs.AUTHORIZED, message_methods.read_chat),
        Method("checkWhatsapp", ("POST",), Needs.AUTHORIZED, contact_methods.check_whatsapp),
        Method("checkAccount", ("POST",), Needs.AUTHORIZED, contact_methods.check_account),
        Method("getContacts", ("GET",), Needs.AUTHORIZED, contact_methods.get_contacts),
        Method("getContactInfo", ("POST", "GET"), Needs.AUTHORIZED, contact_methods.get_contact_info),
        Method("getAvatar", ("POST",), Needs.AUTHORIZED, contact_methods.get_avatar),
        Method("addContact", ("POST",), Needs.AUTHORIZED, contact_methods.add_contact),
        Method("editContact", ("POST",), Needs.AUTHORIZED, contact_methods.edit_contact),
        Method("deleteContact", ("POST",), Needs.AUTHORIZED, contact_methods.delete_contact),
        Method("createGroup", ("POST",), Needs.AUTHORIZED, group_methods.create_group),
        Method("getGroupData", ("POST",), Needs.AUTHORIZED, group_methods.get_group_data),
        Method("updateGroupName", ("POST",), Needs.AUTHORIZED, group_methods.update_group_name),
        Method("updateGroupSettings", ("POST",), Needs.AUTHORIZED, group_methods.update_group_settings),
        Method("addGroupParticipant", ("POST",), Needs.AUTHORIZED, group_methods.add_group_participant),
        Method("removeGroupParticipant", ("POST",), Needs.AUTHORIZED, group_methods.remove_group_participant),
        Method("setGroupAdmin", ("POST",), Needs.AUTHORIZED, group_methods.set_group_admin),
        Method("removeAdmin", ("POST",), Needs.AUTHORIZED, group_methods.remove_admin),
        Method("leaveGroup", ("POST",), Needs.AUTHORIZED, group_methods.leave_group),
        Method("setGroupPicture", ("POST",), Needs.AUTHORIZED, group_methods.set_group_picture),
        Method("getChats", ("GET", "POST"), Needs.AUTHORIZED, chat_methods.get_chats),
        Method("archiveChat", ("POST",), Needs.AUTHORIZED, chat_methods.archive_chat),
        Method("unarchiveChat", ("POST",), Needs.AUTHORIZED, chat_methods.unarchive_chat),
        Method("setDisappearingChat", ("POST",), Needs.AUTHORIZED, chat_methods.set_disappearing_chat),
        Method("sendTyping", ("POST",), Needs.AUTHORIZED, chat_methods.send_typing),
        Method("qr", ("GET",), Needs.NOTHING, account_methods.qr),
        Method("logout", ("GET",), Needs.STARTED, account_methods.logout),
        Method("getWaSettings", ("GET",), Needs.NOTHING, account_methods.get_wa_settings),
        Method("getAccountSettings", ("GET",), Needs.NOTHING, account_methods.get_account_settings),
        Method("getStatusInstance", ("GET",), Needs.NOTHING, account_methods.get_status_instance),
        Method("getAuthorizationCode", ("POST",), Needs.STARTED, account_methods.get_authorization_code),
        Method("startAuthorization", ("POST",), Needs.STARTED, account_methods.start_authorization),
        Method("sendAuthorizationCode", ("POST",), Needs.STARTED, account_methods.send_authorization_code),
        Method(
            "sendAuthorizationPassword", ("POST",), Needs.STARTED, account_methods.send_authorization_password
        ),
        Method("setProfilePicture", ("POST",), Needs.STARTED, account_methods.set_profile_picture),
        Method("sendInteractiveButtons", ("POST",), Needs.STARTED, send_kinds.send_interactive_buttons),
        Method(
            "sendInteractiveButtonsReply", ("POST",), Needs.STARTED, send_kinds.send_interactive_buttons_reply
        ),
        Method("sendTextStatus", ("POST",), Needs.AUTHORIZED, story_methods.send_text_status),
        Method("sendVoiceStatus", ("POST",), Needs.AUTHORIZED, story_methods.send_voice_status),
        Method("sendMediaStatus", ("POST",), Needs.AUTHORIZED, story_methods.send_media_status),
        Method("deleteStatus", ("POST",), Needs.AUTHORIZED, story_methods.delete_status),
        Method("getStatusStatistic", ("GET",), Needs.AUTHORIZED, story_methods.get_status_statistic),
        Method("getIncomingStatuses", ("GET",), Needs.AUTHORIZED, story_methods.get_incoming_statuses),
        Method("getOutgoingStatuses", ("GET",), Needs.AUTHORIZED, story_methods.get_outgoing_statuses),
        Method("lastIncomingCalls", ("GET",), Needs.AUTHORIZED, voice_call_methods.last_incoming_calls),
        Method("lastOutgoingCalls", ("GET",), Needs.AUTHORIZED, voice_call_methods.last_outgoing_calls),
        Method("callsRtc", ("GET",), Needs.AUTHORIZED, voice_call_methods.calls_rtc),
        Method("callsState", ("GET",), Needs.AUTHORIZED, voice_call_methods.calls_state),
        Method("callsDial", ("POST",), Needs.AUTHORIZED, voice_call_methods.calls_dial),
        Method("callsAccept", ("POST",), Needs.AUTHORIZED, voice_call_methods.calls_accept),
        Method("callsReject", ("POST",), Needs.AUTHORIZED, voice_call_methods.calls_reject),
        Method("callsHangUp", ("POST",), Needs.AUTHORIZED, voice_call_methods.calls_hang_up),
        Method(
            "GetStateInstanceHistory", ("GET",), Needs.NOTHING, account_methods.get_state_instance_history
        ),
        Method("updateApiToken", ("GET",), Needs.NOTHING, account_methods.update_api_token),
        *(Method(each.name, (each.verb,), Needs.STARTED, each) for each in DOCUMENTED),
    )
}
