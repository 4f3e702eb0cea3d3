"""Whatever the gateway hands out passes receive, XCom and delete unharmed, in real Dag runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.bases.operator import chain

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDeleteNotificationOperator,
    GreenApiReceiveNotificationOperator,
)

pytestmark = pytest.mark.airflow


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"in": [value]}
    return value


def message(text: str, **more: Any) -> dict[str, Any]:
    return {
        "typeWebhook": "incomingMessageReceived",
        "idMessage": text,
        "senderData": {"chatId": text, "sender": text, "senderName": text},
        "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}},
        **more,
    }


EXAMPLES = [envelope["body"] for envelope in example_notifications()]
HOSTILE: dict[str, Any] = {
    "empty": {},
    "null": None,
    "text": "{{ ds }}",
    "number": 7,
    "unknown_type": {"typeWebhook": "somethingNew", "newData": {"a": 1}},
    "wrong_types": {"typeWebhook": 5, "senderData": "x", "messageData": [1], "timestamp": "now"},
    "nul": message("a\x00b", **{"\x00": "\x00"}),
    "lone_surrogates": message("\ud800 \udfff", **{"\udc00": "\ud83d"}),
    "emoji_and_scripts": message("\U0001f600 Привет שלום 你好 \u202e\u2028\u2029"),
    "sql": message("'); DROP TABLE xcom; --"),
    "path": message("../../../etc/passwd\n%2e%2e/"),
    "jinja": message("{{ conn.green_api_default.password }} {% for a in b %} {{ 1/0 }} {#"),
    "html": message("<script>alert(1)</script>&amp;"),
    "reserved": {"__classname__": "builtins.eval", "__version__": 1, "__data__": "1+1"},
    "reserved_inside": {"a": [{"__type": "dict", "__var": {"__id__": "x"}}], "__dag_id": 1},
    "huge_integers": {"a": 10**60, "b": [-(2**64), 2**63], "timestamp": 10**30},
    "floats": {"a": 1e300, "b": 1.0, "c": -0.0, "d": 0.1, "e": 5e-324},
    "empty_names": {"": {"": [None, [], {}]}},
    "nested": nested(30),
    "nested_deeply": nested(400),
    "thumbnail": {"messageData": {"fileMessageData": {"jpegThumbnail": "x" * 1000, "caption": "c"}}},
    "large": message("я" * 8_000),
}


def without_thumbnails(value: Any) -> Any:
    text = json.dumps(value)
    return json.loads(text, object_hook=lambda item: {k: v for k, v in item.items() if k != "jpegThumbnail"})


def assert_unharmed(xcoms: list[Any], bodies: list[Any], gateway: GreenApiEmulator) -> None:
    """Each body came through with its key, and was deleted once."""
    received = [Notification.from_dict(xcom) for xcom in xcoms]
    assert [each.key for each in received] == [Notification(0, body).key for body in bodies]
    assert [repr(each.body) for each in received] == [repr(without_thumbnails(body)) for body in bodies]
    assert [item["deletions"] for item in gateway.audit()] == [1] * len(bodies)
    assert gateway.queue() == []


def test_every_body_passes_through_receive_xcom_and_delete(
    run_dag: Callable[..., Any], green_api_connection: GreenApiEmulator
) -> None:
    """All examples and all hostile bodies come out of the metadata database as they came from the gateway."""
    bodies = [*EXAMPLES, *HOSTILE.values()]
    green_api_connection.push(*bodies)
    green_api_connection.switch(rate_limits=False)
    xcoms: list[Any] = []

    with DAG("every_body", schedule=None) as dag:

        @task
        def pass_through(**context: Any) -> None:
            ti = context["ti"]
            for number in range(len(bodies)):
                receive = GreenApiReceiveNotificationOperator(task_id="receive", receive_timeout=0.1)
                ti.xcom_push(key=f"n{number}", value=receive.execute(context))
                xcoms.append(ti.xcom_pull(task_ids="pass_through", key=f"n{number}"))
                delete = GreenApiDeleteNotificationOperator(
                    task_id="delete", notification=xcoms[-1], receive_timeout=0.1
                )
                assert delete.execute(context) is True

        pass_through()

    assert run_dag(dag).state == "success"
    assert_unharmed(xcoms, bodies, green_api_connection)


def test_hostile_bodies_pass_through_tasks_chained_by_output(
    run_dag: Callable[..., Any], green_api_connection: GreenApiEmulator
) -> None:
    """Between tasks, rendered into a template field, nothing in a body is taken for code or template."""
    chained_bodies = {"jinja": HOSTILE["jinja"], "all_at_once": {**HOSTILE, "large": 0, "thumbnail": 0}}
    bodies = list(chained_bodies.values())
    green_api_connection.push(*bodies)
    xcoms: list[Any] = []

    with DAG("chained", schedule=None) as dag:

        @task
        def look(*received: Any) -> None:
            xcoms.extend(received)

        received: list[Any] = []
        chained: list[Any] = []
        for name in chained_bodies:
            receive = GreenApiReceiveNotificationOperator(task_id=f"receive_{name}", receive_timeout=0.1)
            delete = GreenApiDeleteNotificationOperator(
                task_id=f"delete_{name}", notification=receive.output, receive_timeout=0.1, if_gone="fail"
            )
            received.append(receive.output)
            chained += [receive, delete]
        chain(*chained, look(*received))

    assert run_dag(dag).state == "success"
    assert_unharmed(xcoms, bodies, green_api_connection)


def test_body_of_five_megabytes_is_refused_and_stays(
    run_dag: Callable[..., Any], green_api_connection: GreenApiEmulator, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is too large for XCom fails the task at once, names the drain, and deletes nothing."""
    green_api_connection.push(message("long", padding="x" * 5_000_000))
    with DAG("too_large", schedule=None, default_args={"retries": 3}) as dag:
        receive = GreenApiReceiveNotificationOperator(task_id="receive", receive_timeout=0.1)
        GreenApiDeleteNotificationOperator(task_id="delete", notification=receive.output)

    run = run_dag(dag)
    states = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    assert states["receive"] == ("failed", 1)
    assert states["delete"][0] == "upstream_failed"
    assert "GreenApiDrainNotificationsOperator" in "".join(capfd.readouterr())
    assert len(green_api_connection.queue()) == 1
    assert "deleteNotification" not in {request["method"] for request in green_api_connection.requests()}
