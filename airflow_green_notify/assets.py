"""Assets that stand for the queue of one instance: ``green-api://<host>/<idInstance>``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from airflow_green_notify.arguments import refusal

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import AssetWatcher

SCHEME = "green-api"
DEFAULT_HOST = "api.green-api.com"


def create_asset(
    *,
    instance_id: str | int,
    host: str = DEFAULT_HOST,
    name: str | None = None,
    watchers: Sequence[AssetWatcher] = (),
    extra: dict[str, Any] | None = None,
) -> Asset:
    """Return the asset of an instance's queue.

    :param instance_id: The instance (``idInstance``): digits.
    :param host: Host of the API URL, without scheme and path.
    :param name: The asset's name; by default its URI.
    :param watchers: What rings for it, such as
        :class:`~airflow_green_notify.triggers.doorbell.GreenApiDoorbellTrigger` in an ``AssetWatcher``.
    :param extra: Further JSON values kept with the asset.
    :raises ValueError: The instance is not made of digits, or the host is none.
    """
    if not re.fullmatch("[0-9]+", str(instance_id)):
        raise refusal("instance_id", instance_id, "the idInstance of the connection, which is made of digits")
    if not re.fullmatch(r"[\w.-]+(:[0-9]+)?", str(host)):
        raise refusal("host", host, f"the host of the API URL without scheme and path, as {DEFAULT_HOST!r}")
    uri = f"{SCHEME}://{host}/{instance_id}"
    return Asset(name=name or uri, uri=uri, watchers=list(watchers), extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check and normalize the URI of such an asset; credentials have no place in it.

    :raises ValueError: It is not of the form ``green-api://<host>/<idInstance>``.
    """
    if not uri.hostname or "@" in uri.netloc or not re.fullmatch(r"/[0-9]+", uri.path) or uri.query:
        raise ValueError(f"URI format {SCHEME}:// must be {SCHEME}://<host>/<idInstance>, and nothing else")
    return uri._replace(netloc=uri.netloc.lower())


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:
    """Return the queue as OpenLineage names it: a dataset of the host, called by the instance."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, _, name = asset.uri.rpartition("/")
    return Dataset(namespace=namespace, name=name)
