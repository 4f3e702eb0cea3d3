"""What can be read of one emulated instance, from any thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from airflow_green_notify.emulator.instance import Instance
from airflow_green_notify.emulator.notification_queue import QueuedNotification
from airflow_green_notify.emulator.on_loop import P, R, Server, run_on_loop


class Readings:
    """Who the instance is, and what happened in it.

    :param server: The emulator it lives in.
    :param instance: What the gateway knows of it.
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

    def audit(self) -> list[dict[str, Any]]:
        """Tell what became of everything that was ever pushed, in push order.

        :return: Per notification ``number``, ``body``, ``pushed_at``, ``deliveries`` (how often it was handed
            out), ``deleted_at``, ``deletions`` (how often a delete hit it, or its push was confirmed),
            ``expired_at``, ``cleared_at``; a time that never came is ``None``.
        """
        return [item.as_dict() for item in self._pushed()]

    def queue(self) -> list[Any]:
        """The bodies that still wait, the head first."""
        return [json.loads(raw) for raw in self._waiting()]

    def requests(self) -> list[dict[str, Any]]:
        """The last 200,000 requests in the order of their arrival.

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

    def _pushed(self) -> list[QueuedNotification]:
        return self._on_loop(lambda: list(self._instance.queue.audit()))

    def _waiting(self) -> list[bytes]:
        return self._on_loop(self._instance.queue.bodies)

    def _on_loop(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return run_on_loop(self._server, function, *args, **kwargs)


def audit_json(readings: Readings) -> Iterable[bytes]:
    """The items of the audit as JSON, each made when it is taken."""
    return (item.as_json() for item in readings._pushed())


def queue_json(readings: Readings) -> Iterable[bytes]:
    """What waits, as JSON."""
    return readings._waiting()
