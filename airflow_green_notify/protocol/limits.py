"""How long a text may be."""

from __future__ import annotations

from airflow_green_notify.errors import GreenApiConfigError

MAX_MESSAGE = {"whatsapp": 20000, "telegram": 4096, "v3": 4000}
"""Characters of a message, by product (``typeInstance``)."""

SAFE_MESSAGE = min(MAX_MESSAGE.values())
"""Characters that every product takes."""

MAX_CAPTION = 1024
"""Characters of the text beside a file."""


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


def _checked_length(name: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise GreenApiConfigError(
            f"The {name} has {len(text)} characters; the gateway takes at most {limit}. Shorten it, or send "
            "the rest as a file."
        )
    return text
