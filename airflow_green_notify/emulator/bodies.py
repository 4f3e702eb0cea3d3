"""Bodies of the notifications that the gateway itself makes: of what was sent, its statuses, and replies."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.emulator.people import is_group

Body = dict[str, Any]

NOT_FORWARDED: Body = {"forwardingScore": 0, "isForwarded": False}
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


def with_quote(data: Body, quoted_id: str, participant: str) -> Body:
    """The ``messageData`` of what is sent as the answer to a message."""
    if data["typeMessage"] == "extendedTextMessage":
        return quoting_data(data["extendedTextMessageData"]["text"], quoted_id, participant)
    return data | {"quotedMessage": {"stanzaId": quoted_id, "participant": participant}}


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
        }
        | NOT_FORWARDED,
    }


def location_data(place: Body) -> Body:
    """The ``messageData`` of a place: ``nameLocation``, ``address``, ``latitude``, ``longitude``."""
    shown = {"nameLocation": place["nameLocation"], "address": place["address"], "jpegThumbnail": ""}
    shown |= {"latitude": place["latitude"], "longitude": place["longitude"]}
    return {"typeMessage": "locationMessage", "locationMessageData": shown | NOT_FORWARDED}


def contact_data(contact: Body, type_instance: str) -> Body:
    """The ``messageData`` of a contact; Telegram names the parts where the others have the whole."""
    first, middle, last = (str(contact.get(part) or "") for part in ("firstName", "middleName", "lastName"))
    company, phone = str(contact.get("company") or ""), str(contact.get("phoneContact") or "")
    name = " ".join(part for part in (first, middle, last) if part) or company
    vcard = (
        f"BEGIN:VCARD\nVERSION:3.0\nN:{last};{first};{middle};\nFN:{name}\nORG:{company}\n"
        f"TEL;type=CELL;type=VOICE;waid={phone}:+{phone}\nEND:VCARD"
    )
    shown: Body = {"displayName": name, "vcard": vcard} | NOT_FORWARDED
    if type_instance == "telegram":
        shown = {"phoneContact": phone, "firstName": first, "lastName": last, "vcard": vcard, "chatId": phone}
    return {"typeMessage": "contactMessage", "contactMessageData": shown}


def poll_data(name: str, options: list[str], multiple: bool) -> Body:
    """The ``messageData`` of a poll."""
    poll = {"name": name, "options": [{"optionName": option} for option in options]}
    return {"typeMessage": "pollMessage", "pollMessageData": poll | {"multipleAnswers": multiple}}


def poll_update_data(stanza_id: str, poll: Body, votes: dict[str, list[str]]) -> Body:
    """The ``messageData`` of a vote: who stands behind each option of the poll now."""
    data = {"stanzaId": stanza_id, "name": poll["name"]}
    data |= {"votes": [{"optionName": name, "optionVoters": voters} for name, voters in votes.items()]}
    data["multipleAnswers"] = poll["multipleAnswers"]
    return {"typeMessage": "pollUpdateMessage", "pollMessageData": data}


def edited_data(stanza_id: str, field: str, text: str) -> Body:
    """The ``messageData`` of an edit; the field is ``textMessage``, or ``caption`` for a file."""
    return {"typeMessage": "editedMessage", "editedMessageData": {field: text, "stanzaId": stanza_id}}


def deleted_data(stanza_id: str) -> Body:
    """The ``messageData`` of a deletion."""
    return {"typeMessage": "deletedMessage", "deletedMessageData": {"stanzaId": stanza_id}}


def forwarded(data: Body) -> Body:
    """The same ``messageData``, marked as forwarded."""
    return {name: _marked(value) if isinstance(value, dict) else value for name, value in data.items()}


def _marked(payload: Body) -> Body:
    score = payload.get("forwardingScore")
    return payload if score is None else payload | {"forwardingScore": score + 1, "isForwarded": True}


def _extended(text: str) -> Body:
    return {
        "text": text,
        "description": "",
        "title": "",
        "previewType": "None",
        "jpegThumbnail": "",
    } | NOT_FORWARDED
