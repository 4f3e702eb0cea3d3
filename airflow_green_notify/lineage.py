"""What tasks read and write, told to OpenLineage if Airflow's provider for it is installed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from airflow.sdk import BaseHook

from airflow_green_notify.assets import convert_asset_to_openlineage, create_asset
from airflow_green_notify.stores.names import folder_of
from airflow_green_notify.stores.object_storage.batch_file import columns_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_green_notify.hooks import GreenApiHook

log = logging.getLogger(__name__)


class Place(Protocol):
    """Something that is read or written; its ``repr`` goes into the log, so it shows no secret."""

    def dataset(self) -> Dataset:
        """Return what OpenLineage calls it, without credentials. What it needs may be out of reach."""
        ...


class Lineage(NamedTuple):
    """What a task reads and writes; places that are named twice count once."""

    reads: Iterable[Place] = ()
    writes: Iterable[Place] = ()


class TellsLineage:
    """A task of which OpenLineage is told, when it has ended, what it read and wrote.

    Airflow's OpenLineage provider asks for it, in a process of its own, for ten seconds at most; where that
    provider isn't installed, nobody does. A place of which nothing can be told is left out with a warning;
    neither the task nor the other places suffer from it.
    """

    _batch: Mapping[str, Any] | None = None
    """The description of the batch that the task has closed, with its count."""

    def lineage(self) -> Lineage:
        """Return what the task reads and writes, with counts if it came so far."""
        raise NotImplementedError

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """Return it in OpenLineage's form, also for a task that failed or was skipped."""
        try:
            from airflow.providers.openlineage.extractors import OperatorLineage
        except ImportError:
            return None
        reads, writes = self.lineage()
        return OperatorLineage(inputs=[*_datasets(reads)], outputs=[*_datasets(writes)])


class Queue:
    """The queue of a hook's instance, named as its asset is.

    A hook that has spoken with the instance needn't look it up again, however many there are.
    """

    def __init__(self, hook: GreenApiHook) -> None:
        self._hook = hook

    def __repr__(self) -> str:
        return f"Queue({self._hook.green_api_conn_id!r})"

    def dataset(self) -> Dataset:
        config = self._hook.config
        asset = create_asset(instance_id=config.id_instance, host=urlsplit(config.base_url).netloc)
        return convert_asset_to_openlineage(asset, None)


@dataclass(frozen=True)
class Table:
    """A table or view, named as Airflow's SQL operators name it, with its columns.

    :param name: With its schema in front if that is not the default one.
    :param rows: How many were written.
    """

    conn_id: str
    name: str
    rows: int | None = None

    def dataset(self) -> Dataset:
        from sqlalchemy import inspect
        from sqlalchemy.exc import NoSuchTableError
        from sqlalchemy.types import NullType

        connection = BaseHook.get_connection(self.conn_id)
        hook = connection.get_hook()
        schema, _, table = self.name.rpartition(".")
        columns: dict[str, str | None] = {}
        engine = hook.get_sqlalchemy_engine()
        try:
            inspector = inspect(engine)
            with suppress(NoSuchTableError):
                found = inspector.get_columns(table, schema=schema or None)
                types = {column["name"]: column["type"] for column in found}
                columns = {
                    name: None if isinstance(kind, NullType) else kind.compile(engine.dialect)
                    for name, kind in types.items()
                }
            schema = schema or inspector.default_schema_name
        finally:
            engine.dispose()
        namespace, database, is_uppercase = _database(hook, connection, engine.dialect.name)
        name = ".".join(filter(None, (database, schema, table)))
        return _dataset(namespace, name.upper() if is_uppercase else name, columns, self.rows)


@dataclass(frozen=True)
class Folder:
    """A folder or the part of a bucket below a prefix, named as Airflow's asset of it is.

    :param path: As :func:`~airflow_green_notify.files.place.place_of` gives it.
    :param format: That of the batches in it; without one it holds other files.
    :param rows: How many were written.
    :param files: How many were written.
    """

    path: str
    format: str | None = None
    rows: int | None = None
    files: int | None = None

    def dataset(self) -> Dataset:
        columns = columns_of(self.format) if self.format else {}
        return _dataset(*_names(self.path), columns, self.rows, self.files)


def stored(store: Any, batch: Mapping[str, Any] | None = None) -> list[Place]:
    """Return the table or folder of a store, with the count of a batch that was closed there.

    Each notification stands in one batch, so counts of batches add up. Of a store of one's own nothing is
    known.
    """
    if batch is not None:
        return [*_places(batch, batch["count"])]
    describe = getattr(store, "described", None)
    return [*_places(describe())] if callable(describe) else []


def read_from(notifications: Any) -> Iterator[Place]:
    """Yield the places of all batch descriptions among notifications, see ``notifications_in``."""
    if isinstance(notifications, str):
        notifications = json.loads(notifications)
    if isinstance(notifications, Mapping):
        yield from _places(notifications)
    elif isinstance(notifications, Iterable):
        for each in notifications:
            yield from read_from(each)


def _places(description: Mapping[str, Any], rows: int | None = None) -> Iterator[Place]:
    """Yield what the description of a store, of a batch or of a page says; nothing if it is none of ours."""
    if description.get("store") == "sql":
        yield Table(description["conn_id"], description["table"], rows)
    elif description.get("store") == "object_storage":
        root = description["path"]
        if "batch_id" in description:
            root = root.removesuffix(f"/{folder_of(description['batch_id'])}")
        yield Folder(root, description["format"], rows)


def _datasets(places: Iterable[Place]) -> Iterator[Dataset]:
    for place in dict.fromkeys(places):
        try:
            yield place.dataset()
        except Exception as error:
            # Its text may quote an address with a password in it.
            log.warning("OpenLineage is told nothing of %s: %s.", place, type(error).__name__)


def _names(path: str) -> tuple[str, str]:
    """Return the namespace and the name of a path or URL; what signs a URL is no part of either."""
    scheme, separator, rest = path.partition("://")
    if not separator or scheme == "file":
        return "file", rest or scheme
    host, _, key = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host}", key or "/"


def _database(hook: Any, connection: Any, dialect: str) -> tuple[str, str | None, bool]:
    """Return the namespace of a database, what stands before the schema, and whether names are uppercase.

    What the hook doesn't tell, as that for SQLite, is taken from the connection: ``sqlite://<path>``.
    """
    ask: Any = getattr(hook, "get_openlineage_database_info", None)
    told = ask(connection) if ask else None
    if told is None:
        host = (connection.host or "").rpartition("@")[2].partition("?")[0]
        port = f":{connection.port}" if connection.port else ""
        return f"{dialect}://{host}{port}", connection.schema or None, False
    namespace = f"{told.scheme}://{told.authority}" if told.authority else told.scheme
    return namespace, told.database, told.is_uppercase_names


def _dataset(
    namespace: str,
    name: str,
    columns: Mapping[str, str | None],
    rows: int | None = None,
    files: int | None = None,
) -> Dataset:
    from airflow.providers.common.compat.openlineage import facet

    fields = [facet.SchemaDatasetFacetFields(name=key, type=kind) for key, kind in columns.items()]
    facets: dict[str, Any] = {"schema": facet.SchemaDatasetFacet(fields=fields)} if fields else {}
    if rows is None and files is None:
        return facet.Dataset(namespace=namespace, name=name, facets=facets)
    statistics = facet.OutputStatisticsOutputDatasetFacet(rowCount=rows, fileCount=files)
    return facet.OutputDataset(
        namespace=namespace, name=name, facets=facets, outputFacets={"outputStatistics": statistics}
    )
