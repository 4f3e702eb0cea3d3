"""Make SQL views over what a store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_green_notify.arguments import Judge, positive_seconds_of, sql_store_of
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.lineage import Lineage, Table, TellsLineage, stored
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from types import SimpleNamespace

    from airflow.sdk import Context

    from airflow_green_notify.stores import SqlStore


class GreenApiCreateModelsOperator(TellsLineage, GreenApiTask):
    """Creates or renews SQL views over the table of a store, for analysts: messages, conversations and so on.

    A crash at any point leaves some views as they were and others new; the retry makes all of them. Views
    hold no data: what drains bring later, and what is erased, shows at once, so that it is enough to run this
    once, and again after an upgrade. ``docs/models.md`` describes each column.

    .. code-block:: python

        GreenApiCreateModelsOperator(task_id="models", store=SqlStore("warehouse"))

    The first time it also creates indexes, which takes some seconds for each million rows; on PostgreSQL
    drains go on meanwhile. From then on a put takes a little longer.

    :param store: The :class:`~airflow_green_notify.stores.SqlStore` that a drain fills, on SQLite,
        PostgreSQL, MySQL or MariaDB.
    :param silence: Seconds after which a chat's next message begins another conversation.
    :return: The names of the views, with their schema if the store's table has one.
    :raises ValueError: An argument is wrong, as far as no template hides it; what a template hides fails the
        task at once.
    """

    template_fields: Sequence[str] = ("store", "silence")
    template_fields_renderers: ClassVar[dict[str, str]] = {"store": "py"}
    judges: ClassVar[Mapping[str, Judge]] = {"store": sql_store_of, "silence": positive_seconds_of}
    ui_color = "#cde3ee"
    _views: Sequence[str] = ()

    def __init__(
        self, *, store: SqlStore, silence: float | timedelta | str = timedelta(hours=24), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.silence = silence
        self.check_arguments()

    def execute(self, context: Context) -> list[str]:
        return self._stoppably(partial(self._execute, self.judged_arguments()))

    def _execute(self, given: SimpleNamespace) -> list[str]:
        from airflow_green_notify.models.making import create_models

        with fail_fast():
            names = create_models(given.store, given.silence)
        self.log.info("Made %d views: %s.", len(names), ", ".join(names))
        self._views = names
        return names

    def lineage(self) -> Lineage:
        return Lineage(stored(self.store), [Table(self.store.conn_id, view) for view in self._views])
