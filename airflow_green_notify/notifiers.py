"""Alerts into a chat, for callbacks of Dags and tasks and for deadlines."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_green_notify.alert_text import alert_text
from airflow_green_notify.arguments import connection_of, recipient_of, unless_template
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.protocol.limits import SAFE_MESSAGE

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class GreenApiNotifier(BaseNotifier):
    """Sends an alert into a chat when a Dag or a task changes its state, or misses a deadline.

    An alert is sent at most once. It never raises: for a gateway that is down, or a connection that is wrong,
    the log says why there was no alert, and the state of the task stays what it was. A crash before the
    gateway answered may lose it.

    .. code-block:: python

        on_failure_callback = GreenApiNotifier(chat_id="120363000000000000@g.us")

    :param chat_id: Such as ``12025550101@c.us``, a group's ``…@g.us``, or digits (Telegram, MAX).
    :param message: The text. By default it tells Dag, task, run, try and where the log is. What is longer
        than 4000 characters, which every product takes, is cut.
    :param green_api_conn_id: The connection, of type ``green_api``.

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
        """Send the alert from a callback."""
        try:
            with GreenApiHook(self.green_api_conn_id) as hook:
                _log_sent(hook.send_message(self._recipient(), self._text(context)))
        except Exception as error:
            _log_failure(error)

    async def async_notify(self, context: Context) -> None:
        """Send the alert from the triggerer, as for a missed deadline."""
        try:
            async with GreenApiHook(self.green_api_conn_id) as hook:
                _log_sent(await hook.asend_message(self._recipient(), self._text(context)))
        except Exception as error:
            _log_failure(error)

    def _recipient(self) -> str:
        return recipient_of("chat_id", self.chat_id)

    def _text(self, context: Context) -> str:
        text = str(self.message or alert_text(context))
        return text if len(text) <= SAFE_MESSAGE else text[: SAFE_MESSAGE - 1] + "…"


def _log_sent(id_message: str) -> None:
    log.info("The alert is in the send queue as %s.", id_message)


def _log_failure(error: Exception) -> None:
    log.error("No alert was sent: %s: %s", type(error).__name__, error)


send_green_api_notification = GreenApiNotifier
