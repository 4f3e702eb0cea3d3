"""Whether the promise held: what was pushed beside what is stored, was handed on and was handled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

from airflow_green_notify.notification import Notification
from tests.balance import balances
from tests.production.traffic import Taken


@dataclass
class Verdict:
    """The keys of notifications, or the ids of runs, by what is wrong with them; all empty if nothing is.

    :param lost: Neither stored, nor waiting, nor taken by the other consumer.
    :param waiting: Still in a queue.
    :param doubled: Stored more than once, also if one of the rows is gone.
    :param changed: Their row has the body of another, or none that was pushed.
    :param early: Deleted before they were stored.
    :param forgotten_by_gateway: Pushed, and not in the gateway's audit.
    :param not_handed_on: Stored, and in no batch that a task was handed.
    :param not_read: Stored, and in no page that was worked on.
    :param not_handled: Stored, and no handler was called.
    :param unanswered: Approvals without the answer to their own question.
    """

    lost: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)
    forgotten_by_gateway: set[str] = field(default_factory=set)
    not_handed_on: set[str] = field(default_factory=set)
    not_read: set[str] = field(default_factory=set)
    not_handled: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}

    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts().values())


@dataclass
class AuditedInstance:
    """An instance of a gateway in another process, as :func:`tests.balance.balances` reads one."""

    id_instance: str
    audited: list[dict[str, Any]]
    waiting: list[Any]

    def audit(self) -> list[dict[str, Any]]:
        return self.audited

    def queue(self) -> list[Any]:
        return self.waiting


@dataclass
class Evidence:
    """All that is known at the end.

    :param instances: With what became of each notification there.
    :param pushed: The keys of what was pushed, as whoever pushed noted them.
    :param rows: What is stored.
    :param arrivals: The key of each row that was ever inserted, and the UNIX time of its commit.
    :param noted: By whom (``handed_on``, ``read_in_pages``, ``handled``): the keys, and when.
    :param taken: By the other consumer.
    :param answers: By approval: the question that was asked, and the one that the answer quotes.
    """

    instances: Sequence[AuditedInstance]
    pushed: Collection[str]
    rows: Sequence[Notification]
    arrivals: Sequence[tuple[str, float]]
    noted: Mapping[str, Sequence[tuple[str, float]]]
    taken: Sequence[Taken]
    answers: Mapping[str, tuple[str | None, str | None]]

    def verdict(self) -> Verdict:
        """Judge it."""
        audit = {Notification(0, item["body"]).key: item for item in self._audit()}
        stored = {row.key for row in self.rows}
        wrong = balances(self.instances, self.rows).values()  # type: ignore[arg-type]
        return Verdict(
            lost={key for each in wrong for key in each.lost} - taken_by_other(self.taken, audit),
            waiting={key for each in wrong for key in each.waiting},
            doubled=_repeated(key for key, _ in self.arrivals) | _repeated(row.key for row in self.rows),
            changed={row.key for row in self.rows if Notification(0, row.body).key != row.key}
            | (stored - audit.keys()),
            early={key for key, at in self.arrivals if _was_deleted_before(audit.get(key), at)}
            - taken_by_other(self.taken, audit),
            forgotten_by_gateway=set(self.pushed) - audit.keys(),
            not_handed_on=stored - _keys(self.noted["handed_on"]),
            not_read=stored - _keys(self.noted["read_in_pages"]),
            not_handled=stored - _keys(self.noted["handled"]),
            unanswered={run for run, (asked, quoted) in self.answers.items() if not asked or asked != quoted},
        )

    def _audit(self) -> Iterable[dict[str, Any]]:
        return (item for instance in self.instances for item in instance.audit())

    def latencies(self, until: float = float("inf")) -> list[float]:
        """Seconds from push to commit, in order of size, of what was pushed until a UNIX time."""
        arrived = dict(self.arrivals)
        pushed = ((Notification(0, item["body"]).key, item["pushed_at"]) for item in self._audit())
        return sorted(arrived[key] - at for key, at in pushed if key in arrived and at <= until)

    def lags(self, name: str) -> list[float]:
        """Seconds from commit to the first note of this name, in order of size."""
        first: dict[str, float] = {}
        for key, at in self.noted[name]:
            first[key] = min(at, first.get(key, at))
        return sorted(first[key] - at for key, at in dict(self.arrivals).items() if key in first)

    def last_arrival(self, until: float) -> float:
        """UNIX time at which the last of what was pushed until a UNIX time was committed."""
        arrived = dict(self.arrivals)
        pushed = ((Notification(0, item["body"]).key, item["pushed_at"]) for item in self._audit())
        return max((arrived[key] for key, at in pushed if key in arrived and at <= until), default=until)

    def longest_standstill(self) -> float:
        """The most seconds between two commits."""
        times = sorted({at for _, at in self.arrivals})
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def _keys(noted: Iterable[tuple[str, float]]) -> set[str]:
    return {key for key, _ in noted}


def taken_by_other(taken: Iterable[Taken], audit: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return what the other consumer surely deleted.

    Where the gateway didn't say so, it did if the audit has the delete between its request and the answer.
    """
    return {
        each.key
        for each in taken
        if each.confirmed or each.began <= (audit[each.key]["deleted_at"] or 0.0) <= each.ended
    }


def _was_deleted_before(item: Mapping[str, Any] | None, at: float) -> bool:
    return item is not None and item["deleted_at"] is not None and item["deleted_at"] < at


def _repeated(keys: Iterable[str]) -> set[str]:
    return {key for key, count in Counter(keys).items() if count > 1}
