"""Methods that answer what the vendor's pages show, and keep nothing: one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.refusals import Rejection

STUN = [{"urls": "stun:127.0.0.1:3478"}]
DEVICE = {
    "platform": "android",
    "deviceManufacturer": "emulated",
    "deviceModel": "emulated",
    "osVersion": "14",
    "waVersion": "2.26.1.1",
    "battery": 100,
}


@dataclass(frozen=True)
class Documented:
    """A method, its verb, the status it answers with, and the answer; a text is that of an error."""

    name: str
    verb: str
    status: int
    answer: Any

    async def __call__(self, call: Call) -> web.Response:
        """Answer."""
        if self.status != 200:
            raise Rejection(self.status, self.answer)
        return as_json(self.answer)


DOCUMENTED = (
    Documented("getDeviceInfo", "GET", 200, DEVICE),
    Documented("callsGetIceServers", "GET", 200, STUN),
    Documented("sendButtons", "POST", 403, "Forbidden"),  # these three: "temporarily not working"
    Documented("sendTemplateButtons", "POST", 403, "Forbidden"),
    Documented("sendListMessage", "POST", 403, "Forbidden"),
)
