"""What the page shows: figures of the stores and looks at the gateway, put together for one user."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.looks import COUNT_FAULTS
from airflow_green_notify.page import access, looking
from airflow_green_notify.page.figures import OFTEN, Figures, StoreReader
from airflow_green_notify.page.instances import InstanceView, in_order, instance_view, known_instances
from airflow_green_notify.page.kept import Kept, Threads
from airflow_green_notify.page.places import OPTION, SECTION, Place, configured
from airflow_green_notify.page.stores import StoreView, store_view, unread
from airflow_green_notify.page.wording import moment, words

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager

T = TypeVar("T")

PATIENCE = 0.15
"""Seconds for which a user waits for the newest; what isn't there by then comes with the next answer."""

_SECOND = 1.0
_OLDEST = timedelta(seconds=15)
"""What is older is not given; the next one is waited for, however long that takes."""

_AT_MOST = 30.0
_MOST_ANSWERS = 100
_RENDERERS = 4
"""Threads that make answers."""

NO_STORES = (
    f"No store is named, so the page knows nothing of drains, consumers and dead letters. Set [{SECTION}] "
    f"{OPTION} (or AIRFLOW__{SECTION.upper()}__{OPTION.upper()}) where the API server runs, for example to "
    '"warehouse" (the connection of a SqlStore), "warehouse:other_table" or "s3://conn_id@bucket/folder", '
    "with commas between several, and restart it."
)
NO_LOOKS = (
    "The page itself does not look at the gateway, since [core] test_connection is not Enabled: it shows "
    "what drains, watchers and tasks of check_instance reported. Set it to Enabled only if all who may edit "
    "connections may also let the API server connect to any address."
)


@dataclass(frozen=True)
class Page:
    """All that is shown.

    :param notices: What is switched off or not set, in words.
    :param is_complete: Whether nothing is being read or looked at for the first time.
    """

    at: str
    summary: str
    notices: Sequence[str]
    instances: Sequence[InstanceView]
    stores: Sequence[StoreView]
    count_faults: str
    is_complete: bool


class Rights(NamedTuple):
    """What a user may read.

    :param listed: Of the connections that Airflow lists.
    :param readable: Those, and of the ones that only stores tell of.
    :param asked: All that the auth manager was asked about.
    """

    listed: frozenset[str]
    readable: frozenset[str]
    asked: frozenset[str]


class Gathering:
    """Has stores read and instances looked at, for all users of this process at once.

    Users with the same rights get the same answer, which is made once a second at most.

    :param render: Makes the answer.
    """

    def __init__(self, render: Callable[[Page], str]) -> None:
        self._render = render
        self._rendering = Threads(_RENDERERS)
        self._connections = Kept(access.connections, OFTEN, self._rendering, rest=0.0)
        self._looks = looking.Looks()
        self._readers: dict[str, StoreReader] = {}
        self._answers: dict[Rights, Kept[str]] = {}

    def answer(self, manager: BaseAuthManager[Any], user: Any) -> str:
        """Return what a user may see, soon: what isn't there yet is said to be under way."""
        listed = _recent(self._connections)
        told: set[str] = set().union(
            *(reader.figures(0.0).conn_ids() for reader in [*self._readers.values()])
        )
        teams = dict.fromkeys(told) | listed
        readable = frozenset(access.readable(manager, user, teams))
        return _recent(self._kept(Rights(readable & frozenset(listed), readable, frozenset(teams))))

    def _kept(self, rights: Rights) -> Kept[str]:
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.clear()
        if rights not in self._answers:

            def make() -> str:
                answer = self._render(self.page(rights))
                self._begin(rights.listed)
                return answer

            self._answers[rights] = Kept(make, _SECOND, self._rendering, rest=0.0)
        return self._answers[rights]

    def _begin(self, listed: Collection[str]) -> None:
        """Begin to read and to look, now that the answer is made: what takes long would slow that down."""
        if looking.are_allowed():
            self._looks.ask(listed)
        for reader in list(self._readers.values()):
            reader.begin()

    def page(self, rights: Rights) -> Page:
        """Return what users with these rights see."""
        until = time.monotonic() + PATIENCE / 2
        looks_are_on = looking.are_allowed()
        looks = self._looks.seen(rights.listed) if looks_are_on else {}
        places, notices = _places()
        read = [(place, self._figures(place, until)) for place in places]
        now = datetime.now(UTC)
        found = [figures for _, figures in read if figures]
        known = known_instances(rights.listed, rights.readable, looks, found)
        is_asked = all(figures.conn_ids() <= rights.asked for figures in found)
        sees_all = is_asked and rights.readable == rights.asked
        instances = in_order(instance_view(each, now, looks_are_on) for each in known)
        stores = [
            unread(place) if figures is None else store_view(place, figures, sees_all, now, number)
            for number, (place, figures) in enumerate(read)
        ]
        return Page(
            moment(now),
            _summary(instances),
            [*notices, *([] if looks_are_on else [NO_LOOKS])],
            instances,
            stores,
            COUNT_FAULTS,
            is_asked
            and not any([each.is_under_way for each in instances] + [each.is_under_way for each in stores]),
        )

    def _figures(self, place: Place, until: float) -> Figures | None:
        if place.store is None:
            return None
        if place.name not in self._readers:
            self._readers[place.name] = StoreReader(place, place.store)
        return self._readers[place.name].figures(until)


def _recent(kept: Kept[T]) -> T:
    """Return the newest value, or after a while the last one if that isn't old."""
    worked = kept.get(time.monotonic() + PATIENCE)
    if worked is None or datetime.now(UTC) - worked.at > _OLDEST:
        worked = kept.get(time.monotonic() + _AT_MOST)
    if worked is None:
        raise RuntimeError("The page could not be made in time; the log of the API server says why.")
    return worked.value


def _places() -> tuple[list[Place], list[str]]:
    try:
        places = configured()
    except GreenApiConfigError as error:
        return [], [words(error)]
    return places, [] if places else [NO_STORES]


def _summary(instances: Sequence[InstanceView]) -> str:
    if not instances:
        return "No connection of type GREEN-API is listed, and no drain or watcher reported one."
    of: dict[str, int] = {}
    for each in instances:
        of[each.verdict] = of.get(each.verdict, 0) + 1
    parts = ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(of.items()))
    return f"{len(instances):,} {'instance' if len(instances) == 1 else 'instances'}: {parts}."
