"""What must not be sent: the connection's own token, and whatever Airflow masks in logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.log import redact as masked  # type: ignore[attr-defined]

from airflow_green_notify.protocol.redaction import redact, reveals

if TYPE_CHECKING:
    from airflow_green_notify.hooks.connection import InstanceConfig


def leak_in(config: InstanceConfig, **arguments: Any) -> str | None:
    """Return why these arguments must not be sent, and ``None`` if they may.

    The answer names the argument, never its value. Raise with it where neither a text nor a token is in
    reach: tools that report errors keep the locals of every frame.
    """
    for name, value in arguments.items():
        text = "" if value is None else str(value)
        if reveals(text, config.api_token):
            return _refusal(name, "the token (apiTokenInstance) of its own connection, or a part of it")
        if masked(text) != text:
            return _refusal(
                name,
                "a value that Airflow masks in logs (a connection's password, a variable or setting with a "
                "name like that, or what mask_secret() was given)",
            )
    return None


def _refusal(name: str, what: str) -> str:
    return (
        f"{name} holds {what}, so it was not sent. Take it out. If a text from outside brought it here, that "
        "text was rendered as a template on its way."
    )


def without_secrets(config: InstanceConfig, text: str) -> str:
    """Return a text with ``***`` for the token, and for whatever Airflow masks."""
    return str(masked(redact(text, config.api_token)))
