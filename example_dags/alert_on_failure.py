"""Tell a chat when a task fails for good, and when it will be tried again.

The alert names the task, the try, what went wrong in a line, and where the log is. It never changes what it
tells of: with a gateway that is down the task's state stays what it was, and its log says why there was no
alert.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from airflow_green_notify.notifiers import GreenApiNotifier

CHAT = "{{ params.chat_id }}"


@dag(
    schedule=None,
    catchup=False,
    tags=["green-api"],
    doc_md=__doc__,
    params={
        "chat_id": Param("120363000000000000@g.us", type="string"),
        "fails": Param(True, type="boolean"),
    },
    default_args={
        "on_failure_callback": GreenApiNotifier(chat_id=CHAT),
        "on_retry_callback": GreenApiNotifier(
            chat_id=CHAT, message="{{ ti.task_id }} failed, and is tried again in a while."
        ),
    },
)
def alert_on_failure() -> None:
    @task(retries=1, retry_delay=0)
    def load(params: dict[str, object] | None = None) -> None:
        if params and params["fails"]:
            raise RuntimeError("The source is not there.")

    load()


alert_on_failure()
