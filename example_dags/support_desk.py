"""Answer what is known at once, and hand over to a person what isn't; each question is answered once.

A question without a known answer waits under "Required Actions" in Airflow's UI until somebody writes one.
The page is committed before anything is sent: no other run answers it. Clear a run that failed: it goes on.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import HITLEntryOperator
from airflow.sdk import Param, dag, task, task_group

from airflow_green_notify.consume import commit
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiReadNewOperator, GreenApiSendMessageOperator
from airflow_green_notify.stores import SqlStore, read_batch

STORE = SqlStore("green_api_warehouse")  # another Dag drains into it, such as stream_to_warehouse
OF_DESK = {"instanceData.idInstance": "{{ conn.green_api_support.login }}"}
ASKED = {"direction": "incoming", "chat_kind": "private", "text": r"\?", "body": OF_DESK}
KNOWN = {"open": "We are here from 9 to 18.", "invoice": "It is in the e-mail with your order."}
DESK = {"green_api_conn_id": "green_api_support", "retries": 3}


def known_answer(question: Notification) -> str | None:
    return next((KNOWN[word] for word in KNOWN if word in (question.text or "")), None)


@dag(schedule="* * * * *", catchup=False, max_active_runs=50, tags=["green-api"], doc_md=__doc__)
def support_desk() -> None:
    new = {"store": STORE, "consumer": "support", "matching": ASKED, "start": "now"}
    page = GreenApiReadNewOperator(task_id="read", skip_if_empty=True, **new).output
    answer = GreenApiSendMessageOperator(task_id="answer", messages=known_answer, notifications=page, **DESK)

    @task
    def hard(page: dict[str, Any]) -> list[dict[str, Any]]:
        questions = [each for each in read_batch(page) if not known_answer(each)]
        return [dict(chat_id=q.chat_id, quoted_message_id=q.id_message, message=q.text) for q in questions]

    @task_group
    def hand_over(question: dict[str, Any]) -> None:
        body = "    {{ ti.xcom_pull('hard')[ti.map_index].message | indent }}"
        entry = {"answer": Param("We will call you back.", type="string")}
        ask = HITLEntryOperator(task_id="ask", subject="A customer asks", body=body, params=entry)

        @task
        def words(question: dict[str, Any], person: dict[str, Any]) -> list[dict[str, Any]]:
            return [question | {"message": person["params_input"]["answer"]}]

        GreenApiSendMessageOperator(task_id="reply", messages=words(question, ask.output), **DESK)

    questions = hard(page)
    task(commit)(page) >> [answer, questions]
    hand_over.expand(question=questions)


support_desk()
