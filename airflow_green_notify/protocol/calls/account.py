"""The instance: its state, its settings, its sign-in."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.call import Call


def get_state_instance() -> Call[str]:
    """Return the state: ``authorized``, ``notAuthorized``, ``starting``, ``blocked``, ….

    .. seealso:: https://green-api.com/en/docs/api/account/GetStateInstance/
    """
    return Call("getStateInstance", "GET", results.text("stateInstance"))


def get_settings() -> Call[dict[str, Any]]:
    """Return the settings; switches are the strings ``"yes"`` and ``"no"``.

    .. seealso:: https://green-api.com/en/docs/api/account/GetSettings/
    """
    return Call("getSettings", "GET", results.object_)


def set_settings(**settings: Any) -> Call[bool]:
    """Change settings. This restarts the instance, and takes effect within 5 minutes.

    :param settings: The gateway's names, such as ``incomingWebhook="yes"``.
    :return: Whether the gateway saved them.

    .. seealso:: https://green-api.com/en/docs/api/account/SetSettings/
    """
    return Call("setSettings", "POST", results.flag("saveSettings"), payload=settings)


def reboot() -> Call[bool]:
    """Restart the instance, which takes up to 5 minutes. Never repeated on its own.

    :return: Whether it restarts.

    .. seealso:: https://green-api.com/en/docs/api/account/Reboot/
    """
    return Call("reboot", "GET", results.flag("isReboot"), idempotent=False)


def logout() -> Call[bool]:
    """Sign the instance out of its messenger account. Somebody has to sign it in again by hand.

    Never repeated on its own.

    :return: Whether it is signed out.

    .. seealso:: https://green-api.com/en/docs/api/account/Logout/
    """
    return Call("logout", "GET", results.flag("isLogout"), idempotent=False)


def qr() -> Call[dict[str, Any]]:
    """Return the QR code that signs the instance in; it changes every 20 seconds.

    Whoever scans it with a phone hands that phone's account to the instance.

    :return: ``type`` and ``message``: ``qrCode`` with the picture (PNG, base64), ``alreadyLogged`` or
        ``error`` with the reason.

    .. seealso:: https://green-api.com/en/docs/api/account/QR/
    """
    return Call("qr", "GET", results.object_with("type", str), hold=15.0)
