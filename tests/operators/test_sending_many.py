"""Many messages in one task: from a list, or as answers to a batch, each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, task

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.errors import GreenApiTransportError
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiSendMessageOperator,
)
from airflow_green_notify.operators.messages import Request, SendReport
from airflow_green_notify.stores import ObjectStorageStore
from airflow_green_notify.templating import as_is
from tests.frames import locals_of

CHAT = "12025550101@c.us"
BODY = example_notifications()[0]["body"]


@pytest.fixture
def green_api_switches() -> dict[str, Any]:
    return {"rate_limits": False}


def incoming(number: int) -> Notification:
    """An incoming message from a chat of its own, which counts up."""
    chat_id = f"1202555{number:04}@c.us"
    sender = BODY["senderData"] | {"chatId": chat_id}
    message = {"typeMessage": "textMessage", "textMessageData": {"textMessage": f"text {number}"}}
    return Notification(
        number + 1, BODY | {"idMessage": f"ID{number}", "senderData": sender, "messageData": message}
    )


def answer(notification: Notification) -> str:
    return f"You wrote: {notification.text}"


def operator(messages: Any, **arguments: Any) -> GreenApiSendMessageOperator:
    return GreenApiSendMessageOperator(task_id="send", messages=messages, journal_lag=0.3, **arguments)


def sent(gateway: GreenApiEmulator) -> list[tuple[str, str]]:
    return [(item["chatId"], item["message"]) for item in gateway.sent()]


def texts(gateway: GreenApiEmulator) -> list[str]:
    return [text for _, text in sent(gateway)]


# --- what is sent ---


def test_answers_to_a_batch_in_a_real_dag_run(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    """Drained, answered in order into the chats they came from, and told by their ids."""
    green_api_connection.push(*(incoming(number).body for number in range(5)))
    with DAG("dag_of_answers", schedule=None) as dag:
        drained = GreenApiDrainNotificationsOperator(
            task_id="drain", store=ObjectStorageStore(tmp_path), receive_timeout=0.1, until=None
        )
        operator(answer, notifications=drained.output)
    run = run_dag(dag)
    assert sent(green_api_connection) == [(f"1202555{n:04}@c.us", f"You wrote: text {n}") for n in range(5)]
    assert run.get_task_instance("send").xcom_pull(task_ids="send") == {
        "sent": 5,
        "id_messages": [item["idMessage"] for item in green_api_connection.sent()],
        "unanswered": 0,
        "refused_count": 0,
        "refused": [],
    }


def test_function_may_answer_nothing_a_text_a_dict_or_several(
    green_api_connection: GreenApiEmulator,
) -> None:
    """A text goes into the chat that it answers; a dict may name another, and quote."""
    given = [
        None,
        "a text",
        {"message": "quoting", "quoted_message_id": "3EB0C767D26A1D7F21C2"},
        {"chat_id": CHAT, "message": "elsewhere"},
        ["one", None, {"message": "two"}],
    ]
    notifications = [incoming(number) for number in range(5)]
    report = operator(lambda item: given[item.receipt_id - 1], notifications=notifications).execute({})
    chats = [item.chat_id for item in notifications]
    assert sent(green_api_connection) == [
        (chats[1], "a text"),
        (chats[2], "quoting"),
        (CHAT, "elsewhere"),
        (chats[4], "one"),
        (chats[4], "two"),
    ]
    assert green_api_connection.sent()[1]["quotedMessageId"] == "3EB0C767D26A1D7F21C2"
    assert (report["sent"], report["unanswered"]) == (5, 2)


def test_list_of_messages_goes_into_the_named_chat_or_that_of_the_operator(
    green_api_connection: GreenApiEmulator,
) -> None:
    """Texts and dicts; a chat of their own comes first."""
    other = {"chat_id": "12025550102@c.us", "message": "there"}
    report = operator(["here", {"message": "here, too"}, other, None], chat_id=CHAT).execute({})
    assert sent(green_api_connection) == [
        (CHAT, "here"),
        (CHAT, "here, too"),
        ("12025550102@c.us", "there"),
    ]
    assert report["sent"] == 3


def test_chat_of_the_operator_takes_all_answers(green_api_connection: GreenApiEmulator) -> None:
    """So that what comes in is told to one chat."""
    operator(answer, notifications=[incoming(0), incoming(1)], chat_id=CHAT).execute({})
    assert {chat_id for chat_id, _ in sent(green_api_connection)} == {CHAT}


def test_same_text_twice_in_a_list_is_sent_twice(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Also where the second's answer is lost, and the first is there to be taken for it."""
    messages = [{"chat_id": CHAT, "message": "Hi"}] * 2
    green_api_connection.fault("cut_before", method="sendMessage", after=1)
    with pytest.raises(GreenApiTransportError):
        operator(messages).execute(context)
    report = operator(messages).execute(context)
    assert texts(green_api_connection) == ["Hi", "Hi"]
    assert report["id_messages"] == [item["idMessage"] for item in green_api_connection.sent()]


def test_messages_of_mapped_batches_and_of_a_list_with_outputs(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """partial() takes the function, expand() the batches; outputs in a list are waited for."""
    with DAG("dag_of_mapped_answers", schedule=None) as dag:

        @task
        def batches() -> list[Any]:
            return [[incoming(0).as_dict()], [incoming(1).as_dict()]]

        @task
        def summary() -> str:
            return "{{ all good }}"

        GreenApiSendMessageOperator.partial(task_id="mapped", messages=answer).expand(notifications=batches())
        told = operator(["first", {"message": summary()}], chat_id=CHAT)
        assert told.upstream_task_ids == {"summary"}
    assert run_dag(dag).state == "success"
    assert sorted(texts(green_api_connection)) == [
        "You wrote: text 0",
        "You wrote: text 1",
        "first",
        "{{ all good }}",
    ]


# --- retries ---


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "500", "500_after"])
def test_retry_goes_on_where_an_outage_stopped_it(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any], fault: str
) -> None:
    """Each is sent once and in order, with the ids of both tries in the result."""
    green_api_connection.fault(fault, method="sendMessage", after=2)
    green_api_connection.fault("status", status=403, method="showMessagesQueue", times=1)
    with DAG("dag_of_retried_answers", schedule=None) as dag:
        operator(
            answer,
            notifications=[incoming(number) for number in range(5)],
            retries=1,
            retry_delay=timedelta(0),
        )
    ti = run_dag(dag).get_task_instance("send")
    assert (ti.state, ti.try_number) == ("success", 2)
    assert texts(green_api_connection) == [f"You wrote: text {number}" for number in range(5)]
    ids = [item["idMessage"] for item in green_api_connection.sent()]
    assert ti.xcom_pull(task_ids="send")["id_messages"] == ids


def test_retry_sends_no_second_answer_though_the_function_gives_another(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """An answer is known by what it answers."""
    numbers = iter(range(100))
    function = lambda notification: f"{notification.text}, {next(numbers)}"  # noqa: E731
    green_api_connection.fault("cut_before", method="sendMessage", after=2)
    notifications = [incoming(number) for number in range(4)]
    with pytest.raises(GreenApiTransportError):
        operator(function, notifications=notifications).execute(context)
    operator(function, notifications=notifications).execute(context)
    assert texts(green_api_connection) == ["text 0, 0", "text 1, 1", "text 2, 5", "text 3, 6"]


def test_retry_without_task_state_sends_what_the_gateway_does_not_show(
    green_api_connection: GreenApiEmulator,
) -> None:
    """Airflow below 3.3: it waits once for the journal, and takes each message there for one of its own."""
    messages = [{"chat_id": CHAT, "message": text} for text in ("same", "same", "same", "last")]
    began = datetime.now(UTC)
    green_api_connection.fault("cut_before", method="sendMessage", after=2)
    with pytest.raises(GreenApiTransportError):
        operator(messages).execute({})
    green_api_connection.clear_requests()
    retry: Any = {"dag_run": SimpleNamespace(start_date=began), "ti": SimpleNamespace(try_number=2)}
    report = operator(messages).execute(retry)
    assert texts(green_api_connection) == ["same", "same", "same", "last"]
    assert {*report["id_messages"]} == {item["idMessage"] for item in green_api_connection.sent()}
    methods = [item["method"] for item in green_api_connection.requests()]
    assert methods.count("lastOutgoingMessages") == 2


def test_messages_in_each_iteration_of_a_loop_are_sent(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Iterations share the task's state and its map index, and send all the same."""
    for index in (0, 1, 1):
        operator(["Hi"], chat_id=CHAT).execute(context | {"loop": SimpleNamespace(index=index)})
    assert texts(green_api_connection) == ["Hi", "Hi"]


def test_messages_without_deduplicate_are_sent_by_each_try(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Nothing is noted, and nothing looked for."""
    for _ in range(2):
        operator(["Hi"], chat_id=CHAT, deduplicate=False).execute(context)
    assert (texts(green_api_connection), context["task_state_store"]) == (["Hi", "Hi"], {})


# --- refusals ---


def refusable(gateway: GreenApiEmulator) -> Iterator[Any]:
    """Messages of which each but the last is refused for another reason."""
    yield {"chat_id": CHAT, "message": " "}
    yield {"chat_id": CHAT, "message": "x" * 20001}
    yield {"chat_id": CHAT, "text": "x"}
    yield {"chat_id": CHAT, "message": None}
    yield "no chat"
    yield 42
    yield {"chat_id": CHAT, "message": f"so: {gateway.api_token}"}
    yield {"chat_id": "12025550102@c.us", "message": "beyond the quota"}
    yield {"chat_id": CHAT, "message": "good"}


REASONS = [
    "The message is empty.",
    "The message has 20001 characters",
    "A message has 'text', which is unknown",
    "A message has no text",
    "A message has no chat_id",
    "A message is of type int",
    "message holds the token",
    "sendMessage was refused with 466",
]


@pytest.mark.parametrize("on_refused", ["fail", "list"])
def test_refused_messages_hold_up_no_others(
    green_api_connection: GreenApiEmulator, context: Any, on_refused: Any
) -> None:
    """All others are sent first; then the task fails at once, or lists them."""
    green_api_connection.switch(quota_chats=1)
    messages = [{"chat_id": CHAT, "message": "first"}, *refusable(green_api_connection)]
    task = operator(messages, on_refused=on_refused)
    if on_refused == "list":
        report = task.execute(context)
        assert [item["position"] for item in report["refused"]] == list(range(1, 9))
        assert report["refused_count"] == 8
        for item, reason in zip(report["refused"], REASONS, strict=True):
            assert item["error"].startswith(reason)
        assert green_api_connection.api_token not in str(report)
    else:
        with pytest.raises(AirflowFailException, match=r"^8 messages were refused .* The first: The message"):
            task.execute(context)
    assert texts(green_api_connection) == ["first", "good"]


def test_refused_chat_is_listed_with_the_notification(green_api_connection: GreenApiEmulator) -> None:
    """The gateway's 400 is about one chat."""
    body = '{"message": "Validation failed. Details: chatId"}'
    green_api_connection.fault("status", status=400, body=body, method="sendMessage")
    notifications = [incoming(0), incoming(1)]
    report = operator(answer, notifications=notifications, on_refused="list").execute({})
    (refused,) = report["refused"]
    assert (refused["key"], report["sent"]) == (notifications[0].key, 1)
    assert "Validation failed" in refused["error"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401, "body": ""},
        {"status": 403, "body": "Your account is suspended"},
        {"status": 400, "body": "Instance account is expired"},
        {"status": 404, "body": ""},
    ],
)
def test_refusal_of_the_instance_ends_it_at_once(
    green_api_connection: GreenApiEmulator, context: Any, fault: dict[str, Any]
) -> None:
    """What no message can get past is asked once."""
    green_api_connection.fault("status", method="sendMessage", times=None, **fault)
    with pytest.raises(AirflowFailException, match="sendMessage was refused"):
        operator(["a", "b", "c"], chat_id=CHAT).execute(context)
    assert [item["method"] for item in green_api_connection.requests()] == ["sendMessage"]


def test_failed_task_that_is_cleared_sends_the_refused_ones_alone(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """With the plan changed, the rest goes out, and nothing a second time."""
    green_api_connection.switch(quota_chats=1)
    messages = [{"chat_id": f"1202555010{number}@c.us", "message": "Hi"} for number in range(3)]
    with pytest.raises(AirflowFailException, match="2 messages were refused"):
        operator(messages).execute(context)
    green_api_connection.switch(quota_chats=None)
    operator(messages).execute(context)
    assert [chat_id for chat_id, _ in sent(green_api_connection)] == [item["chat_id"] for item in messages]


def test_function_that_fails_stops_there(green_api_connection: GreenApiEmulator, context: Any) -> None:
    """Its error is its own; the retry begins with the notification it failed on."""
    failing = [True]

    def function(notification: Notification) -> str:
        if notification.receipt_id == 2 and failing.pop():
            raise LookupError("no such customer")
        return answer(notification)

    notifications = [incoming(0), incoming(1)]
    with pytest.raises(LookupError):
        operator(function, notifications=notifications).execute(context)
    failing.append(False)
    operator(function, notifications=notifications).execute(context)
    assert texts(green_api_connection) == ["You wrote: text 0", "You wrote: text 1"]


def test_error_in_the_middle_shows_no_token_in_any_frame(
    green_api_connection: GreenApiEmulator, context: Any
) -> None:
    """Tools that report errors keep the locals of every frame."""
    messages = [{"chat_id": CHAT, "message": f"so: {green_api_connection.api_token}"}]
    with pytest.raises(AirflowFailException) as raised:
        operator(messages).execute(context)
    assert not [text for text in locals_of(raised.value) if green_api_connection.api_token in text]
    green_api_connection.fault("status", status=401, body="", method="sendMessage")
    with pytest.raises(AirflowFailException) as raised:
        operator(["Hi"], chat_id=CHAT).execute(context)
    mine = [text for text in locals_of(raised.value) if "operators" in text or "send" in text]
    assert not [text for text in mine if green_api_connection.api_token in text]


# --- arguments ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either message= or messages="),
        ({"chat_id": CHAT, "message": "x", "messages": ["x"]}, "either message= or messages="),
        ({"message": "x"}, "needs chat_id="),
        ({"message": "x", "chat_id": CHAT, "notifications": []}, "no notifications="),
        ({"messages": answer}, "notifications= must say"),
        ({"messages": ["x"], "notifications": []}, "goes with a function"),
        ({"messages": "x"}, "messages is 'x'; it must be a list"),
        ({"messages": {"chat_id": CHAT}}, "it must be a list"),
        ({"messages": 5}, "messages is 5"),
        ({"messages": ["x"], "on_refused": "skip"}, "on_refused is 'skip'"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], words: str) -> None:
    """The text names the argument, and what is allowed."""
    with pytest.raises(ValueError, match=words):
        GreenApiSendMessageOperator(task_id="send", **arguments)


def test_async_function_is_refused_when_the_dag_is_parsed() -> None:
    """Its answer would never be awaited."""

    async def later(notification: Notification) -> str:
        return "x"

    with pytest.raises(ValueError, match="async"):
        operator(later, notifications=[])


@pytest.mark.parametrize("arguments", [{"message": "x"}, {"messages": ["x"]}])
def test_argument_that_turns_out_to_be_nothing_is_refused(
    green_api_connection: GreenApiEmulator, arguments: dict[str, Any]
) -> None:
    """A task that was marked a success by a person returns nothing."""
    task = GreenApiSendMessageOperator(task_id="send", chat_id=CHAT, **arguments)
    task.message = task.messages = None
    with pytest.raises(AirflowFailException, match="marked a success"):
        task.execute({})
    assert green_api_connection.requests() == []


def test_notifications_that_are_none_are_refused(green_api_connection: GreenApiEmulator) -> None:
    """In words, before anything is sent."""
    with pytest.raises(AirflowFailException, match="notifications must be a batch description"):
        operator(answer, notifications={"nonsense": 1}).execute({})
    assert green_api_connection.requests() == []


def test_function_and_list_are_shown_the_same_by_each_process() -> None:
    """What stands in a serialized Dag must not change from parse to parse."""
    assert repr(as_is(answer)) == f"{__name__}.answer"
    assert repr(as_is(["a"])) == "['a']"


def test_report_of_many_messages_stays_small() -> None:
    """It counts all, and names the first of them."""
    report = SendReport(id_messages=["x" * 32] * 5000)
    for position in range(500):
        report.note_refusal(position, Request("", "", incoming(0)), GreenApiTransportError("y" * 5000))
    told = report.as_dict()
    assert (told["sent"], told["refused_count"]) == (5000, 500)
    assert len(str(told)) < 128 * 1024
