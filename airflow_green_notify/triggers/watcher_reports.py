"""What a watcher says of itself to somebody on call: whether it can look, what waits, why it doesn't ring."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_green_notify.arguments.stores import our_store_of
from airflow_green_notify.files.names import digest
from airflow_green_notify.printable import NAME, listed, printable
from airflow_green_notify.stores.page import store_described
from airflow_green_notify.stores.report import Report
from airflow_green_notify.triggers.report_writer import MIN_INTERVAL, ReportWriter
from airflow_green_notify.triggers.sighting import Looks

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store

NAMED_AT_MOST = 3
"""How many connections a report names."""


def reporting_store_of(name: str, value: Any) -> Store:
    """Judge the store that a trigger reports into, which its row has as JSON text."""
    if isinstance(value, str):
        try:
            return store_described(json.loads(value))
        except (ValueError, KeyError, TypeError):
            pass  # which the next line says
    store: Store = our_store_of(name, value)
    return store


def in_row(store: Store) -> str:
    """Return the store as it stands in a trigger's row: no version of Airflow changes a text on its way."""
    return json.dumps(store.described(), sort_keys=True)


class WatcherReports:
    """The reports of one watcher: of a single connection one, of a list one for all of them together, and one
    for each of them whenever it begins, or ends, to be one that can't be looked at.

    So a thousand connections of which all is well are one row a minute, and if the gateway is away they are
    a thousand rows once, in one transaction.

    :param watcher: What it is, in words that its connections complete.
    """

    def __init__(self, watcher: str, conn_ids: str | Sequence[str], store: Store) -> None:
        names = [conn_ids] if isinstance(conn_ids, str) else sorted(conn_ids)
        self._single = conn_ids if isinstance(conn_ids, str) else ""
        self._number = len(names)
        # What isn't named tells watchers apart, too.
        mark = f" [{digest(json.dumps(names))[:6]}]" if len(names) > NAMED_AT_MOST else ""
        self._name = f"{watcher} {_named(names)}{mark}"
        self._writer = ReportWriter(store)
        self._told: dict[str, str] = {}
        self._looks, self._why = Looks({}), ""
        self._looked_at = datetime.now(UTC)
        self._rang_at: datetime | None = None
        self._is_news = False
        self._later: asyncio.TimerHandle | None = None

    def see(self, looks: Looks, why: str, *, rang: bool = False) -> None:
        """Take note of what looks showed, and report it when it is time to.

        :param why: Why the watcher does not ring, as far as its connections can be looked at.
        :param rang: Whether it rings now.
        """
        self._looks, self._why = looks, why
        self._looked_at = datetime.now(UTC)
        if rang:
            self._rang_at = self._looked_at
        self._is_news = self._is_news or rang or bool(self._changed())
        self._tell()

    def close(self) -> None:
        """Let go of the thread that writes."""
        if self._later is not None:
            self._later.cancel()
        self._writer.close()

    def _tell(self) -> None:
        """Report what was seen last; what is new, but comes too early, a little later."""
        if self._writer.is_due(self._is_news):
            changed = self._changed()
            self._writer.write([*self._reports(self._looks, self._why, [*changed])])
            self._told |= changed
            self._is_news = False
        elif self._is_news and self._later is None:
            self._later = asyncio.get_running_loop().call_later(MIN_INTERVAL, self._tell_later)

    def _tell_later(self) -> None:
        self._later = None
        self._tell()

    def _changed(self) -> dict[str, str]:
        """Return the connections that are not as they were told last, with what is wrong with each."""
        faults = {conn_id: fault.words for conn_id, fault in self._looks.faults.items()}
        seen = dict.fromkeys(self._looks, "") | faults
        return {conn_id: fault for conn_id, fault in seen.items() if self._told.get(conn_id) != fault}

    def _reports(self, looks: Looks, why: str, changed: Sequence[str]) -> Iterator[Report]:
        since = min((each.since for each in looks.values() if each.since), default=None)
        if self._single:
            yield self._of_one(self._single, looks, why, since)
            return
        if looks.faults:
            failing = f"{len(looks.faults)} of {self._number} can't be looked at: {_named([*looks.faults])}"
            why = f"{failing}; of the others: {why}" if looks else failing
        yield self._report("", "", "looking" if looks else "failing", why, since)
        for conn_id in changed:
            yield self._of_one(
                conn_id, looks, "it can be looked at; what waits is told for all together", None
            )

    def _of_one(self, conn_id: str, looks: Looks, why: str, since: datetime | None) -> Report:
        if fault := looks.faults.get(conn_id):
            return self._report(conn_id, fault.instance_id, "failing", fault.words, None)
        return self._report(conn_id, looks[conn_id].instance_id, "looking", why, since)

    def _report(self, conn_id: str, instance_id: str, state: str, why: str, since: datetime | None) -> Report:
        body = {
            "state": state,
            "waiting_since": since and since.isoformat(),
            "rang_at": self._rang_at and self._rang_at.isoformat(),
            "why": why,
        }
        return Report("watcher", self._name, conn_id, instance_id, self._looked_at, body)


def _named(conn_ids: Sequence[str]) -> str:
    return listed([repr(printable(conn_id, NAME)) for conn_id in conn_ids], NAMED_AT_MOST)
