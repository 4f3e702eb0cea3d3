"""What a store keeps of each watcher and of each examination: what it last said of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, Self

from airflow_green_notify.files.names import digest
from airflow_green_notify.json_text import to_text
from airflow_green_notify.portable_json import nearest_portable, storable
from airflow_green_notify.printable import NAME, REASON, TEXT, printable

MAX_BODY = 32_000
"""Characters that the body of a report may take, as JSON."""

AHEAD = timedelta(minutes=5)
"""How far the clocks of two machines may differ; a report that is further ahead is no newer than others."""

_MAX_NAME = 250
"""Characters, as many as an id of a connection may have."""


@dataclass(frozen=True)
class Report:
    """What a watcher or an examination said last; nothing of what people wrote, and no key of a notification.

    :param name: Of the watcher; of an examination, the connection.
    :param conn_id: The connection that it is about; empty if it is about all of a watcher's.
    :param instance_id: Empty if it isn't known.
    :param at: With a time zone.
    :param body: JSON values. Of a watcher ``{"state", "waiting_since", "rang_at", "why"}``, with ``state``
        ``"looking"`` or ``"failing"`` and ISO times or ``None``; of an examination what
        :meth:`Examination.as_dict() <airflow_green_notify.examination.Examination.as_dict>` gives.
    :raises ValueError: ``at`` has no time zone.
    """

    kind: Literal["watcher", "examination"]
    name: str
    conn_id: str
    instance_id: str
    at: datetime
    body: Mapping[str, Any] = field(hash=False)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"at is {self.at!r}; it must have a time zone.")

    @property
    def id(self) -> str:
        """What stands for kind, name and connection: of each, a store keeps one report."""
        return digest(json.dumps([self.kind, self.name, self.conn_id]))

    def bounded(self) -> Self:
        """Return it as a store keeps it: long names and texts cut, foreign signs escaped, the time in UTC."""
        return replace(
            self,
            name=_short(self.name),
            conn_id=_short(self.conn_id),
            instance_id=_short(self.instance_id),
            at=self.at.astimezone(UTC),
            body=_bounded(self.body),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"at": self.at.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the report that :meth:`as_dict` gave; what a later version says besides is passed over.

        :raises ValueError: It is none.
        """
        try:
            said = {name: values[name] for name in ("kind", "name", "conn_id", "instance_id")}
            return cls(**said, at=datetime.fromisoformat(values["at"]), body={**values["body"]})
        except (KeyError, TypeError) as error:
            raise ValueError("This is no report.") from error


class Reports(Protocol):
    """The last reports in a store. Where nothing was ever reported, there are none.

    What can't be read is passed over, and so takes nothing else with it.
    """

    def add(self, reports: Sequence[Report]) -> None:
        """Keep bounded reports, each of another id, instead of older ones; remove what is older than
        :data:`~airflow_green_notify.stores.drain_record.KEPT_FOR`."""
        ...

    def all(self) -> list[Report]:
        """Return them in the order of their kinds, names and connections."""
        ...

    def remove_before(self, moment: datetime) -> None:
        """Remove those from before a time."""
        ...


def in_order(reports: Sequence[Report]) -> list[Report]:
    """Return reports in the order of their kinds, names and connections."""
    return sorted(reports, key=lambda each: (each.kind, each.name, each.conn_id))


def _short(text: str) -> str:
    """Return a name that fits; one that doesn't is cut, and ends in a hash."""
    kept = storable(text)
    if kept == text and len(text) <= _MAX_NAME:
        return text
    return f"{kept[: _MAX_NAME - 33]}~{digest(text)}"


def _bounded(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with its texts cut, shorter if the whole is too long; nothing if that isn't enough."""
    portable = nearest_portable(dict(body)) or {}
    for longest in (TEXT, REASON, NAME):
        cut: dict[str, Any] = _cut(portable, longest)
        if len(to_text(cut)) <= MAX_BODY:
            return cut
    return {}


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, dict):
        return {name: _cut(item, longest) for name, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, longest) for item in value]
    return printable(value, longest) if isinstance(value, str) else value
