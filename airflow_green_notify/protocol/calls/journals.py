"""What went through the chats: the journals, single messages, their files."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.call import COUNTED_BOUNDS, JOURNAL_BOUNDS, Call
from airflow_green_notify.protocol.rates import ACCOUNT_RATE


def last_incoming_messages(minutes: int = 1440) -> Call[list[dict[str, Any]]]:
    """Return the journal of incoming messages. Entries may lag by two minutes.

    :param minutes: How far to look back.

    .. seealso:: https://green-api.com/en/docs/api/journals/LastIncomingMessages/
    """
    return _journal("lastIncomingMessages", minutes)


def last_outgoing_messages(minutes: int = 1440) -> Call[list[dict[str, Any]]]:
    """Return the journal of outgoing messages. Entries may lag by two minutes.

    :param minutes: How far to look back.

    .. seealso:: https://green-api.com/en/docs/api/journals/LastOutgoingMessages/
    """
    return _journal("lastOutgoingMessages", minutes)


def _journal(method: str, minutes: int) -> Call[list[dict[str, Any]]]:
    return Call(
        method,
        "GET",
        results.objects,
        query={"minutes": minutes},
        hold=30.0,
        may_be_empty=True,
        bounds=JOURNAL_BOUNDS,
    )


def get_chat_history(chat_id: str, count: int = 100) -> Call[list[dict[str, Any]]]:
    """Return the last messages of a chat, newest first. They may lag by two minutes.

    :param count: How many.

    .. seealso:: https://green-api.com/en/docs/api/journals/GetChatHistory/
    """
    return Call(
        "getChatHistory",
        "POST",
        results.objects,
        payload={"chatId": chat_id, "count": count},
        hold=30.0,
        may_be_empty=True,
        bounds=COUNTED_BOUNDS,
    )


def get_message(chat_id: str, id_message: str) -> Call[dict[str, Any]]:
    """Return one message of a chat; an outgoing one has its status as ``statusMessage``.

    :raises GreenApiResponseError: There is none of that id, or not yet.

    .. seealso:: https://green-api.com/en/docs/api/journals/GetMessage/
    """
    on_whatsapp = not str(id_message).isdecimal()
    return Call(
        "getMessage",
        "POST",
        results.object_,
        payload={"chatId": chat_id, "idMessage": id_message},
        hold=15.0,
        lower_rate=None if on_whatsapp else ACCOUNT_RATE,  # on Telegram and MAX once a second
    )


def download_file(chat_id: str, id_message: str, type_instance: str | None = None) -> Call[str]:
    """Return a fresh link to a message's file. Anyone who holds it can read the file.

    :param type_instance: The product, where known: ``v3`` (MAX) allows one such call per second, the
        others five.

    .. seealso:: https://green-api.com/en/docs/api/receiving/files/DownloadFile/
    """
    return Call(
        "downloadFile",
        "POST",
        results.text("downloadUrl"),
        payload={"chatId": chat_id, "idMessage": id_message},
        hold=15.0,
        lower_rate=ACCOUNT_RATE if type_instance == "v3" else None,
    )
