"""Read on in a store, as a named consumer, over several tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_green_notify.arguments import (
    Judge,
    boolean_of,
    consumer_of,
    count_of,
    filter_argument,
    matching_of,
    optional,
    seconds_of,
    start_of,
    streaming_store_of,
)
from airflow_green_notify.consume.pages import Page, Wish
from airflow_green_notify.consume.turn import batch_of_reader, is_task, task_reader, turn_at_page
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.lineage import Lineage, TellsLineage, stored
from airflow_green_notify.stores import batch_id_of
from airflow_green_notify.stores.names import parts_of
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_green_notify.stores.store import Store


class GreenApiReadNewOperator(TellsLineage, GreenApiTask):
    """Opens the next page of a consumer: what it hasn't committed yet, of what a store holds.

    A crash at any point leaves the page open or not, and a retry returns the same page. So it does while the
    run lasts: :func:`~airflow_green_notify.consume.commit`, called by the last task of those that work on the
    page, moves the consumer on. If the run ends without that, the next run gets the same page. Each
    notification is worked on at least once, then, and again only where a run ended between page and commit.

    .. code-block:: python

        read = GreenApiReadNewOperator(task_id="read", store=SqlStore("warehouse"), consumer="billing")
        work(read.output) >> task(commit)(read.output)

    One page of a consumer is open at a time. A run that finds that of another run asks Airflow: if that run
    has ended, it takes the page over; if not, it waits, then fails in words. So let one run be active at a
    time (``max_active_runs=1``), and give the consumer to one Dag. A task that comes late, of a run that was
    cleared after its page was taken over, fails when it reads the page or commits it.

    A page holds what matches out of the next ``page_size`` notifications; spans in which nothing does are
    committed and passed, so that an empty page means that there is nothing new. If the page says ``more``,
    more lies behind it, for the next run.

    With ``outlets``, each asset event carries ``{"batch": …}``, the page's description, in its ``extra``; for
    an empty page there is no event.

    :param store: The store that a drain fills, such as ``SqlStore("warehouse")``.
    :param consumer: Its name in that store. Each consumer sees everything, at its own pace.
    :param matching: What is meant: a :class:`~airflow_green_notify.filters.NotificationFilter`, or its
        arguments as a dict; by default everything. No callable, since other tasks read the page, too.
    :param start: Where a new consumer begins: at the ``"beginning"`` of the store, ``"now"``, or at what was
        received at a time (with a time zone) or later. For one that is known it has no effect.
    :param page_size: Notifications that a page spans at most, those that don't match among them.
    :param skip_if_empty: Skip this task, and what is behind it, if there is nothing new.
    :param wait_for_reader: Seconds to wait while another reader has a page of this consumer open.
    :return: The page's description for :func:`~airflow_green_notify.stores.read_batch` and ``commit``, with
        ``"count"``, how many notifications match, and ``"more"``.
    :raises ValueError: An argument is wrong, as far as no template hides it; what a template hides fails the
        task at once. So is ``do_xcom_push=False``: what this task returns is how the page is handed on.
    """

    template_fields: Sequence[str] = (
        "store",
        "consumer",
        "matching",
        "start",
        "page_size",
        "skip_if_empty",
        "wait_for_reader",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"store": "py", "matching": "json"}
    judges: ClassVar[Mapping[str, Judge]] = {
        "store": streaming_store_of,
        "consumer": consumer_of,
        "matching": optional(matching_of),
        "start": start_of,
        "page_size": count_of,
        "skip_if_empty": boolean_of,
        "wait_for_reader": seconds_of,
    }
    ui_color = "#cde3ee"

    def __init__(
        self,
        *,
        store: Store,
        consumer: str,
        matching: NotificationFilter | Mapping[str, Any] | None = None,
        start: Literal["beginning", "now"] | datetime | str = "beginning",
        page_size: int | str = 1000,
        skip_if_empty: bool | str = False,
        wait_for_reader: float | timedelta | str = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.store = store
        self.consumer = consumer
        self.matching = None if matching is None else filter_argument("matching", matching)
        self.start = start
        self.page_size = page_size
        self.skip_if_empty = skip_if_empty
        self.wait_for_reader = wait_for_reader
        self.check_arguments()
        self.check_handed_on()

    def check_together(self, known: Mapping[str, Any]) -> None:
        if callable(known.get("matching")):
            raise ValueError(
                "matching is a function, which the tasks that read the page don't have: give a "
                "NotificationFilter or its arguments as a dict, or let those tasks filter."
            )

    def execute(self, context: Context) -> dict[str, Any]:
        return self._stoppably(partial(self._execute, context))

    def _execute(self, context: Context) -> dict[str, Any]:
        given = self.judged_arguments()
        wish = Wish(given.consumer, given.matching, given.start, given.page_size)
        reader = task_reader(batch_id_of(context))
        turn = turn_at_page(given.store, wish, reader, _Runs(context).is_active, given.wait_for_reader)
        with fail_fast(), turn as (_, page):
            described = _described(given, reader, page)
        self.log.info("%r of consumer %r matches; more behind it: %s.", page, given.consumer, page.has_more)
        if not page and given.skip_if_empty:
            raise AirflowSkipException(f"There is nothing new for consumer {given.consumer!r}.")
        self.tell_outlets(context, {"batch": described} if page else None)
        return described

    def lineage(self) -> Lineage:
        return Lineage(stored(self.store))


def _described(given: SimpleNamespace, reader: str, page: Page) -> dict[str, Any]:
    """Return what those who read the page, and commit it, have to know."""
    return {
        **given.store.described(),
        "consumer": given.consumer,
        "reader": reader,
        "after": page.after,
        "until": page.until,
        "matching": None if given.matching is None else given.matching.as_dict(),
        "count": len(page),
        "more": page.has_more,
    }


class _Runs:
    """Asks Airflow, from inside a task, whether the run of another task is still active."""

    def __init__(self, context: Context) -> None:
        self._task_instance: Any = context["ti"]

    def is_active(self, reader: str) -> bool:
        """Tell whether a reader may still commit its page.

        A reader in plain Python holds the consumer's lease while it works; whoever asks has that.
        """
        if not is_task(reader):
            return False
        dag_id, run_id = parts_of(batch_of_reader(reader))[:2]
        states = ["queued", "running"]
        active: int = self._task_instance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=states)
        return active > 0
