"""The imitated methods about the account: how it is linked, and what is known of it."""

from __future__ import annotations

import base64
import secrets
import zlib

from aiohttp import web

from airflow_green_notify.emulator import arguments
from airflow_green_notify.emulator.account import STARTING, UNAUTHORIZED_STATES
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.forms import read_form
from airflow_green_notify.emulator.validation import invalid, text

LINKED = "instance account already authorized"
STATES_SHOWN = 100
LINK_CODE = "EMUL4T0R"


async def qr(call: Call) -> web.Response:
    """Answer the picture of a QR code, unless there is nothing to link."""
    state = call.instance.account.state
    if state in UNAUTHORIZED_STATES:
        return as_json({"type": "qrCode", "message": _picture()})
    kind, message = ("error", STARTING) if state == "starting" else ("alreadyLogged", LINKED)
    return as_json({"type": kind, "message": message})


async def logout(call: Call) -> web.Response:
    """Unlink the account; a notification tells of its new state."""
    call.instance.change_state("notAuthorized")
    return as_json({"isLogout": True})


async def get_wa_settings(call: Call) -> web.Response:
    """Answer what is known of the WhatsApp account; little while it isn't linked."""
    return as_json({"avatar": "", **_known(call), "deviceId": _own_number(call) and f"{_own_number(call)}:1"})


async def get_account_settings(call: Call) -> web.Response:
    """Answer what is known of the Telegram or MAX account; little while it isn't linked."""
    chat_id = call.instance.people.own_id if _own_number(call) else ""
    return as_json({"avatar": "", **_known(call), "chatId": chat_id})


async def get_status_instance(call: Call) -> web.Response:
    """Answer whether the account's device is connected."""
    online = call.instance.account.state in ("authorized", "yellowCard", "suspended")
    return as_json({"statusInstance": "online" if online else "offline"})


async def get_authorization_code(call: Call) -> web.Response:
    """Answer a code by which a phone can be linked."""
    arguments.phone(await call.json_object())
    return as_json({"status": True, "code": LINK_CODE})


async def start_authorization(call: Call) -> web.Response:
    """Take it that a code was sent to the phone."""
    arguments.phone(await call.json_object())
    return as_json({"status": True, "data": {"status": "success", "reason": ""}})


async def send_authorization_code(call: Call) -> web.Response:
    """Link the account by the code that was sent to the phone, whichever it is."""
    text(await call.json_object(), "code")
    call.instance.change_state("authorized")
    return as_json({"status": True, "data": {"status": "success", "reason": ""}})


async def send_authorization_password(call: Call) -> web.Response:
    """Link the account by its second factor, whichever it is."""
    text(await call.json_object(), "password")
    call.instance.change_state("authorized")
    return as_json({"status": True, "data": {"status": "success", "reason": ""}})


async def get_state_instance_history(call: Call) -> web.Response:
    """Answer the states that the instance has been in, newest first."""
    states = call.instance.states[::-1][: call.count(STATES_SHOWN)]
    wid = call.instance.account.settings["wid"]
    return as_json(
        [{"stateInstance": state, "timestamp": int(at), "phoneNumber": wid} for state, at in states]
    )


async def update_api_token(call: Call) -> web.Response:
    """Give the instance another token; the one before is refused from now on."""
    call.instance.api_token = secrets.token_hex(25)
    call.instance.queue.wake()  # polls that came with the one before end
    return as_json({"apiTokenInstance": call.instance.api_token})


async def set_profile_picture(call: Call) -> web.Response:
    """Give the account a picture."""
    _, file = await read_form(call)
    if file is None:
        raise invalid("'file' is required")
    url = call.instance.media.link(call.instance, file, None)
    return as_json({"reason": None, "urlAvatar": url, "setProfilePicture": True})


def _known(call: Call) -> dict[str, str]:
    return {"phone": _own_number(call), "stateInstance": call.instance.account.state}


def _own_number(call: Call) -> str:
    linked = call.instance.account.state not in (*UNAUTHORIZED_STATES, "blocked", "starting")
    return str(call.instance.account.settings["wid"]).removesuffix("@c.us") if linked else ""


def _picture() -> str:
    """A white picture of one dot, in the form in which the gateway sends QR codes."""
    parts = ((b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"), (b"IDAT", zlib.compress(b"\0\xff")), (b"IEND", b""))
    chunks = [
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in parts
    ]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode("ascii")
