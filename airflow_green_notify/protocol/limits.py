"""How long a text may be, and how long the gateway holds a request open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_green_notify.errors import GreenApiConfigError

MAX_MESSAGE = {"whatsapp": 20000, "telegram": 4096, "v3": 4000}
"""Characters of a message, by product (``typeInstance``)."""

SAFE_MESSAGE = min(MAX_MESSAGE.values())
"""Characters that every product takes."""

MAX_CAPTION = 1024
"""Characters of the text beside a file."""

MAX_QUESTION = 255
MAX_OPTION = 100
"""Characters of a poll's question, and of each answer that it offers."""

MAX_DIGITS = 20
"""Of a phone number; the longest ones have 15."""

OPTIONS = range(2, 13)
"""How many answers a poll may offer."""

MAX_RECEIVE_TIMEOUT = 60.0
"""Seconds for which the gateway holds a request open at most."""


def checked_receive_timeout(receive_timeout: Any) -> float:
    """Return the seconds for which the gateway may hold a receive open.

    :raises GreenApiConfigError: It holds none open for so long, or it is no number.
    """
    try:
        seconds = float(receive_timeout)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= MAX_RECEIVE_TIMEOUT:
        raise GreenApiConfigError(
            f"receive_timeout is {receive_timeout!r}; it must be a number of seconds between 5 and 60 (the "
            "gateway holds a request open for at most a minute)."
        )
    return seconds


def checked_message(message: str, type_instance: str | None) -> str:
    """Return the message.

    :param type_instance: The product; an unknown one is taken for the most generous.
    :raises GreenApiConfigError: It is empty or longer than the product takes.
    """
    if not message.strip():
        raise GreenApiConfigError("The message is empty.")
    return _checked_length(
        "message", message, MAX_MESSAGE.get(type_instance or "", max(MAX_MESSAGE.values()))
    )


def checked_caption(caption: str | None) -> str | None:
    """Return the caption.

    :raises GreenApiConfigError: It is longer than the gateway takes.
    """
    return caption and _checked_length("caption", caption, MAX_CAPTION)


def checked_poll(question: str, options: Sequence[str]) -> None:
    """Judge a poll.

    :raises GreenApiConfigError: The gateway doesn't take it.
    """
    if not isinstance(question, str) or not question.strip():
        raise GreenApiConfigError("The poll has no question.")
    _checked_length("question", question, MAX_QUESTION)
    checked_options(options)


def checked_options(options: Any) -> None:
    """Judge the answers that a poll offers.

    :raises GreenApiConfigError: The gateway doesn't take them.
    """
    if not isinstance(options, list | tuple) or not all(
        isinstance(option, str) and option.strip() for option in options
    ):
        raise GreenApiConfigError("The poll's options must be a list of texts, none of them empty.")
    if len(options) not in OPTIONS or len({*options}) != len(options):
        raise GreenApiConfigError(
            f"The poll has {len(options)} options, {len({*options})} of them different; it must have 2 to 12 "
            "different ones."
        )
    for option in options:
        _checked_length("option", option, MAX_OPTION)


def checked_phone(phone: int | str) -> int:
    """Return a phone number as the gateway takes it.

    :raises GreenApiConfigError: It is none.
    """
    digits = str(phone).strip().removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise GreenApiConfigError(
            f"phone is {phone!r}; it must be a number with its country code, digits only: 12025550101."
        )
    return int(digits)


def _checked_length(name: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise GreenApiConfigError(
            f"The {name} has {len(text)} characters; the gateway takes at most {limit}. Shorten it, or send "
            "the rest as a file."
        )
    return text
