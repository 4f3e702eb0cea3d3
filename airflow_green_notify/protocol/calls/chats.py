"""Contacts, groups, and messages that are in a chat already."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.call import COUNTED_BOUNDS, Call
from airflow_green_notify.protocol.limits import checked_phone


def check_whatsapp(phone: int | str) -> Call[dict[str, Any]]:
    """Ask whether somebody has a WhatsApp account. Telegram and MAX have ``checkAccount`` for it.

    Each number asked for counts towards a limit of the plan.

    :param phone: The number with its country code, digits only; or an id, ``…@c.us`` or ``…@lid``.
    :return: ``existsWhatsapp`` (a boolean) and, where the gateway tells, ``chatId``: the account's LID.

    .. seealso:: https://green-api.com/en/docs/api/service/CheckWhatsapp/
    """
    is_id = str(phone).endswith(("@c.us", "@lid"))
    payload = {"chatId": phone} if is_id else {"phoneNumber": checked_phone(phone)}
    return Call(
        "checkWhatsapp", "POST", results.object_with("existsWhatsapp", bool), payload=payload, hold=15.0
    )


def get_contacts(group: bool | None = None, count: int | None = None) -> Call[list[dict[str, Any]]]:
    """Return the account's contacts and groups, up to 5 minutes old.

    An empty answer is no proof that there are none: ask again.

    :param group: ``True`` for groups only, ``False`` for people only.
    :param count: How many to return; by default all.

    .. seealso:: https://green-api.com/en/docs/api/service/GetContacts/
    """
    query = {"group": None if group is None else str(group).lower(), "count": count}
    return Call(
        "getContacts",
        "GET",
        results.objects,
        query={name: value for name, value in query.items() if value is not None},
        hold=30.0,
        may_be_empty=True,
        bounds=COUNTED_BOUNDS,
    )


def get_contact_info(chat_id: str) -> Call[dict[str, Any]]:
    """Return what is known about a contact: name, avatar, e-mail, whether it is a business, ….

    .. seealso:: https://green-api.com/en/docs/api/service/GetContactInfo/
    """
    return Call("getContactInfo", "POST", results.object_, payload={"chatId": chat_id}, hold=15.0)


def get_group_data(group_id: str) -> Call[dict[str, Any]]:
    """Return a group's name, owner and participants.

    :param group_id: Such as ``…@g.us``, or digits behind a minus (Telegram, MAX).

    .. seealso:: https://green-api.com/en/docs/api/groups/GetGroupData/
    """
    name = "groupId" if "@" in str(group_id) else "chatId"  # so Telegram and MAX call it
    return Call(
        "getGroupData", "POST", results.object_, payload={name: group_id}, hold=15.0, bounds=COUNTED_BOUNDS
    )


def read_chat(chat_id: str, id_message: str | None = None) -> Call[bool]:
    """Mark the messages of a chat as read, which their senders see.

    :param id_message: Only this message; by default all of the chat.
    :return: Whether they are marked.

    .. seealso:: https://green-api.com/en/docs/api/marks/ReadChat/
    """
    payload = {"chatId": chat_id} | ({"idMessage": id_message} if id_message else {})
    return Call("readChat", "POST", results.flag("setRead"), payload=payload)


def edit_message(chat_id: str, id_message: str, message: str) -> Call[str]:
    """Change the text of a message that this instance sent.

    WhatsApp and MAX take it for 15 minutes after the message was sent, Telegram for 48 hours. WhatsApp's
    answer to a later one is good all the same, and the message stays as it was.

    :param message: The new text.
    :return: The message's id (``idMessage``).

    .. seealso:: https://green-api.com/en/docs/api/service/EditMessage/
    """
    payload = {"chatId": chat_id, "idMessage": id_message, "message": message}
    return Call("editMessage", "POST", results.text("idMessage"), payload=payload)


def delete_message(chat_id: str, id_message: str, only_sender_delete: bool = False) -> Call[None]:
    """Delete a message from a chat, for everybody in it.

    :param only_sender_delete: Delete it on this instance's side alone.

    .. seealso:: https://green-api.com/en/docs/api/service/DeleteMessage/
    """
    payload: dict[str, Any] = {"chatId": chat_id, "idMessage": id_message}
    if only_sender_delete:
        payload["onlySenderDelete"] = True
    return Call("deleteMessage", "POST", results.nothing, payload=payload, may_be_empty=True)
