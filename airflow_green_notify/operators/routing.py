"""Routes: which assets are told of a batch, and what part of it each is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset

from airflow_green_notify.arguments import filter_argument, matching_of, refusal
from airflow_green_notify.filters import NotificationFilter, Verdict
from airflow_green_notify.stores import read_batch

_ALLOWED = (
    "(asset, filter) pairs or a dict of them, the filter a NotificationFilter or its arguments as a dict"
)


def pairs_of(routes: Any) -> Sequence[tuple[Asset, Any]]:
    """Return routes as pairs, in whatever form they were given: Airflow 3.1 can't have an asset in a dict.

    :raises ValueError: They are none.
    """
    try:
        pairs = [
            (asset, matching)
            for asset, matching in (routes.items() if isinstance(routes, Mapping) else routes)
        ]
    except (TypeError, ValueError):
        raise refusal("routes", routes, _ALLOWED) from None
    if not all(isinstance(asset, Asset) for asset, _ in pairs):
        raise refusal("routes", routes, _ALLOWED)
    if len({asset.name for asset, _ in pairs}) < len(pairs):
        raise refusal("routes", routes, f"{_ALLOWED}, and no two assets of one name")
    return pairs


def filters_of(pairs: Sequence[tuple[Asset, Any]]) -> dict[str, Any]:
    """Judge filters in a Dag file, and return what a template field holds of routes: filters by asset's name.

    :raises ValueError: One is none, as far as no template hides it.
    """
    return {asset.name: filter_argument(_name(asset.name), matching) for asset, matching in pairs}


def routes_of(name: str, value: Any) -> dict[str, NotificationFilter]:
    """Judge what :func:`filters_of` returned, now that it is rendered."""
    return {asset: _declarative(_name(asset), matching) for asset, matching in value.items()}


def events_of(
    batch: Mapping[str, Any], routes: Mapping[str, NotificationFilter]
) -> dict[str, dict[str, Any]]:
    """Return the event of each asset, by its name, whose filter fits something in a batch."""
    counts = dict.fromkeys(routes, 0)
    for notification in read_batch(batch) if routes else ():
        for asset, matching in routes.items():
            counts[asset] += matching.verdict(notification) is Verdict.MATCH
    return {
        asset: {"batch": dict(batch), "matching": routes[asset].as_dict(), "count": count}
        for asset, count in counts.items()
        if count
    }


def _declarative(name: str, value: Any) -> NotificationFilter:
    matching = matching_of(name, value)
    if not isinstance(matching, NotificationFilter):
        raise refusal(
            name, value, "a NotificationFilter or its arguments as a dict: an event can't hold code"
        )
    return matching


def _name(asset: str) -> str:
    return f"routes[{asset!r}]"
