"""What an alert says when nobody wrote a text: what happened, where, which try, and where the log is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from airflow_green_notify.stores.batch import iteration_of

_LONGEST_CHAIN = 10
_LONGEST_LINE = 300  # characters
_ADDRESS = re.compile(r"(?<=://)\S+|(?<=\?)\S+|(?<=url: )\S+")
"""What of an address may hold credentials: all behind the scheme, and queries by themselves."""

_TASK_WORDS = {"failed": "failed", "success": "succeeded", "up_for_retry": "failed and will be retried"}


def alert_text(context: Mapping[str, Any], hide: Callable[[str], str] = str) -> str:
    """Return the text for the context of a callback: of a task, of a Dag, or of a missed deadline.

    Of an exception it tells what it was raised from, and of that no more than the first line: further lines
    hold data, and addresses credentials.

    :param hide: Takes the secrets out of what an exception says.
    """
    if "deadline" in context:
        lines = _deadline_lines(context)
    elif "reason" in context or not context.get("ti"):
        lines = _dag_lines(context)
    else:
        lines = _task_lines(context, hide)
    return "\n".join(lines)


def _task_lines(context: Mapping[str, Any], hide: Callable[[str], str]) -> Iterator[str]:
    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    mapped = f" [{index}]" if index is not None and index >= 0 else ""
    iteration = iteration_of(context)
    looped = f", iteration {iteration}" if iteration is not None else ""
    state = str(getattr(getattr(ti, "state", None), "value", None) or getattr(ti, "state", None) or "running")
    yield f"Task {_TASK_WORDS.get(state, state)}: {ti.dag_id}.{ti.task_id}{mapped}{looped}"
    yield f"Run: {ti.run_id}"
    yield f"Try: {ti.try_number} of {(getattr(ti, 'max_tries', 0) or 0) + 1}"
    if error := context.get("exception"):
        yield from _error_lines(error, hide)
    yield f"Log: {ti.log_url}"


def _error_lines(error: BaseException | str, hide: Callable[[str], str]) -> Iterator[str]:
    """Name the exception; below it what it was raised from, which is what to mend."""
    if isinstance(error, str):
        yield f"Error: {_first_line(hide(error))}"
        return
    cause, label = error, "Error"
    if error.__cause__:
        yield f"Error: {type(error).__name__}"
        cause, label = _cause_of(error), "Cause"
    words = _first_line(hide(str(cause)))
    yield f"{label}: {type(cause).__name__}" + (f": {words}" if words else "")


def _cause_of(error: BaseException) -> BaseException:
    """Follow a chain of ``raise … from …`` to its end, if it has one."""
    for _ in range(_LONGEST_CHAIN):
        error = error.__cause__ or error
    return error


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    line = _ADDRESS.sub("…", "".join(char if char.isprintable() else " " for char in line)).strip()
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


def _dag_lines(context: Mapping[str, Any]) -> Iterator[str]:
    dag_id = str(getattr(context.get("dag"), "dag_id", None) or "unknown")
    run_id = str(context.get("run_id") or getattr(context.get("dag_run"), "run_id", "unknown"))
    reason = str(context.get("reason") or "unknown")
    yield f"Dag succeeded: {dag_id}" if reason == "success" else f"Dag failed: {dag_id} ({reason})"
    yield f"Run: {run_id}"
    yield f"Log: {_run_url(dag_id, run_id)}"


def _deadline_lines(context: Mapping[str, Any]) -> Iterator[str]:
    dag_run, deadline = context.get("dag_run") or {}, context.get("deadline") or {}
    dag_id, run_id = str(dag_run.get("dag_id")), str(dag_run.get("dag_run_id") or dag_run.get("run_id"))
    yield f"Deadline missed: {dag_id}"
    yield f"Run: {run_id}"
    yield f"Due: {deadline.get('deadline_time')}"
    yield f"Log: {_run_url(dag_id, run_id)}"


def _run_url(dag_id: str, run_id: str) -> str:
    from airflow.configuration import conf

    base_url = conf.get("api", "base_url", fallback=None) or "http://localhost:8080"
    return f"{base_url.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
