"""Alerts into a chat, for callbacks of Dags and tasks and for deadlines."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_green_notify.alert_text import alert_text
from airflow_green_notify.arguments import connection_of, recipient_of, unless_template
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.leaks import leak_in, without_secrets
from airflow_green_notify.protocol.limits import SAFE_MESSAGE

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_green_notify.hooks.connection import InstanceConfig

log = logging.getLogger(__name__)


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
