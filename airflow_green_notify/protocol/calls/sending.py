"""What puts something into the send queue. None of it is ever repeated on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.call import FILE_HOLD, Call
from airflow_green_notify.protocol.limits import checked_phone, checked_poll
from airflow_green_notify.protocol.upload import Upload

LIMITS_OF_PLACES = {"latitude": 90, "longitude": 180}


def send_message(chat_id: str, message: str, quoted_message_id: str | None = None) -> Call[str]:
    """Put a text message into the send queue.

    The answer means *queued*, not delivered. Never repeated on its own.

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
    :param message: Up to 20000 characters (WhatsApp), 4096 (Telegram) or 4000 (MAX).
    :param quoted_message_id: The message to answer.
    :return: The message's id (``idMessage``).

    .. seealso:: https://green-api.com/en/docs/api/sending/SendMessage/
    """
    return _sending("sendMessage", chat_id, {"message": message}, quotedMessageId=quoted_message_id)


def send_poll(
    chat_id: str,
    message: str,
    options: Sequence[str],
    multiple_answers: bool = False,
    quoted_message_id: str | None = None,
) -> Call[str]:
    """Put a poll into the send queue. Never repeated on its own.

    Votes come as notifications if the settings ``incomingWebhook`` and ``pollMessageWebhook`` are on.

    :param message: The question, up to 255 characters.
    :param options: 2 to 12 answers, each another one of up to 100 characters.
    :param multiple_answers: Whether one person may choose several.
    :param quoted_message_id: The message to answer.
    :return: The message's id (``idMessage``), which votes name as ``stanzaId``.

    .. seealso:: https://green-api.com/en/docs/api/sending/SendPoll/
    """
    checked_poll(message, options)
    content = {
        "message": message,
        "options": [{"optionName": option} for option in options],
        "multipleAnswers": multiple_answers,
    }
    return _sending("sendPoll", chat_id, content, quotedMessageId=quoted_message_id)


def send_location(
    chat_id: str,
    latitude: float,
    longitude: float,
    name: str | None = None,
    address: str | None = None,
    quoted_message_id: str | None = None,
) -> Call[str]:
    """Put a place into the send queue. Never repeated on its own.

    :param latitude: Degrees, south is negative.
    :param longitude: Degrees, west is negative.
    :param name: What the place is called.
    :param address: Where it is.
    :param quoted_message_id: The message to answer.
    :return: The message's id (``idMessage``).

    .. seealso:: https://green-api.com/en/docs/api/sending/SendLocation/
    """
    place = {"latitude": latitude, "longitude": longitude}
    for what, degrees in place.items():
        limit = LIMITS_OF_PLACES[what]
        if not -limit <= degrees <= limit:
            raise GreenApiConfigError(f"{what} is {degrees!r}; it must be between -{limit} and {limit}.")
    return _sending(
        "sendLocation", chat_id, place, nameLocation=name, address=address, quotedMessageId=quoted_message_id
    )


def send_contact(
    chat_id: str,
    phone: int | str,
    first_name: str | None = None,
    middle_name: str | None = None,
    last_name: str | None = None,
    company: str | None = None,
    quoted_message_id: str | None = None,
) -> Call[str]:
    """Put somebody's contact data into the send queue. Never repeated on its own.

    :param phone: The contact's number with its country code, digits only. A name or a company goes with it.
    :param quoted_message_id: The message to answer.
    :return: The message's id (``idMessage``).

    .. seealso:: https://green-api.com/en/docs/api/sending/SendContact/
    """
    number = checked_phone(phone)
    names = _given(firstName=first_name, middleName=middle_name, lastName=last_name, company=company)
    if not names:
        raise GreenApiConfigError("A contact needs a name or a company beside its number.")
    contact = {"phoneContact": number, **names}
    return _sending("sendContact", chat_id, {"contact": contact}, quotedMessageId=quoted_message_id)


def forward_messages(chat_id: str, chat_id_from: str, messages: Sequence[str]) -> Call[list[str]]:
    """Put messages of one chat into the send queue for another. Never repeated on its own.

    :param chat_id: The chat to send them to.
    :param chat_id_from: The chat that they are in.
    :param messages: Their ids, in the order in which they are sent.
    :return: The ids of the new messages, in the same order.

    .. seealso:: https://green-api.com/en/docs/api/sending/ForwardMessages/
    """
    return Call(
        "forwardMessages",
        "POST",
        results.texts("messages"),
        payload={"chatId": chat_id, "chatIdFrom": chat_id_from, "messages": list(messages)},
        hold=15.0,
        idempotent=False,
    )


def send_file_by_url(
    chat_id: str, url: str, file_name: str, caption: str | None, quoted_message_id: str | None
) -> Call[str]:
    """Put a file into the send queue that the gateway fetches."""
    content = {"urlFile": url, "fileName": file_name, **optional_file_fields(caption, quoted_message_id)}
    return replace(_sending("sendFileByUrl", chat_id, content), hold=FILE_HOLD)


def optional_file_fields(caption: str | None, quoted_message_id: str | None) -> dict[str, str]:
    """Return what may accompany a file, in the gateway's names, if there is any of it."""
    return _given(caption=caption, quotedMessageId=quoted_message_id)


def send_file_by_upload(upload: Upload) -> Call[str]:
    """Put a file into the send queue that is uploaded."""
    return Call(
        "sendFileByUpload",
        "POST",
        results.text("idMessage"),
        upload=upload,
        hold=FILE_HOLD,
        idempotent=False,
        media=True,
    )


def _sending(method: str, chat_id: str, content: Mapping[str, Any], **optional: str | None) -> Call[str]:
    return Call(
        method,
        "POST",
        results.text("idMessage"),
        payload={"chatId": chat_id, **content, **_given(**optional)},
        hold=15.0,
        idempotent=False,
    )


def _given(**fields: str | None) -> dict[str, str]:
    """Leave out what wasn't given, rather than to send it as null."""
    return {name: value for name, value in fields.items() if value}
