"""The Python door to one emulated instance, usable from any thread."""

from __future__ import annotations

import mimetypes
from dataclasses import asdict
from itertools import islice
from typing import Any

from airflow_green_notify.emulator import checks
from airflow_green_notify.emulator.account import CONDITIONS, STATES
from airflow_green_notify.emulator.faults import MAX_SEED, Fault
from airflow_green_notify.emulator.media import MediaFile
from airflow_green_notify.emulator.methods import METHODS
from airflow_green_notify.emulator.readings import Readings
from airflow_green_notify.emulator.replies import ReplyRule
from airflow_green_notify.emulator.traffic import traffic

MAX_TRAFFIC = 1_000_000  # notifications
MAX_MEDIA = 1 << 30  # bytes
PUSHED_AT_ONCE = 250  # so that many of them don't hold up those who wait for an answer
MAX_STATUSES = 100
STATUSES = (
    "sent",
    "delivered",
    "read",
    "failed",
    "noAccount",
    "notInGroup",
    "yellowCard",
    "suspended",
    "noActiveSession",
    "",
)


class GatewayInstance(Readings):
    """One instance of an emulated gateway: fill it, script it, and read what happened.

    Every method may be called from any thread, also before the server runs and after it has stopped.
    """

    def push(self, *bodies: Any) -> int:
        """Append notifications to the queue.

        :param bodies: Bodies, or ``{"receiptId": …, "body": …}`` envelopes, whose receipt id is ignored.
        :return: How many they were.
        :raises ValueError: One of them is a list, or no JSON; none was appended.
        """
        wanted = [checks.notification(body) for body in bodies]
        raws = [checks.as_json(body) for body in wanted]
        starts = range(0, len(raws), PUSHED_AT_ONCE)
        pieces = [slice(start, start + PUSHED_AT_ONCE) for start in starts]
        return sum(self._on_loop(self._instance.push_raw, wanted[piece], raws[piece]) for piece in pieces)

    def push_traffic(self, seed: int = 0, n: int = 100) -> int:
        """Append that much realistic traffic, see :func:`traffic`."""
        checks.whole("seed", seed, -MAX_SEED, MAX_SEED)
        checks.whole("n", n, 0, MAX_TRAFFIC)
        bodies = traffic(seed, n, id_instance=int(self.id_instance), type_instance=self.type_instance)
        pushed = 0
        while piece := tuple(islice(bodies, PUSHED_AT_ONCE)):
            pushed += self.push(*piece)
        return pushed

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
        rule = ReplyRule(
            checks.pattern("pattern", pattern),
            checks.text("text", text),
            checks.number("delay", delay),
            _chat_id("chat_id", chat_id),
            checks.flag("quoted", quoted),
            _chat_id("sender", sender),
        )
        self._on_loop(self._instance.outbox.replies.rules.append, rule)

    def deliver_as(self, *statuses: str, chat_id: str | None = None, description: str = "") -> None:
        """Choose the statuses that messages go through from now on.

        :param statuses: Such as ``sent, delivered, read`` (the default), ``noAccount`` or ``failed``. They
            enter the queue if the setting ``outgoingWebhook`` is on; the last two do in any case.
        :param chat_id: Only messages to this chat; ``None``: all for which nothing else was chosen. A chat
            whose messages become ``noAccount`` doesn't exist for ``checkWhatsapp`` either.
        :param description: The reason that the last of them gives, such as that of a ``failed``.
        """
        checks.whole("the number of statuses", len(statuses), 0, MAX_STATUSES)
        for status in statuses:
            checks.one_of("a status", status, STATUSES)
        _chat_id("chat_id", chat_id)
        checks.text("description", description)
        self._on_loop(self._instance.deliver_as, statuses, chat_id, description)

    def media(self, name: str, size: int, expires_after: float | None = None) -> str:
        """Make a file that can be downloaded from the gateway, as from the vendor's storage.

        :param name: The file's name. Name and size decide on the content, see :func:`media_content`.
        :param size: Bytes.
        :param expires_after: Seconds until the link expires; ``None``: 15 days, on Telegram 24 hours.
        :return: Its URL.
        """
        return self._on_loop(self._media, _media_file(name, size), _life(expires_after))

    def media_message(
        self,
        name: str,
        size: int,
        *,
        chat_id: str | None = None,
        expires_after: float | None = None,
        caption: str = "",
        mime_type: str | None = None,
    ) -> dict[str, Any]:
        """Push the notification of a message with a file; ``downloadFile`` gives fresh links to it.

        :param name: The file's name; its ending decides on the type of the message.
        :param size: Bytes.
        :param chat_id: The chat it comes from; by default one with a person, in the form of the product.
        :param expires_after: Seconds until the link in it expires; ``None``: as in :meth:`media`.
        :param caption: The text beside the file.
        :param mime_type: By default what the name suggests.
        :return: The body that was pushed.
        """
        file = _media_file(name, size)
        _chat_id("chat_id", chat_id)
        checks.text("caption", caption)
        checks.optional(checks.text, "mime_type", mime_type, checks.MAX_NAME)
        mime_type = mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        url = self._on_loop(self._media, file, _life(expires_after))
        return self._on_loop(self._instance.file_message, file, url, chat_id, caption, mime_type)

    def media_sha256(self, url: str) -> str:
        """The SHA-256 of the file behind a URL of this gateway, generated or uploaded, in hex.

        :raises LookupError: The gateway gave out no such URL.
        """
        file = self._on_loop(self._instance.media.find, checks.text("url", url))
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
        checks.one_of("value", value, (*STATES, *CONDITIONS))
        self._on_loop(self._instance.set_state, value)

    def restart_receipts(self) -> None:
        """Let receipt ids begin at 1 again; those handed out before mean nothing any more."""
        self._on_loop(self._instance.queue.restart_receipts)

    def advance(self, seconds: float) -> None:
        """Move the clock of the whole gateway forward: retention, delays and links age by it."""
        self._on_loop(self._instance.clock.advance, checks.number("seconds", seconds))

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
        if method is not None and checks.text("method", method).lower() not in METHODS:
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


def _chat_id(name: str, value: Any) -> str | None:
    """A chat or a person, or ``None``: any."""
    return None if value is None else checks.text(name, value, checks.MAX_NAME, 1)


def _media_file(name: Any, size: Any) -> MediaFile:
    return MediaFile(checks.text("name", name, checks.MAX_NAME, 1), checks.whole("size", size, 0, MAX_MEDIA))


def _life(expires_after: Any) -> float | None:
    return None if expires_after is None else checks.number("expires_after", expires_after)
