"""Answer what is known at once, and hand over to a person what isn't; each question is answered once.

A question without a known answer waits under "Required Actions" in Airflow's UI until somebody writes one;
others don't wait for it. The page of questions is committed before anything is sent, so that no other run
answers them: clear a run that failed, and it goes on. Texts of customers are shown as code, not as Markdown.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import HITLEntryOperator
from airflow.sdk import Param, dag, task, task_group

from airflow_green_notify.consume import commit
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiReadNewOperator, GreenApiSendMessageOperator
from airflow_green_notify.stores import SqlStore, read_batch

WAREHOUSE = SqlStore("green_api_warehouse")  # another Dag drains into it, such as stream_to_warehouse
INSTANCE = "green_api_support"
ASKED = {"direction": "incoming", "chat_kind": "private", "text": r"\?"}
OF_INSTANCE = {"body": {"instanceData.idInstance": "{{ conn.green_api_support.login }}"}}
KNOWN = {"open": "We are here from 9 to 18.", "invoice": "It is in the e-mail with your order."}


def known_answer(question: Notification) -> str | None:
    return next((KNOWN[word] for word in KNOWN if word in (question.text or "")), None)


@dag(schedule="* * * * *", catchup=False, max_active_runs=50, tags=["green-api"], doc_md=__doc__)
def support_desk() -> None:
    matching = ASKED | OF_INSTANCE
    read = GreenApiReadNewOperator(
        task_id="read",
        store=WAREHOUSE,
        consumer="support",
        matching=matching,
        start="now",
        skip_if_empty=True,
    )
    answer = GreenApiSendMessageOperator(
        task_id="answer",
        green_api_conn_id=INSTANCE,
        messages=known_answer,
        notifications=read.output,
        retries=3,
    )

    @task
    def hard(page: dict[str, Any]) -> list[dict[str, Any]]:
        questions = [each for each in read_batch(page) if not known_answer(each)]
        return [{"chat_id": q.chat_id, "quoted_message_id": q.id_message, "text": q.text} for q in questions]

    @task_group
    def hand_over(question: dict[str, Any]) -> None:
        body = "    {{ ti.xcom_pull('hard')[ti.map_index].text | indent }}"
        said = {"answer": Param("We will call you back.", type="string")}
        ask = HITLEntryOperator(task_id="ask", subject="A customer asks", body=body, params=said)

        @task
        def words(question: dict[str, Any], person: dict[str, Any]) -> list[dict[str, Any]]:
            where = {name: question[name] for name in ("chat_id", "quoted_message_id")}
            return [where | {"message": person["params_input"]["answer"]}]

        reply = words(question, ask.output)
        GreenApiSendMessageOperator(task_id="reply", green_api_conn_id=INSTANCE, messages=reply, retries=3)

    questions = hard(read.output)
    task(commit)(read.output) >> [answer, questions]
    hand_over.expand(question=questions)


support_desk()
