"""Examines instances: what keeps a queue from being read, and where to fix it.

``python -m airflow_green_notify.doctor [CONN_ID ...] [--silent-after SECONDS] [--json]``; on Airflow 3.2 and
later also ``airflow green-api doctor``. It peeks and counts: nothing is deleted or changed. Exit code 0 means
that all are healthy. With ``--store STORE`` it lists the consumers of a store too, and how far behind they
are; 2 means that the store can't be read. :func:`check_instance` is the same as the function of a task.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException

from airflow_green_notify.arguments import connections_of, optional, our_store_of, seconds_of
from airflow_green_notify.at_once import at_once
from airflow_green_notify.cli import DOCTOR_ARGUMENTS, DOCTOR_HELP, find_all_connections, parsed, store_named
from airflow_green_notify.consume.lag import Lag, as_table, lags
from airflow_green_notify.drain.store_thread import StoreThread
from airflow_green_notify.errors import GreenApiConfigError, GreenApiError
from airflow_green_notify.examination import Examination
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.looks import findings, shared_queue
from airflow_green_notify.overview import complaints, overview
from airflow_green_notify.printable import printable
from airflow_green_notify.stores.report import Report

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store

log = logging.getLogger(__name__)

EXAMINED_AT_ONCE = 32
"""Queues that are looked at side by side; a look takes 6 s and more, most of it waiting."""

REPORT_TIMEOUT = 30.0
"""Seconds for which a task waits for the store that it reports into."""


def examine(
    green_api_conn_id: str = GreenApiHook.default_conn_name, silent_after: float | timedelta | None = None
) -> Examination:
    """Look at connection, state, settings, queue and rates of one instance, and stop where it makes no sense.

    :param green_api_conn_id: The connection, of type ``greenapi``.
    :param silent_after: Seconds without an incoming message after which the instance is not healthy. Without
        it, a silence that is unusual for this instance is a warning.
    """
    bound = optional(seconds_of)("silent_after", silent_after)
    return _examined(GreenApiHook(green_api_conn_id, max_attempts=1), bound)


def examine_all(
    green_api_conn_ids: Sequence[str], silent_after: float | timedelta | None = None
) -> list[Examination]:
    """Examine several instances side by side; connections of the same instance are warned of each other.

    :param green_api_conn_ids: The connections, of type ``greenapi``, each once.
    :param silent_after: As for :func:`examine`.
    :return: One examination per connection, in their order. A connection that is missing or wrong is a
        finding as well.
    :raises ValueError: The list is empty, or names a connection twice.
    """
    bound = optional(seconds_of)("silent_after", silent_after)
    judged = connections_of("green_api_conn_ids", green_api_conn_ids)
    names = (judged,) if isinstance(judged, str) else judged
    hooks = {name: GreenApiHook(name, max_attempts=1) for name in names}
    readers = _by_queue(hooks)
    work = partial(_of_one_queue, silent_after=bound)
    found = {each.connection: each for group in at_once(work, readers, EXAMINED_AT_ONCE) for each in group}
    return [found[name] for name in names]


def _by_queue(hooks: Mapping[str, GreenApiHook]) -> list[list[GreenApiHook]]:
    """Look the connections up, and return them with those that lead to the same queue together."""
    readers: dict[str, list[GreenApiHook]] = {}
    for name, hook in hooks.items():
        try:
            queue = hook.config.queue
        except (AirflowNotFoundException, GreenApiConfigError):
            queue = f"none of {name}"  # what is wrong with it will be a finding
        readers.setdefault(queue, []).append(hook)
    return list(readers.values())


def _of_one_queue(hooks: Sequence[GreenApiHook], silent_after: float | None) -> list[Examination]:
    """Examine connections of one instance, one after the other: it allows one look a second."""
    names = [hook.green_api_conn_id for hook in hooks]
    return [
        _examined(hook, silent_after, names[:place] + names[place + 1 :]) for place, hook in enumerate(hooks)
    ]


def _examined(hook: GreenApiHook, silent_after: float | None, others: Sequence[str] = ()) -> Examination:
    """Examine an instance.

    :param others: The connections that lead to the same instance.
    """
    examination = Examination(hook.green_api_conn_id)
    with hook:
        examination.findings.extend(findings(hook, examination, silent_after))
    examination.findings[1:1] = shared_queue(others)
    return examination


def check_instance(
    green_api_conn_id: str | Sequence[str] = GreenApiHook.default_conn_name,
    silent_after: float | timedelta | None = None,
    report_to: Store | None = None,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Examine an instance, or several, as a task, which fails if one is not healthy; a retry looks again.

    .. code-block:: python

        task(retries=1)(check_instance)("green_api_default", silent_after=4 * 3600)
        task(retries=1)(check_instance)(["green_api_sales", "green_api_support"])

    :param green_api_conn_id: The connection, of type ``greenapi``, or a list of connections.
    :param silent_after: As for :func:`examine`.
    :param report_to: A ``SqlStore`` or an ``ObjectStorageStore`` that keeps the last examination of each
        connection, healthy or not, for :meth:`~airflow_green_notify.stores.store.Store.reports`. If it can't
        be reached, that is a warning in the log.
    :return: What was found, as JSON values; of a list, a list of that.
    :raises AirflowException: An instance is not healthy; the text says which, why, and what to do.
    """
    judged = connections_of("green_api_conn_id", green_api_conn_id)
    store = optional(our_store_of)("report_to", report_to)
    if isinstance(judged, str):
        examination = examine(judged, silent_after)
        _report([examination], store)
        if not examination.healthy:
            raise AirflowException(examination.as_text())
        return examination.as_dict()
    examinations = examine_all(judged, silent_after)
    _report(examinations, store)
    if wrong := complaints(examinations):
        raise AirflowException(wrong)
    return [each.as_dict() for each in examinations]


def _report(examinations: Sequence[Examination], store: Store | None) -> None:
    """Report what was found; whatever the store does about it, the task tells what was found."""
    if store is None:
        return
    now = datetime.now(UTC)
    reports = [
        Report("examination", each.connection, each.connection, each.instance, now, each.as_dict())
        for each in examinations
    ]
    thread = StoreThread()
    try:
        thread.submit(copy_context().run, store.report, reports).result(REPORT_TIMEOUT)
    except TimeoutError:
        log.warning("What was found is not reported: %r gave no answer in %g s.", store, REPORT_TIMEOUT)
    except Exception as error:
        log.warning("What was found is not reported into %r: %s", store, printable(error))
    finally:
        thread.shutdown(wait=False)


def command(arguments: argparse.Namespace) -> None:
    """Examine, print, and exit with 0 if all are healthy or 1 if not."""
    find_all_connections()
    try:
        names = connections_of("conn_id", arguments.conn_id)
        if len(names) == 1:
            examinations = [examine(names[0], arguments.silent_after)]
        else:
            examinations = examine_all(names, arguments.silent_after)
    except ValueError as error:
        sys.exit(str(error))
    consumers, flaw = _consumers(arguments)
    print((_as_json if arguments.json else _as_text)(examinations, consumers))
    if flaw:
        print(flaw, file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if all(each.healthy for each in examinations) else 1)


def _consumers(arguments: argparse.Namespace) -> tuple[list[Lag] | None, str]:
    """Return the consumers of the store that is named, if one is, or why it can't be read."""
    if arguments.store is None:
        return None, ""
    try:
        return lags(store_named(arguments.store, arguments.table, arguments.conn_id)), ""
    except (GreenApiError, ValueError) as error:
        return None, str(error)


def _as_json(examinations: Sequence[Examination], consumers: Sequence[Lag] | None) -> str:
    found: Any = [each.as_dict() for each in examinations]
    found = found if len(found) > 1 else found[0]
    if consumers is not None:
        found = {"instances": found, "consumers": [each.as_dict() for each in consumers]}
    return json.dumps(found, indent=2)


def _as_text(examinations: Sequence[Examination], consumers: Sequence[Lag] | None) -> str:
    text = overview(examinations) if len(examinations) > 1 else examinations[0].as_text()
    return text if consumers is None else f"{text}\n\n{as_table(consumers)}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    command(parsed("airflow_green_notify.doctor", DOCTOR_HELP, DOCTOR_ARGUMENTS, argv))


if __name__ == "__main__":
    main()
