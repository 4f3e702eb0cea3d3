"""What the gateway checks in the arguments of a method, and the words in which it refuses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_green_notify.emulator.refusals import Rejection


class ChatIds(NamedTuple):
    """The forms of a chat id, and how the gateway names them."""

    pattern: re.Pattern[str]
    names: str


PHONE = r"[0-9]+@c\.us"
LID = r"[0-9]+@lid"
GROUP = r"[0-9]+(-[0-9]+)?@g\.us"
NUMBER = r"-?[0-9]+"
CHATS = ChatIds(re.compile(f"{PHONE}|{LID}|{GROUP}"), "'phone_number@c.us', 'chat_id@lid' or 'group_id@g.us'")
CONTACTS = ChatIds(re.compile(f"{PHONE}|{LID}"), "'phone_number@c.us' or 'chat_id@lid'")
GROUPS = ChatIds(re.compile(GROUP), "'group_id@g.us'")
OTHER_CHATS = ChatIds(re.compile(f"{PHONE}|{NUMBER}"), "'phone_number@c.us' or 'chatId'")
"""Telegram and MAX: numbers, of which a group's is negative, and a phone number where one sends."""
MIN_MESSAGE_ID = 16  # characters, on WhatsApp; the other products have short numbers


def invalid(details: str) -> Rejection:
    """A refusal of an argument, to be raised."""
    return Rejection(400, f"Validation failed. Details: {details}")


def chat_id(
    data: Mapping[str, Any], type_instance: str, *, name: str = "chatId", forms: ChatIds = CHATS
) -> str:
    """The chat that an argument names.

    :param data: The arguments of the call.
    :param type_instance: The product: ``whatsapp``, ``telegram`` or ``v3``.
    :param name: The argument.
    :param forms: What is allowed on WhatsApp: any chat, or only :data:`CONTACTS` or :data:`GROUPS`.
    :raises Rejection: In the recorded words.
    """
    value = text(data, name)
    allowed = forms if type_instance == "whatsapp" else OTHER_CHATS
    if not allowed.pattern.fullmatch(value):
        raise invalid(f"'{name}' must be one of the next formats: {allowed.names}")
    return value


def text(data: Mapping[str, Any], name: str, *, limit: int | None = None) -> str:
    """A required argument that is a text and not empty, of ``limit`` UTF-16 units at most."""
    if name not in data:
        raise invalid(f"'{name}' is required")
    value = data[name]
    if value == "":
        raise invalid(f"'{name}' is not allowed to be empty")
    return optional_text(data, name, limit=limit)


def optional_text(data: Mapping[str, Any], name: str, *, limit: int | None = None) -> str:
    """An argument that is a text if it is there; else the empty text."""
    value = data.get(name, "")
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string")
    if limit is not None and utf16_length(value) > limit:
        raise invalid(f"'{name}' length must be less than or equal to {limit} characters long")
    return value


def utf16_length(value: str) -> int:
    """The length as JavaScript counts it: an emoji is two."""
    return len(value) + sum(character > "\uffff" for character in value)


def optional_boolean(data: Mapping[str, Any], name: str) -> bool | None:
    """An argument that is ``true`` or ``false`` if it is there."""
    value = data.get(name)
    if name in data and not isinstance(value, bool):
        raise invalid(f"'{name}' must be a boolean")
    return value


def quoted_id(data: Mapping[str, Any], type_instance: str) -> str | None:
    """The message that is quoted, or ``None``."""
    value = optional_text(data, "quotedMessageId")
    return _message_id(value, type_instance) if value else None


def _message_id(value: str, type_instance: str) -> str:
    if type_instance == "whatsapp" and len(value) < MIN_MESSAGE_ID:
        raise invalid(f"'message id' must be at least {MIN_MESSAGE_ID} symbols")
    return value
