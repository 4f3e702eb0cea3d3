"""The Python door to one emulated instance, usable from any thread."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from airflow_green_notify.emulator.faults import Fault
from airflow_green_notify.emulator.instance import Instance
from airflow_green_notify.emulator.media import MediaFile
from airflow_green_notify.emulator.methods import METHODS
from airflow_green_notify.emulator.traffic import traffic

P = ParamSpec("P")
R = TypeVar("R")


class Server(Protocol):
    """What an instance needs to know of the emulator it lives in.

    The gate is held while ``loop`` changes, and while something runs that found no loop.
    """

    gate: threading.RLock
    loop: asyncio.AbstractEventLoop | None

    @property
    def url(self) -> str:
        """Where the gateway answers."""


class GatewayInstance:
    """One instance of an emulated gateway: fill it, script it, and read what happened.

    Every method may be called from any thread, also before the server runs and after it has stopped.
    """

    def __init__(self, server: Server, instance: Instance) -> None:
        self._server = server
        self._instance = instance

    @property
    def id_instance(self) -> str:
        """The instance's id: digits."""
        return self._instance.id_instance

    @property
    def api_token(self) -> str:
        """The instance's token: random, of this instance alone."""
        return self._instance.api_token

    @property
    def type_instance(self) -> str:
        """The product: ``whatsapp``, ``telegram`` or ``v3`` (MAX)."""
        return self._instance.type_instance

    @property
    def connection(self) -> str:
        """The Airflow connection to this instance, as JSON for an ``AIRFLOW_CONN_…`` variable."""
        url = self._server.url
        connection = {
            "conn_type": "greenapi",
            "host": url,
            "login": self.id_instance,
            "password": self.api_token,
            "port": int(url.rpartition(":")[2]),
            "extra": {"media_url": url},
        }
        return json.dumps(connection)

    def push(self, *bodies: Any) -> int:
        """Append notifications to the queue.

        :param bodies: Bodies, or ``{"receiptId": …, "body": …}`` envelopes, whose receipt id is ignored.
        :return: How many they were.
        """
        return self._on_loop(self._instance.push, [_unwrapped(body) for body in bodies])

    def push_traffic(self, seed: int = 0, n: int = 100) -> int:
        """Append that much realistic traffic, see :func:`traffic`."""
        return self.push(*traffic(seed, n, id_instance=int(self.id_instance)))

    def audit(self) -> list[dict[str, Any]]:
        """Tell what became of everything that was ever pushed, in push order.

        :return: Per notification ``number``, ``body``, ``pushed_at``, ``deliveries`` (how often it was handed
            out), ``deleted_at``, ``deletions`` (how often a delete hit it), ``expired_at``, ``cleared_at``;
            a time that never came is ``None``.
        """
        return [item.as_dict() for item in self._on_loop(lambda: list(self._instance.queue.audit()))]

    def queue(self) -> list[Any]:
        """The bodies that still wait, the head first."""
        return [json.loads(raw) for raw in self._on_loop(self._instance.queue.bodies)]

    def requests(self) -> list[dict[str, Any]]:
        """The last 1,000,000 requests in the order of their arrival.

        :return: Per request ``method``, ``verb``, ``at`` (UNIX time of its arrival), ``status`` (``None`` if
            it got no answer, or not yet), ``fault`` (the kind of fault that struck it, or ``None``).
        """
        return [dict(record) for record in self._on_loop(lambda: list(self._instance.requests))]

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._on_loop(self._instance.requests.clear)

    def sent(self) -> list[dict[str, Any]]:
        """Tell what the send methods took in, in their order.

        :return: Per message ``idMessage``, ``chatId``, ``method``, ``message`` or the file's ``urlFile``,
            ``fileName``, ``caption``, ``mimeType`` and, where known, ``size`` and ``sha256``,
            ``quotedMessageId``, ``at`` (when it was taken in), ``delivered_at`` (when it left the send
            queue), ``cleared_at``, ``status``; what isn't there is ``None``.
        """
        return [message.as_dict() for message in self._on_loop(lambda: list(self._instance.outbox.messages))]

    def chats(self) -> list[dict[str, Any]]:
        """Tell of the persons and groups that the instance knows.

        :return: Per chat ``chatId`` (by phone number, however it is shown), ``name``, ``contactName``,
            ``archived``, ``readUntil`` (the id of the message up to which it was read, or ``None``),
            ``ephemeralExpiration``.
        """
        return self._on_loop(self._instance.chats.as_dicts)

    def reply(
        self,
        pattern: str,
        text: str,
        delay: float = 0.0,
        chat_id: str | None = None,
        quoted: bool = True,
        sender: str | None = None,
    ) -> None:
        """Let messages be answered from now on, as in a Dag that asks for an approval.

        :param pattern: A regular expression; a message or caption in which it is found gets the answer.
        :param text: The answer: an incoming notification from the chat that was written to. In answer to a
            poll, the name of an option, or of several with ", " between them, is a vote.
        :param delay: Seconds between the message and the answer.
        :param chat_id: Only this chat answers; ``None``: each does.
        :param quoted: Whether the answer quotes the message.
        :param sender: Who answers in a group; ``None``: one and the same member.
        """
        self._on_loop(self._instance.reply, pattern, text, delay, chat_id, quoted, sender)

    def deliver_as(self, *statuses: str, chat_id: str | None = None, description: str = "") -> None:
        """Choose the statuses that messages go through from now on.

        :param statuses: Such as ``sent, delivered, read`` (the default), ``noAccount`` or ``failed``. They
            enter the queue if the setting ``outgoingWebhook`` is on; the last two do in any case.
        :param chat_id: Only messages to this chat; ``None``: all for which nothing else was chosen. A chat
            whose messages become ``noAccount`` doesn't exist for ``checkWhatsapp`` either.
        :param description: The reason that the last of them gives, such as that of a ``failed``.
        """
        self._on_loop(self._instance.deliver_as, statuses, chat_id, description)

    def media(self, name: str, size: int, expires_after: float | None = None) -> str:
        """Make a file that can be downloaded from the gateway, as from the vendor's storage.

        :param name: The file's name. Name and size decide on the content, see :func:`media_content`.
        :param size: Bytes.
        :param expires_after: Seconds until the link expires; ``None``: never.
        :return: Its URL.
        """
        return self._on_loop(self._media, MediaFile(name, size), expires_after)

    def media_message(
        self,
        name: str,
        size: int,
        *,
        chat_id: str = "12025550101@c.us",
        expires_after: float | None = None,
        caption: str = "",
        mime_type: str | None = None,
    ) -> dict[str, Any]:
        """Push the notification of a message with a file; ``downloadFile`` gives fresh links to it.

        :param name: The file's name; its ending decides on the type of the message.
        :param size: Bytes.
        :param chat_id: The chat it comes from.
        :param expires_after: Seconds until the link in the notification expires; ``None``: never.
        :param caption: The text beside the file.
        :param mime_type: By default what the name suggests.
        :return: The body that was pushed.
        """
        file = MediaFile(name, size)
        mime_type = mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        url = self._on_loop(self._media, file, expires_after)
        return self._on_loop(self._instance.file_message, file, url, chat_id, caption, mime_type)

    def media_sha256(self, url: str) -> str:
        """The SHA-256 of the file behind a URL of this gateway, generated or uploaded, in hex.

        :raises LookupError: The gateway gave out no such URL.
        """
        file = self._on_loop(self._instance.media.find, url)
        if file is None:
            raise LookupError(f"no file at {url}")
        return file.sha256

    def switch(self, **changes: Any) -> dict[str, Any]:
        """Change switches while the gateway runs.

        :param changes: Names and values as in :class:`Switches`.
        :return: All switches.
        """
        return self._on_loop(self._switch, changes)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings of the instance, effective at once.

        :param changes: Names and values as the gateway has them.
        :return: All settings.
        """
        return self._on_loop(self._settings, changes)

    def state(self, value: str) -> None:
        """Set the state of the instance.

        :param value: ``authorized``, ``notAuthorized``, ``starting``, ``blocked``, ``suspended``,
            ``yellowCard``, …, or the conditions of the account ``expired`` and ``deleted``. No notification
            is made of it; push one if the queue shall tell of it.
        """
        self._on_loop(self._instance.set_state, value)

    def restart_receipts(self) -> None:
        """Let receipt ids begin at 1 again; those handed out before mean nothing any more."""
        self._on_loop(self._instance.queue.restart_receipts)

    def advance(self, seconds: float) -> None:
        """Move the clock of the whole gateway forward: retention, delays and links age by it."""
        self._on_loop(self._instance.clock.advance, seconds)

    def fault(
        self, kind: str, *, method: str | None = None, times: int | None = 1, after: int = 0, **details: Any
    ) -> None:
        """Script a fault for coming requests.

        :param kind: What goes wrong; the kinds are listed in :mod:`airflow_green_notify.emulator.faults`.
        :param method: Only requests of this gateway method; ``None``: any of the imitated ones.
        :param times: How many requests it strikes; ``None``: all.
        :param after: How many requests it lets pass first.
        :param details: What the kind takes, such as ``status=``, ``body=``, ``headers=``, ``seconds=``.
        """
        if method is not None and method.lower() not in METHODS:
            raise ValueError(f"not an imitated method: {method}")
        self._on_loop(self._instance.faults.add, Fault(kind, method, times, after, details))

    def clear_faults(self) -> None:
        """Let nothing fail any more."""
        self._on_loop(self._instance.faults.clear)

    def faults_at_random(self, seed: int, probabilities: dict[str, float]) -> None:
        """Let every request fail by chance, repeatably, until :meth:`clear_faults`.

        :param seed: Which sequence of chances.
        :param probabilities: From the kind of fault to its probability, such as ``{"cut_after": 0.02}``.
        """
        self._on_loop(self._instance.faults.at_random, seed, probabilities)

    def _switch(self, changes: dict[str, Any]) -> dict[str, Any]:
        self._instance.switches.change(**changes)
        self._instance.queue.wake()
        return asdict(self._instance.switches)

    def _media(self, file: MediaFile, expires_after: float | None) -> str:
        return self._instance.media.link(self._instance, file, expires_after)

    def _settings(self, changes: dict[str, Any]) -> dict[str, Any]:
        self._instance.account.change(changes)
        return dict(self._instance.account.settings)

    def _on_loop(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function where the state of the gateway lives: in its event loop, if that runs."""
        call = partial(function, *args, **kwargs)
        running = _running_loop()
        if running is not None and running is self._server.loop:
            return call()
        with self._server.gate:
            if self._server.loop is None:
                return call()
            answer: Future[R] = Future()
            self._server.loop.call_soon_threadsafe(_settle, answer, call)
        return answer.result()


def _settle(answer: Future[R], call: Callable[[], R]) -> None:
    try:
        answer.set_result(call())
    except Exception as error:
        answer.set_exception(error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _unwrapped(body: Any) -> Any:
    is_envelope = isinstance(body, dict) and body.keys() == {"receiptId", "body"}
    return body["body"] if is_envelope else body
