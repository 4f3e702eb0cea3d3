"""Ids of chats and of authors."""

from __future__ import annotations

import re
from typing import Any

from airflow_green_notify.arguments.judging import refusal

_RECIPIENT = re.compile(r"-?[0-9]+|[0-9]+@(c\.us|lid)|[0-9]+(-[0-9]+)?@g\.us")
_CHAT = re.compile(r"-?[0-9]+|[^\s@+]+@[a-z.]+|[A-Z]{2}\.[0-9A-Za-z.]+")


def recipient_of(name: str, value: Any) -> str:
    """Judge the chat that something is sent to."""
    if not _is_id(value, _RECIPIENT):
        raise refusal(
            name,
            value,
            "the id of a chat, such as '12025550101@c.us' (digits of a phone number), a group's '…@g.us', "
            "'…@lid', or digits (Telegram, MAX)",
        )
    return str(value)


def chat_of(name: str, value: Any) -> str:
    """Judge the chat that something came from, or its author."""
    if not _is_id(value, _CHAT):
        raise refusal(
            name,
            value,
            "an id as notifications carry it, such as '12025550101@c.us', '…@g.us', '…@lid', or digits "
            "(Telegram, MAX)",
        )
    return str(value)


def _is_id(value: Any, pattern: re.Pattern[str]) -> bool:
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return known and pattern.fullmatch(str(value)) is not None
