"""The switches of an instance: in which of the gateway's known ways it behaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_green_notify.emulator import checks

CHOICES: dict[str, tuple[str, ...]] = {
    "idle": ("null", "empty"),
    "missing_receipt": ("false", "500"),
    "redelivery": ("head", "split"),
    "receipt_id": ("stable", "new"),
    "receipt_counter": ("continues", "restarts_when_empty"),
    "expired_link": ("403", "404"),
    "unauthorized_sends": ("queue", "refuse"),
    "contact_ids": ("c.us", "lid", "changes midway"),
}

MAX_COUNT = 1_000_000
REALISTIC: dict[str, Any] = {
    "settings_delay": 300.0,
    "webhook_grace": 60.0,
    "count_refresh": 10.0,
    "send_delay": 0.5,
}
"""The delays of the real gateway, as documented; an instance has none unless asked to."""
LOWEST = {"clock_offset": -float(checks.MAX_SECONDS)}  # where it isn't 0


@dataclass
class Switches:
    """How one instance of the emulated gateway behaves.

    :param idle: The answer when nothing came within ``receiveTimeout``: ``"null"`` (a body of four bytes)
        or ``"empty"`` (a body of zero bytes). Both are seen on the real gateway.
    :param missing_receipt: The answer to deleting what isn't there: ``"false"`` (HTTP 200 with
        ``result: false``) or ``"500"`` (the text with ``findUnAckedMessage``). Both are documented.
    :param redelivery: ``"head"``: the oldest notification is shown until it is deleted. ``"split"``: what
        was handed out is hidden from every receive for ``redelivery_after`` seconds.
    :param redelivery_after: Seconds, for ``"split"``.
    :param receipt_id: ``"stable"``: a notification keeps its receipt id when it is shown again. ``"new"``:
        each delivery has a new one, and the older ones can't delete it any more.
    :param receipt_counter: ``"restarts_when_empty"``: when nothing waits any more, all receipt ids are
        forgotten and the next one is 1. ``"continues"``: they count on.
    :param other_consumer_peeks: Somebody else looks at each new head before anyone can ask for it, and so is
        handed a receipt id for it.
    :param instant_empty: Empty answers come at once, whatever ``receiveTimeout`` says. So they do anyway
        when every notification setting is ``"no"``.
    :param round_trip: Seconds added to each exchange, half before its effect and half after it.
    :param rate_limits: Whether the documented requests per second are enforced with 429.
    :param settings_delay: Seconds until ``setSettings`` takes effect and ``reboot`` is over. Until then the
        instance answers that it is starting.
    :param webhook_grace: Seconds for which receiving is still refused after ``webhookUrl`` was cleared.
    :param count_refresh: Seconds for which ``getWebhooksCount`` repeats the same figure; the real gateway
        refreshes it every 10 s.
    :param count_wrong_zero: ``getWebhooksCount`` answers 0, whatever waits.
    :param journal_lag: Seconds until a message appears in the journals.
    :param send_delay: Seconds that each message spends in the send queue before the next. It takes the
        place of the setting ``delaySendMessagesMilliseconds``, which the emulator only reports.
    :param quota_chats: How many chats may be written to before 466, as on the free plan; ``None``: no limit.
    :param unauthorized_sends: ``"queue"``: what is sent while the instance isn't authorized waits in the
        send queue. ``"refuse"``: it is answered with 400.
    :param expired_link: The status that an expired link to a file answers with.
    :param clock_offset: Seconds by which the gateway's clock is ahead of this machine's: in the ``Date``
        header of its answers, and in the timestamps that it writes into notifications.
    :param status_delay: Seconds between the statuses of a sent message, from the second one on.
    :param contact_ids: How persons appear on WhatsApp: ``"c.us"`` by phone number, ``"lid"`` by LID, however
        they were written to. ``"changes midway"``: by phone number for the first
        ``contact_ids_change_after`` messages of the instance, sent and received, then by LID. What is
        pushed enters the queue as it is; the journals show it as of the time they are read.
    :param contact_ids_change_after: Messages, for ``"changes midway"``.
    :param quota_checks: How many numbers may be checked before ``checkWhatsapp`` answers 466; ``None``: no
        limit.
    """

    idle: str = "null"
    missing_receipt: str = "false"
    redelivery: str = "head"
    redelivery_after: float = 2.0
    receipt_id: str = "stable"
    receipt_counter: str = "continues"
    other_consumer_peeks: bool = False
    instant_empty: bool = False
    round_trip: float = 0.0
    rate_limits: bool = True
    settings_delay: float = 0.0
    webhook_grace: float = 0.0
    count_refresh: float = 0.0
    count_wrong_zero: bool = False
    journal_lag: float = 0.0
    send_delay: float = 0.0
    quota_chats: int | None = None
    unauthorized_sends: str = "queue"
    expired_link: str = "403"
    clock_offset: float = 0.0
    status_delay: float = 0.0
    contact_ids: str = "c.us"
    contact_ids_change_after: int = 1
    quota_checks: int | None = None

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuse a value that isn't one of the choices, of the wrong type or out of bounds."""
        for switch in fields(self):
            value = getattr(self, switch.name)
            if switch.name in CHOICES:
                checks.one_of(switch.name, value, CHOICES[switch.name])
            elif switch.type == "float":
                checks.number(switch.name, value, LOWEST.get(switch.name, 0.0))
            elif switch.type == "bool":
                checks.flag(switch.name, value)
            elif value is not None or switch.type == "int":
                checks.whole(switch.name, value, 0, MAX_COUNT)

    def change(self, **changes: Any) -> None:
        """Set some of the switches, or none at all if one is unknown or has an impossible value."""
        changed = Switches(**{**asdict(self), **changes})
        vars(self).update(vars(changed))
