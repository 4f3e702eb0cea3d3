"""What methods are called with, beyond texts: chats, numbers, lists, or the gateway's words about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.validation import (
    CHATS,
    GROUPS,
    ChatIds,
    chat_id,
    invalid,
    optional_boolean,
)

MAX_MESSAGE = {"whatsapp": 20000, "telegram": 4096, "v3": 4000}  # characters

Data = Mapping[str, Any]


def chat(call: Call, data: Data, name: str = "chatId", forms: ChatIds = CHATS) -> str:
    """The chat that is meant; the vendor's older client may give a phone number in place of its id."""
    if name == "chatId" and data.get(name) is None and data.get("phoneNumber"):
        data = {name: f"{phone(data)}@c.us"}
    return chat_id(data, call.instance.type_instance, name=name, forms=forms)


def group(call: Call, data: Data) -> str:
    """The group that is meant: ``groupId``, on Telegram and MAX ``chatId`` too."""
    name = "chatId" if "chatId" in data and "groupId" not in data else "groupId"
    return chat_id(data, call.instance.type_instance, name=name, forms=GROUPS)


def phone(data: Data, name: str = "phoneNumber") -> str:
    """A phone number, which may come as a number or as its digits."""
    value = data.get(name)
    if value is None or value == "":
        raise invalid(f"'{name}' is required")
    if isinstance(value, bool) or not (str(value).isascii() and str(value).isdecimal()):
        raise invalid(f"Wrong format. '{name}' must contain only digits")
    return str(value)


def number(data: Data, name: str, *, texts: bool = False) -> float:
    """A field that must be there and hold a number, as text too where a client sends it so."""
    value = data.get(name)
    if texts and isinstance(value, str) and value.isascii() and value[:9].isdecimal():
        value = int(value[:9])
    if value is None:
        raise invalid(f"'{name}' is required")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(f"'{name}' must be a number")
    return value


def flag(data: Data, name: str) -> bool:
    """A field that may be there and is true or false then; without it, it is false."""
    return optional_boolean({name: data[name]} if data.get(name) is not None else {}, name) or False


def texts(data: Data, name: str) -> list[str]:
    """A field that must be there and hold a list of texts."""
    return _list(data, name, str)


def objects(data: Data, name: str) -> list[dict[str, Any]]:
    """A field that must be there and hold a list of objects."""
    return _list(data, name, dict)


def _list(data: Data, name: str, kind: type) -> list[Any]:
    value = data.get(name)
    if value is None:
        raise invalid(f"'{name}' is required")
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise invalid(f"'{name}' must be an array")
    return value
