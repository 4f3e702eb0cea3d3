"""The control plane over HTTP: the same functions as in Python."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from airflow_green_notify.emulator import control_routes, example_notifications


def read(client: Any, name: str, **query: str) -> Any:
    """Read from the control plane."""
    return requests.get(f"{client.gateway.url}/_emulator/{name}", params=query, timeout=20).json()


def push(client: Any, lines: str, **query: str) -> requests.Response:
    """Push lines of JSON."""
    url, headers = f"{client.gateway.url}/_emulator/push", {"Content-Type": "application/x-ndjson"}
    return requests.post(url, data=lines.encode(), params=query, headers=headers, timeout=20)


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", " "])
def test_push_takes_lines_of_json(client: Any, separator: str) -> None:
    """NDJSON in any spacing is pushed line by line; envelopes are unwrapped."""
    examples = example_notifications()
    text = separator.join(json.dumps(each) for each in examples)
    answer = push(client, text)
    assert answer.json() == {"pushed": 80}
    assert client.gateway.queue() == [each["body"] for each in examples]


def test_push_takes_one_pretty_printed_body(client: Any) -> None:
    """A single body may span lines."""
    push(client, '{\n  "a": [\n 1]\n}\n')
    assert client.gateway.queue() == [{"a": [1]}]


def test_push_traffic_fills_the_queue(client: Any) -> None:
    """Realistic traffic can be asked for by number."""
    assert client.control("push_traffic", seed=3, n=10).json() == 10
    assert len(client.gateway.queue()) == 10


@pytest.mark.parametrize("name", sorted(control_routes.READ))
def test_reading_answers_what_python_does(client: Any, name: str) -> None:
    """The readings are those of the method of the same name."""
    client.gateway.push({"n": 1})
    client.receive()
    client.post("sendMessage", chatId="1@c.us", message="a")
    assert read(client, name) == getattr(client.gateway, name)()
    assert read(client, name)


def test_switches_settings_and_state_can_be_set(client: Any) -> None:
    """Whatever a test can set in Python, another process can."""
    assert client.control("switch", idle="empty").json()["idle"] == "empty"
    assert client.control("settings", webhookUrl="http://x").json()["webhookUrl"] == "http://x"
    client.control("settings", webhookUrl="")
    assert client.get("receiveNotification", receiveTimeout=0).content == b""
    client.control("state", value="notAuthorized")
    assert client.get("getStateInstance").json() == {"stateInstance": "notAuthorized"}


def test_faults_can_be_scripted_and_cleared(client: Any) -> None:
    """Faults with their details, random ones, and their end."""
    client.control("fault", kind="status", status=499, method="getStateInstance", times=None)
    assert client.get("getStateInstance").status_code == 499
    client.control("faults_at_random", seed=1, probabilities={"502": 1.0})
    assert client.get("getSettings").status_code == 502
    client.control("clear_faults")
    assert client.get("getStateInstance").status_code == 200


def test_clock_and_receipts_can_be_moved(client: Any) -> None:
    """Receipt ids restart, and a day passes."""
    client.gateway.push({"n": 1})
    client.receive()
    client.control("restart_receipts")
    assert client.delete(1).json()["result"] is False
    client.control("advance", seconds=86400)
    assert read(client, "queue") == []
    client.control("clear_requests")
    assert read(client, "requests") == []


def test_replies_statuses_and_files_can_be_made(client: Any) -> None:
    """The sending half is within reach as well."""
    client.control("reply", pattern="Deploy", text="yes")
    client.control("deliver_as", statuses=["failed"])
    client.post("sendMessage", chatId="1@c.us", message="Deploy?")
    failed, reply = read(client, "queue")
    assert failed["status"] == "failed"
    assert reply["messageData"]["extendedTextMessageData"]["text"] == "yes"
    url = client.control("media", name="a.bin", size=10).json()
    assert len(client.session.get(url).content) == 10
    assert client.control("media_sha256", url=url).json() == client.gateway.media_sha256(url)
    body = client.control("media_message", name="a.pdf", size=10).json()
    assert read(client, "queue")[-1] == body


def test_instances_can_be_added_and_addressed(client: Any) -> None:
    """A further instance has its own queue, reached by its id."""
    added = client.control("add_instance", type_instance="telegram", idle="empty").json()
    assert added["typeInstance"] == "telegram"
    introductions = read(client, "instances")
    assert [each["idInstance"] for each in introductions] == [client.gateway.id_instance, added["idInstance"]]
    assert json.loads(introductions[0]["connection"])["password"] == client.gateway.api_token
    push(client, "{}", instance=added["idInstance"])
    assert read(client, "queue", instance=added["idInstance"]) == [{}]
    assert read(client, "queue") == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("push", b"{"),
        ("push", b"\xff"),
        ("fault", b'{"kind": "sabotage"}'),
        ("state", b"{}"),
        ("switch", b'{"idle": "x"}'),
        ("state?instance=9", b'{"value": "authorized"}'),
        ("media_sha256", b'{"url": "x"}'),
    ],
)
def test_wrong_use_is_a_bad_request(client: Any, name: str, body: bytes) -> None:
    """A mistake is answered with 400 and its reason."""
    url = f"{client.gateway.url}/_emulator/{name}"
    answer = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=20)
    assert answer.status_code == 400
    assert answer.text


def test_unknown_route_and_verb_are_told(client: Any) -> None:
    """Nothing but the listed names is reachable."""
    url = f"{client.gateway.url}/_emulator/"
    assert requests.get(url + "stop", timeout=20).status_code == 404
    assert requests.post(url + "stop", json={}, timeout=20).status_code == 404
    assert requests.delete(url + "queue", timeout=20).status_code == 405


def test_every_route_is_in_the_table_of_the_docstring() -> None:
    """The module's table lists what there is."""
    for name in control_routes.READ | control_routes.CALL | {"push", "add_instance", "instances"}:
        assert f"``{name}``" in str(control_routes.__doc__)
