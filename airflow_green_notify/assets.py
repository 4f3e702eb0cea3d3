"""Assets that stand for the queue of one instance, or for those of a fleet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import Asset

from airflow_green_notify.arguments import refusal

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import AssetWatcher

SCHEME = "green-api"
DEFAULT_HOST = "api.green-api.com"


_INSTANCE = "[0-9]+"
_FLEET = "[A-Za-z0-9][A-Za-z0-9._-]*"
_FORMS = f"{SCHEME}://<host>/<idInstance> or {SCHEME}://<host>/fleets/<name>"


def create_asset(
    *,
    instance_id: str | int | None = None,
    fleet: str | None = None,
    host: str = DEFAULT_HOST,
    name: str | None = None,
    watchers: Sequence[AssetWatcher] = (),
    extra: dict[str, Any] | None = None,
) -> Asset:
    """Return the asset of an instance's queue, or of the queues that one doorbell watches for.

    Its URI is ``green-api://<host>/<idInstance>``, or ``green-api://<host>/fleets/<name>``: which instances
    are in a fleet is up to its watchers, and may change.

    :param instance_id: The instance (``idInstance``): digits.
    :param fleet: Instead of it, a name for several instances: letters, digits, ``-``, ``_`` and ``.``, with a
        letter or digit first.
    :param host: Host of the API URL, without scheme and path.
    :param name: The asset's name; by default its URI.
    :param watchers: What rings for it, such as
        :class:`~airflow_green_notify.triggers.doorbell.GreenApiDoorbellTrigger` in an ``AssetWatcher``.
    :param extra: Further JSON values kept with the asset.
    :raises ValueError: The instance is not made of digits, the name of the fleet or the host is none, or
        there is not exactly one of instance and fleet.
    """
    if not re.fullmatch(r"[\w.-]+(:[0-9]+)?", str(host)):
        raise refusal("host", host, f"the host of the API URL without scheme and path, as {DEFAULT_HOST!r}")
    uri = f"{SCHEME}://{host}/{_path(instance_id, fleet)}"
    return Asset(name=name or uri, uri=uri, watchers=list(watchers), extra=extra or {})


def _path(instance_id: str | int | None, fleet: str | None) -> str:
    """Return what stands behind the host."""
    if (instance_id is None) == (fleet is None):
        given = "neither was" if fleet is None else "both were"
        raise ValueError(f"An asset needs either instance_id or fleet; {given} given.")
    if fleet is None:
        if not re.fullmatch(_INSTANCE, str(instance_id)):
            allowed = "the idInstance of the connection, which is made of digits"
            raise refusal("instance_id", instance_id, allowed)
        return str(instance_id)
    if not isinstance(fleet, str) or not re.fullmatch(_FLEET, fleet):
        raise refusal("fleet", fleet, "a name of letters, digits, '-', '_' and '.', as 'support'")
    return f"fleets/{fleet}"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check and normalize the URI of such an asset; credentials have no place in it.

    :raises ValueError: It has neither of the two forms, see :func:`create_asset`.
    """
    is_known = re.fullmatch(f"/({_INSTANCE}|fleets/{_FLEET})", uri.path)
    if not uri.hostname or "@" in uri.netloc or not is_known or uri.query:
        raise ValueError(f"URI format {SCHEME}:// must be {_FORMS}, and nothing else")
    return uri._replace(netloc=uri.netloc.lower())


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:
    """Return what OpenLineage calls it: a dataset of the host, named by the instance or ``fleets/<name>``."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{uri.netloc}", name=uri.path.removeprefix("/"))
