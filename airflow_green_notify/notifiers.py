"""Alerts into a chat, for callbacks of Dags and tasks and for deadlines."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier

from airflow_green_notify.arguments import connection_of, recipient_of, unless_template
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.leaks import leak_in, without_secrets
from airflow_green_notify.printable import printable
from airflow_green_notify.protocol.limits import SAFE_MESSAGE
from airflow_green_notify.stores.batch import iteration_of

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_green_notify.hooks.connection import InstanceConfig

log = logging.getLogger(__name__)

_LONGEST_CHAIN = 10
_LONGEST_LINE = 300  # characters
_ADDRESS = re.compile(r"(?<=://)\S+|(?<=\?)\S+|(?<=url: )\S+")
"""What of an address may hold credentials: all behind the scheme, and queries by themselves."""

_TASK_WORDS = {"failed": "failed", "success": "succeeded", "up_for_retry": "failed and will be retried"}


class GreenApiNotifier(BaseNotifier):
    """Sends an alert into a chat when a Dag or a task changes its state, or misses a deadline.

    An alert is sent at most once: what fails is not tried again, and a crash before the gateway answered may
    lose it. With a gateway that is down, or a connection that is wrong, it raises. Airflow keeps that apart:
    the log says why there was no alert, the state of the task stays what it was, and a deadline's callback
    counts as failed.

    The connection's token, and whatever Airflow masks in logs, is starred out of the text.

    .. code-block:: python

        on_failure_callback = GreenApiNotifier(chat_id="120363000000000000@g.us")

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
    :param message: The text. By default it tells Dag, task, run, try, where the log is, and of the exception
        that caused it all the class and the first line. What is longer than 4000 characters, which every
        product takes, is cut.
    :param green_api_conn_id: The connection, of type ``greenapi``.

    .. seealso:: https://green-api.com/en/docs/api/sending/SendMessage/
    """

    template_fields: Sequence[str] = ("chat_id", "message", "green_api_conn_id")

    def __init__(
        self,
        *,
        chat_id: str,
        message: str | None = None,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        unless_template(recipient_of)("chat_id", chat_id)
        unless_template(connection_of)("green_api_conn_id", green_api_conn_id)
        super().__init__(**kwargs)
        self.chat_id = chat_id
        self.message = message
        self.green_api_conn_id = green_api_conn_id

    def __call__(self, *args: Any) -> None:
        # Rendering replaces the templates: on a copy, so that the next task's alert has its own text.
        super(GreenApiNotifier, copy.copy(self)).__call__(*args)

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render, also in Dag-level callbacks of ``dag.test()``, whose Dag has no template environment."""
        if jinja_env is None and not hasattr(context.get("dag"), "get_template_env"):
            jinja_env = self.get_template_env()
        super().render_template_fields(context, jinja_env)

    def notify(self, context: Context) -> None:
        """Send the alert from a callback.

        :raises GreenApiError: It was not sent, or nobody knows.
        """
        with GreenApiHook(self.green_api_conn_id) as hook:
            alert = self._alert(context, hook.config)
            if isinstance(alert, GreenApiConfigError):
                raise alert
            _log_sent(hook.send_message(*alert))

    async def async_notify(self, context: Context) -> None:
        """Send the alert from the triggerer, as for a missed deadline.

        :raises GreenApiError: It was not sent, or nobody knows.
        """
        async with GreenApiHook(self.green_api_conn_id) as hook:
            alert = self._alert(context, await hook.aconfig())
            if isinstance(alert, GreenApiConfigError):
                raise alert
            _log_sent(await hook.asend_message(*alert))

    def _alert(self, context: Context, config: InstanceConfig) -> tuple[str, str] | GreenApiConfigError:
        """Return chat and text, or the error: it is raised where the text is not in reach."""
        hide = partial(without_secrets, config)
        text = hide(str(self.message or alert_text(context, hide)))
        if leak := leak_in(config, chat_id=self.chat_id, message=text):
            return GreenApiConfigError(leak)
        try:
            chat_id = recipient_of("chat_id", self.chat_id)
        except ValueError as error:
            return GreenApiConfigError(str(error))
        return chat_id, text if len(text) <= SAFE_MESSAGE else text[: SAFE_MESSAGE - 1] + "…"


def _log_sent(id_message: str) -> None:
    log.info("The alert is in the send queue as %s.", id_message)


send_green_api_notification = GreenApiNotifier


# --- what an alert says when nobody wrote a text ---


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
    """Name the exception; below it what it was raised from, which is what to fix."""
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
    return printable(_ADDRESS.sub("…", text.strip().partition("\n")[0]).strip(), _LONGEST_LINE)


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
