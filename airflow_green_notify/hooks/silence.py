"""Since when no message came in, and whether that is unusual for an instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_green_notify.body import moment_of
from airflow_green_notify.progress import span

if TYPE_CHECKING:
    from airflow_green_notify.hooks.green_api import GreenApiHook

RECENT_MINUTES = 60
"""A silence that is shorter is none."""

USUAL_MINUTES = 7 * 24 * 60
"""How far the journal is read to learn what is usual: nights and a weekend are in it."""

FEWEST_MESSAGES = 20
"""Of fewer messages, nobody can tell what is usual."""

UNUSUALLY_LONGER = 1.5
"""A silence is unusual if it lasts so many times the longest one that ended."""

REMEDY = (
    "write to the instance from a phone; if that doesn't arrive either, reboot it, in the console or with "
    "the hook's reboot(), and see whether incomingWebhook is on"
)


class Silence(NamedTuple):
    """How long it has been quiet, and how long it was at most before. All in seconds.

    :param lasts: Since the last message that came in; at least so long if none was found.
    :param longest: The longest time between two messages; ``None`` if there were too few of them to tell.
    """

    lasts: float
    longest: float | None

    @property
    def is_unusual(self) -> bool:
        """Whether it lasts longer than is usual."""
        if self.longest is None:
            return False
        return self.lasts > max(RECENT_MINUTES * 60, self.longest * UNUSUALLY_LONGER)

    def __str__(self) -> str:
        """Return it in words."""
        lasts = f"no message has come in for {span(self.lasts)}"
        if self.longest is None:
            return f"{lasts}; too few came before to tell whether that is unusual"
        return f"{lasts}; the longest time between two was {span(self.longest)}"


def read_silence(entries: Iterable[Mapping[str, Any]], minutes: int, now: datetime) -> Silence:
    """Read from a journal of incoming messages how long it has been quiet.

    :param minutes: How far back the journal goes.
    :param now: What time it is at the gateway.
    """
    moments = (moment_of(entry.get("timestamp")) for entry in entries)
    times = [moment.timestamp() for moment in moments if moment is not None]
    if not times:
        return Silence(minutes * 60, None)
    times.sort()
    longest = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
    lasts = max(0.0, now.timestamp() - times[-1])
    return Silence(lasts, longest if len(times) >= FEWEST_MESSAGES else None)


def silence_of(hook: GreenApiHook, minutes: int = USUAL_MINUTES) -> Silence:
    """Look how long no message has come in; where one just came, at little cost.

    :param minutes: How far to look back where it has been quiet for an hour.
    :raises GreenApiError: The journal can't be read.
    """
    for span_of_look in (RECENT_MINUTES, max(minutes, USUAL_MINUTES)):
        entries = hook.last_incoming_messages(span_of_look)
        silence = read_silence(entries, span_of_look, _now(hook))
        if entries:
            break
    return silence


def recent_silence_of(hook: GreenApiHook) -> Silence:
    """Look once whether a message came in within the last hour; nobody can tell by that what is usual.

    :raises GreenApiError: The journal can't be read.
    """
    return read_silence(hook.last_incoming_messages(RECENT_MINUTES), RECENT_MINUTES, _now(hook))


async def asilence_of(hook: GreenApiHook) -> Silence:
    """Async twin of :func:`silence_of`."""
    for span_of_look in (RECENT_MINUTES, USUAL_MINUTES):
        entries = await hook.alast_incoming_messages(span_of_look)
        silence = read_silence(entries, span_of_look, _now(hook))
        if entries:
            break
    return silence


def _now(hook: GreenApiHook) -> datetime:
    return hook.gateway_time() or datetime.now(UTC)
