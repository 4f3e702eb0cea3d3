"""The voice call that an instance may be in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_green_notify.emulator.account import Account
from airflow_green_notify.emulator.people import People

SETTINGS = {"incomingCall": "incomingCallWebhook", "outgoingCall": "outgoingCallWebhook"}
STATES = {"offer": "inc-call", "pickUp": "on-call"}  # any other status ends the call

Body = dict[str, Any]


class VoiceCalls:
    """The call that goes on, if any: begun by ``callsDial`` or by a pushed ``offer``."""

    def __init__(self, account: Account, people: People, push: Callable[[Iterable[Any]], int]) -> None:
        self._account = account
        self._people = people
        self._push = push
        self._watchers: set[asyncio.Event] = set()
        self._state = "idle"
        self.reason = ""
        self._kind = ""
        self._chat_id = ""
        self._id = ""

    @property
    def state(self) -> str:
        """``idle``, ``inc-call``, ``out-call`` or ``on-call``."""
        return self._state

    @state.setter
    def state(self, value: str) -> None:
        self._state = value
        for watcher in self._watchers:
            watcher.set()

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """An event that is set after each change of the state."""
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def note(self, body: Any) -> None:
        """Follow a call that a notification tells of."""
        if isinstance(body, dict) and body.get("typeWebhook") == "incomingCall":
            status, caller, id_message = (body.get(name) for name in ("status", "from", "idMessage"))
            if isinstance(status, str) and isinstance(caller, str) and isinstance(id_message, str):
                self._kind, self._chat_id, self._id = "incomingCall", caller, id_message
                self.state = STATES.get(status, "idle")

    def dial(self, chat_id: str, id_message: str) -> None:
        """Call somebody; nobody picks up by himself."""
        self._kind, self._chat_id, self._id = "outgoingCall", self._people.add(chat_id).chat_id, id_message
        self.reason, self.state = "", "out-call"

    def accept(self) -> None:
        """Take the call that comes in."""
        if self.state == "inc-call":
            self.state = "on-call"
            self._tell("pickUp")

    def end(self, status: str) -> None:
        """End the call that there is, if any; what goes out and wasn't taken was hung up."""
        if self.state == "idle":
            return
        status = "hungUp" if self.state == "out-call" else status
        self.reason, self.state = status, "idle"
        self._tell(status)

    def as_dict(self) -> Body:
        """What ``callsState`` answers."""
        if self.state == "idle":
            return {"state": "idle"} | ({"reason": self.reason} if self.reason else {})
        person = self._people.add(self._chat_id)
        info = {"id": self._id, "wid": self._people.shown(self._chat_id), "name": person.name}
        return {"state": self.state, "info": info}

    def _tell(self, status: str) -> None:
        if not self._account.enabled(SETTINGS[self._kind]):
            return
        shown = self._people.shown(self._chat_id)
        body = {
            "from": self._people.own_id if self._kind == "outgoingCall" else shown,
            "typeWebhook": self._kind,
            "instanceData": self._account.instance_data,
            "status": status,
            "timestamp": int(self._account.told_time()),
            "idMessage": self._id,
        }
        if self._kind == "outgoingCall":
            body |= {"isVideo": False, "duration": 0, "participants": [{"wid": shown, "status": status}]}
        self._push([body])
