"""The example Dag in which a model answers; a server on loopback stands in its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_green_notify.consume import working
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.stores import read_batch

NOISE = example_notifications()[0]["body"]


class Model(ThreadingHTTPServer):
    """Says how many messages it was shown, and the last of them; fails on what it is told to fail on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        self.server.keys.add(self.headers["Authorization"])
        last = asked["messages"][-1]["content"]
        said = {"message": {"content": f"{len(asked['messages'])}: {last}"}}
        body = json.dumps({"choices": [said]}).encode()
        self.send_response(500 if "fail" in last else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    server = Model()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    connection = {"conn_type": "http", "host": f"http://127.0.0.1:{server.server_port}", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_MODEL", json.dumps(connection))
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def text(words: str, number: int, chat: str = "12025550101@c.us") -> dict[str, Any]:
    message = {"typeMessage": "textMessage", "textMessageData": {"textMessage": words}}
    sender = NOISE["senderData"] | {"chatId": chat}
    return NOISE | {"messageData": message, "senderData": sender, "idMessage": f"3EB0{number:016}"}


def test_model_answers_each_message_with_the_chat_in_mind(
    green_api_connection: GreenApiEmulator,
    run_example: Callable[..., Any],
    warehouse: str,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In order, once; what it fails on is set aside, and what came before the first run is but history."""
    monkeypatch.setattr(working, "pause_after", lambda attempts: 0.01)
    green_api_connection.push(text("Hello", 1))
    assert run_example("answer_with_a_model").state == "success"
    assert green_api_connection.sent() == []
    green_api_connection.push(
        text("Are you there?", 2),
        text("A group", 3, chat="1@g.us"),
        text("Please fail", 4),
        text("And now?", 5),
        text("Hi", 6, chat="12025550102@c.us"),
        {"typeWebhook": "incomingCall"},
    )
    run = run_example("answer_with_a_model")
    result = run.get_task_instance("answer").xcom_pull(task_ids="answer")
    sent = [(each["chatId"], each["message"]) for each in green_api_connection.sent()]
    assert [words for chat, words in sent if chat == "12025550101@c.us"] == [
        "2: Are you there?",
        "4: And now?",
    ]
    assert [words for chat, words in sent if chat != "12025550101@c.us"] == ["1: Hi"]
    assert (result["handled"], result["dead_letters"]) == (3, 1)
    assert [each.text for each in read_batch(result["dead_letter_batch"])] == ["Please fail"]
    assert model.keys == {"Bearer key"}
    assert {each["role"] for asked in model.asked for each in asked["messages"]} == {"user"}
