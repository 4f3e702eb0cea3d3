"""A text from a chat is never a template, whichever way it reaches an operator that sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, Metadata, Param, task, task_group

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiSendFileOperator, GreenApiSendMessageOperator

CHAT = "12025550101@c.us"
TEXT = "{{ conn.green_api_default.password }} {{ 7 * 7 }} {% for x in [1] %}"
"""What a stranger writes. As a template it would give the token away, or fail."""

BODY = next(
    item["body"]
    for item in example_notifications()
    if item["body"]["typeWebhook"] == "incomingMessageReceived"
)


def notification_of(text: str) -> dict[str, Any]:
    """An incoming message in XCom's form."""
    message_data = {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}}
    return Notification(1, BODY | {"messageData": message_data}).as_dict()


def echo(notification: Notification) -> str | None:
    return notification.text


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return {"rate_limits": False}


@pytest.mark.slow
def test_text_from_a_chat_is_sent_as_it_is_by_every_way(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Outputs, Jinja, mapping of each kind, params, conf, an asset's extra, batches: the text itself."""
    (tmp_path / "a.txt").write_text("content")
    notices = Asset("notices")
    arguments = {"chat_id": "{{ params.chat }}"}

    def send(task_id: str, **more: Any) -> GreenApiSendMessageOperator:
        return GreenApiSendMessageOperator(task_id=task_id, **more)

    with DAG(
        "dag_of_chat_texts",
        schedule=None,
        params={"text": Param(TEXT), "chat": Param(CHAT)},
        default_args=arguments,
    ) as dag:

        @task(outlets=[notices])
        def source(params: Any = None) -> Any:
            yield Metadata(notices, {"text": params["text"]})
            return params["text"]

        @task
        def texts(params: Any = None) -> list[str]:
            return [params["text"]]

        @task
        def kwargs(params: Any = None) -> list[dict[str, Any]]:
            return [{"message": params["text"]}]

        @task
        def kwargs_of_one(params: Any = None) -> dict[str, Any]:
            return {"message": params["text"]}

        @task
        def kwargs_of_file(params: Any = None) -> list[dict[str, Any]]:
            return [{"caption": params["text"]}]

        @task
        def kwargs_of_batch(params: Any = None) -> list[dict[str, Any]]:
            return [{"notifications": [notification_of(params["text"])]}]

        @task
        def items(params: Any = None) -> list[dict[str, Any]]:
            return [{"chat_id": CHAT, "message": params["text"]}]

        @task
        def received(params: Any = None) -> dict[str, Any]:
            return notification_of(params["text"])

        @task_group
        def group(message: Any) -> None:
            send("send", message=message)

        text, many, mapped, one = source(), texts(), kwargs(), received()
        send("output", message=text)
        send("interpolated", message=f"{text}") << text
        send("pulled", message="{{ ti.xcom_pull('source') }}") << text
        send("of_params", message="{{ params.text }}")
        send("of_conf", message="{{ dag_run.conf['text'] }}")
        (
            send("of_extra", inlets=[notices], message="{{ inlet_events[task.inlets[0]][-1].extra['text'] }}")
            << text
        )
        send("of_list", messages=items())
        send("of_list_in_file", messages=[{"message": text}, TEXT])
        send("of_function", messages=echo, notifications=one)
        send("of_function_on_list", messages=echo, notifications=[one])
        GreenApiSendMessageOperator.partial(task_id="expand").expand(message=many)
        GreenApiSendMessageOperator.partial(task_id="expand_kwargs").expand_kwargs(mapped)
        GreenApiSendMessageOperator.partial(task_id="expand_kwargs_of_one").expand_kwargs([kwargs_of_one()])
        GreenApiSendMessageOperator.partial(task_id="expand_kwargs_of_batch", messages=echo).expand_kwargs(
            kwargs_of_batch()
        )
        GreenApiSendFileOperator.partial(task_id="caption", file=tmp_path / "a.txt").expand_kwargs(
            kwargs_of_file()
        )
        group.expand(message=many)
        group.override(group_id="group_2").expand_kwargs(mapped)

    run = run_dag(dag, run_conf={"text": TEXT})
    failed = {ti.task_id for ti in run.get_task_instances() if ti.state != "success"}
    sent = [item.get("message", item.get("caption")) for item in green_api_connection.sent()]
    assert (failed, sent) == (set(), [TEXT] * 18)
    assert {item["chatId"] for item in green_api_connection.sent()} == {CHAT}


def test_template_of_the_dag_file_is_rendered_beside_a_text_from_a_chat(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """What partial(), and a list in the Dag's file, give to expand_kwargs stays a template."""
    with DAG("dag_of_file_templates", schedule=None, params={"chat": Param(CHAT)}) as dag:

        @task
        def chats() -> list[dict[str, Any]]:
            return [{"chat_id": "12025550102@c.us"}]

        GreenApiSendMessageOperator.partial(task_id="partial", message="{{ 1 + 1 }}").expand_kwargs(chats())
        GreenApiSendMessageOperator.partial(task_id="listed", chat_id="{{ params.chat }}").expand_kwargs(
            [{"message": "{{ 1 + 2 }}"}]
        )
    assert run_dag(dag).state == "success"
    assert sorted((item["chatId"], item["message"]) for item in green_api_connection.sent()) == [
        (CHAT, "3"),
        ("12025550102@c.us", "2"),
    ]
