"""What a method is called with: fields of the right type, or the gateway's words about them."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.emulator.answers import refused
from airflow_green_notify.emulator.call import Refusal

MAX_MESSAGE = {"whatsapp": 20000, "telegram": 4096, "v3": 4000}  # characters

Data = dict[str, Any]


def invalid(details: str) -> Refusal:
    """The refusal of a request with a wrong or missing field."""
    return Refusal(refused(400, f"Validation failed. Details: {details}"))


def text(data: Data, name: str) -> str:
    """A field that must be there and hold text."""
    value = data.get(name)
    if value is None or value == "":
        raise invalid(f"'{name}' is required")
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string")
    return value


def optional_text(data: Data, name: str) -> str:
    """A field that may be there and holds text then."""
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"'{name}' must be a string")
    return value or ""


def number(data: Data, name: str) -> float:
    """A field that must be there and hold a number."""
    value = data.get(name)
    if value is None:
        raise invalid(f"'{name}' is required")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(f"'{name}' must be a number")
    return value


def flag(data: Data, name: str, default: bool = False) -> bool:
    """A field that may be there and is true or false then."""
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid(f"'{name}' must be a boolean")
    return value


def texts(data: Data, name: str) -> list[str]:
    """A field that must be there and hold a list of texts."""
    value = data.get(name)
    if value is None:
        raise invalid(f"'{name}' is required")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"'{name}' must be an array")
    return value


def objects(data: Data, name: str) -> list[Data]:
    """A field that must be there and hold a list of objects."""
    value = data.get(name)
    if value is None:
        raise invalid(f"'{name}' is required")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(f"'{name}' must be an array")
    return value


def chat(data: Data, name: str = "chatId") -> str:
    """The chat that is meant; the vendor's older client gives a phone number in place of its id."""
    if name not in data and isinstance(data.get("phoneNumber"), (int, str)) and data["phoneNumber"]:
        return f"{data['phoneNumber']}@c.us"
    return text(data, name)


def phone(data: Data, name: str = "phoneNumber") -> str:
    """A phone number, which may come as a number or as its digits."""
    value = data.get(name)
    if value is None or value == "":
        raise invalid(f"'{name}' is required")
    if isinstance(value, bool) or not str(value).isdecimal():
        raise invalid(f"Wrong format. '{name}' must contain only digits")
    return str(value)


def group(data: Data) -> str:
    """The group that is meant: ``groupId``, on Telegram and MAX ``chatId``."""
    return text(data, "groupId" if "groupId" in data or "chatId" not in data else "chatId")


def check_length(name: str, value: Any, limit: int) -> None:
    """Refuse a text that is too long."""
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string")
    if len(value) > limit:
        raise invalid(f"'{name}' length must be less than or equal to {limit} characters long")
