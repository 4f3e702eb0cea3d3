"""Links from the page of a task: to this provider's own page, and to the instance in the vendor's console."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.sdk import BaseOperatorLink

from airflow_green_notify.errors import GreenApiError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

log = logging.getLogger(__name__)

PAGE = "green-api/"  # relative: the UI resolves it against its base, with whatever prefix it lies behind
CONSOLE = "https://console.green-api.com/instanceList/"


class GreenApiPageLink(BaseOperatorLink):
    """The page in Airflow's UI that shows what drains, consumers and watchers report."""

    name = "GREEN-API"
    xcom_key = "green_api_page_link"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return its address, relative to that of the UI."""
        return PAGE


class GreenApiConsoleLink(BaseOperatorLink):
    """The instance in the vendor's console. A fleet has none; its page names the instances."""

    name = "GREEN-API console"
    xcom_key = "green_api_console_link"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return its address, which ends with the idInstance; empty where the connection is wrong."""
        task: Any = operator
        if not isinstance(task.green_api_conn_id, str):
            return ""
        try:
            return f"{CONSOLE}{task.hook.config.id_instance}"
        except (GreenApiError, AirflowException):  # the task itself fails by it, in words
            return ""


LINKS = (GreenApiPageLink(), GreenApiConsoleLink())


def push_links(operator: BaseOperator, context: Context) -> None:
    """Push the links of a task that starts: Airflow does so at its end, which a stream never sees.

    It costs the task nothing if that fails. With ``do_xcom_push=False`` Airflow's own way has to do.
    """
    if not operator.do_xcom_push:
        return
    for link in LINKS:
        try:
            if url := link.get_link(operator, ti_key=None):
                context["ti"].xcom_push(key=link.xcom_key, value=url)
        except Exception as error:
            log.warning("The link %r is there only when the task has ended: %s", link.name, error)
