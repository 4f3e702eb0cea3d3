"""Bodies of the notifications that the gateway itself makes: of what was sent, its statuses, and replies."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

GROUP_MEMBER = "12025550101@c.us"
FILE_TYPES = {"image": "imageMessage", "video": "videoMessage", "audio": "audioMessage"}


def envelope(kind: str, instance_data: Body, timestamp: float, id_message: str) -> Body:
    """What every notification of a message begins with."""
    return {
        "typeWebhook": kind,
        "instanceData": instance_data,
        "timestamp": int(timestamp),
        "idMessage": id_message,
    }


def sender_data(chat_id: str, sender: str, type_instance: str) -> Body:
    """The ``senderData`` of a message, with the fields that only Telegram and MAX have."""
    data: Body = {
        "chatId": chat_id,
        "chatName": "",
        "sender": sender,
        "senderName": "",
        "senderContactName": "",
    }
    if type_instance != "whatsapp":
        chat_type = "group" if is_group(chat_id) else "user"
        data |= {"chatType": chat_type, "senderType": "user", "senderPhoneNumber": 0}
    return data


def is_group(chat_id: str) -> bool:
    """Whether a chat has several members."""
    return chat_id.endswith("@g.us") or chat_id.startswith("-")


def text_data(text: str) -> Body:
    """The ``messageData`` of a text that came in."""
    return {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}}


def api_text_data(text: str) -> Body:
    """The ``messageData`` of a text sent through the API, which comes back as an extended one."""
    return {"typeMessage": "extendedTextMessage", "extendedTextMessageData": _extended(text)}


def quoting_data(text: str, quoted_id: str, participant: str, quoted_text: str | None = None) -> Body:
    """The ``messageData`` of a text that quotes a message."""
    quoted: Body = {"stanzaId": quoted_id, "participant": participant}
    if quoted_text is not None:
        quoted |= {"typeMessage": "extendedTextMessage", "textMessage": quoted_text}
        quoted["extendedTextMessage"] = _extended(quoted_text)
    return {
        "typeMessage": "quotedMessage",
        "extendedTextMessageData": {"text": text, "stanzaId": quoted_id, "participant": participant},
        "quotedMessage": quoted,
    }


def file_data(url: str, file_name: str, mime_type: str, caption: str) -> Body:
    """The ``messageData`` of a file."""
    return {
        "typeMessage": FILE_TYPES.get(mime_type.partition("/")[0], "documentMessage"),
        "fileMessageData": {
            "downloadUrl": url,
            "caption": caption,
            "fileName": file_name,
            "jpegThumbnail": "",
            "isAnimated": False,
            "mimeType": mime_type,
            "forwardingScore": 0,
            "isForwarded": False,
        },
    }


def _extended(text: str) -> Body:
    return {
        "text": text,
        "description": "",
        "title": "",
        "previewType": "None",
        "jpegThumbnail": "",
        "forwardingScore": 0,
        "isForwarded": False,
    }
