"""Answer private messages with what a model says: eight chats side by side, each in its order.

The model gets the last twenty messages of the chat. While it thinks for one chat, others go on; what it can't
answer in three attempts is set aside. An answer is sent once, also over a retry of the task; only if that
died just while it sent, and the model says something else then, there may be two.
"""

from __future__ import annotations

import requests
from airflow.sdk import BaseHook, dag, get_current_context

from airflow_green_notify.consume.chat_context import ChatContext
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator, GreenApiProcessStoredOperator
from airflow_green_notify.operators.send_once import Outgoing, SendOnce
from airflow_green_notify.stores import SqlStore

WAREHOUSE = "green_api_warehouse"  # a connection of type sqlite, postgres or mysql
MODEL = "model"  # a connection: the host is the URL of an API such as OpenAI's, the password its key


def ask(turns: list[dict[str, str | None]]) -> str:
    """Return what the model says next."""
    model = BaseHook.get_connection(MODEL)
    url, key = f"{model.host}/v1/chat/completions", {"Authorization": f"Bearer {model.password}"}
    answer = requests.post(url, json={"model": "small", "messages": turns}, headers=key, timeout=(5, 60))
    answer.raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


def reply(notification: Notification, context: ChatContext) -> None:
    roles = {"incoming": "user", "outgoing": "assistant"}
    said = [each for each in context.history(20) if each.text]
    text = ask([{"role": roles.get(str(each.direction), "user"), "content": each.text} for each in said])
    with GreenApiHook() as hook:
        outgoing = Outgoing(str(notification.chat_id), text, notification.id_message)
        send = SendOnce(hook, get_current_context()).send
        name = notification.key  # what makes it the same message, whatever the model says the next time
        send(outgoing, lambda: hook.send_message(outgoing.chat_id, text), name=name, identity=name)


@dag(schedule="* * * * *", catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def answer_with_a_model() -> None:
    drain = GreenApiDrainNotificationsOperator(task_id="drain", store=SqlStore(WAREHOUSE), retries=3)
    drain >> GreenApiProcessStoredOperator(
        task_id="answer",
        store=SqlStore(WAREHOUSE),
        consumer="model",
        matching={"type_webhook": "incomingMessageReceived", "chat_kind": "private", "text": "."},
        handler=reply,
        dead_letter=SqlStore(WAREHOUSE, table="unanswered"),
        start="now",  # what was there before the first run is not answered
        retries=3,
    )


answer_with_a_model()
