"""Whatever is sent to the emulator: no failure of its own, and an audit that is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_green_notify.emulator import GatewayInstance, GreenApiEmulator
from tests.fuzz.conftest import EXAMPLES
from tests.fuzz.values import Body, bodies, is_same, scalars, texts, values

pytestmark = pytest.mark.fuzz

HOUR = 3600
METHODS = ["setSettings", "sendMessage", "sendFileByUrl", "downloadFile"]
READINGS = ["audit", "queue", "requests", "sent", "instances"]
CALLS = [
    "push_traffic",
    "clear_requests",
    "switch",
    "settings",
    "state",
    "restart_receipts",
    "advance",
    "fault",
    "faults_at_random",
    "clear_faults",
    "reply",
    "deliver_as",
    "media",
    "media_message",
    "media_sha256",
    "add_instance",
]

_http = requests.Session()


@pytest.fixture(scope="module")
def gateway() -> Iterator[GreenApiEmulator]:
    with GreenApiEmulator(rate_limits=False) as gateway:
        QueueMachine.gateway = gateway
        yield gateway


def asked(instance: GatewayInstance, verb: str, method: str, rest: str = "", **how: Any) -> requests.Response:
    """Send a request to an imitated method."""
    url = json.loads(instance.connection)["host"]
    path = f"/waInstance{instance.id_instance}/{method}/{instance.api_token}{rest}"
    return _http.request(verb, url + path, timeout=30, **how)


def told(gateway: GreenApiEmulator, name: str, body: bytes, **query: str) -> requests.Response:
    """Send a request to the control plane."""
    headers = {"Content-Type": "application/json"}
    return _http.post(f"{gateway.url}/_emulator/{name}", body, params=query, headers=headers, timeout=30)


class QueueMachine(RuleBasedStateMachine):
    """One instance's queue, from a push to a delete.

    The model: what waits, what each receipt id stands for, and what became of each.
    """

    gateway: GreenApiEmulator

    def __init__(self) -> None:
        super().__init__()
        self.instance = self.gateway.add_instance(rate_limits=False)
        self.pushed: list[Any] = []
        self.ages: list[int] = []
        self.waiting: list[int] = []
        self.receipts: dict[int, int] = {}
        self.ends: dict[int, str] = {}

    @rule(bodies=st.lists(bodies, max_size=3), over_http=st.booleans())
    def push(self, bodies: list[Body], over_http: bool) -> None:
        """Notifications arrive."""
        values = [body.value for body in bodies if _is_json(body.value)]
        self.waiting += range(len(self.pushed), len(self.pushed) + len(values))
        self.pushed += values
        self.ages += [0] * len(values)
        if not over_http:
            assert self.instance.push(*values) == len(values)
            return
        lines = "\n".join(map(json.dumps, values)).encode()
        answer = told(self.gateway, "push", lines, instance=self.instance.id_instance)
        assert answer.json() == {"pushed": len(values)}

    @rule()
    def receive(self) -> None:
        """A consumer looks at the head."""
        answer = asked(self.instance, "GET", "receiveNotification", params={"receiveTimeout": 0})
        assert answer.status_code == 200
        if not self.waiting:
            assert answer.content == b"null"
            return
        envelope = answer.json()
        assert is_same(envelope["body"], self.pushed[self.waiting[0]])
        self.receipts[envelope["receiptId"]] = self.waiting[0]

    @rule(times=st.integers(1, 4))
    def consume(self, times: int) -> None:
        """A consumer receives and deletes, one after the other."""
        for _ in range(min(times, len(self.waiting))):
            head = self.waiting[0]
            self.receive()
            self.delete_receipt(next(receipt for receipt, number in self.receipts.items() if number == head))

    @precondition(lambda self: self.receipts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A consumer deletes what it was shown, now or long ago."""
        self.delete_receipt(data.draw(st.sampled_from(sorted(self.receipts))))

    def delete_receipt(self, receipt: int) -> None:
        number = self.receipts[receipt]
        answer = asked(self.instance, "DELETE", "deleteNotification", f"/{receipt}")
        assert answer.json()["result"] is (number in self.waiting)
        self._end([number] if number in self.waiting else [], "deleted_at")

    @rule(rest=texts.map(lambda text: requests.utils.quote(text.encode("utf-8", "replace"), safe="")))
    def delete_nonsense(self, rest: str) -> None:
        """A client sends something that is no receipt id."""
        if not rest.isdecimal():
            answer = asked(self.instance, "DELETE", "deleteNotification", f"/{rest}")
            assert "emulator failed" not in answer.text

    @rule()
    def restart_receipts(self) -> None:
        """The gateway forgets which receipt id stands for what."""
        told(self.gateway, "restart_receipts", b"", instance=self.instance.id_instance)
        self.receipts.clear()

    @rule(hours=st.sampled_from([1, 5, 11, 25]))
    def advance(self, hours: int) -> None:
        """Time passes, and what has waited for a day is gone."""
        self.gateway.advance(hours * HOUR)
        self.ages = [age + hours for age in self.ages]
        self._end([number for number in self.waiting if self.ages[number] >= 24], "expired_at")

    def _end(self, numbers: list[int], how: str) -> None:
        self.waiting = [number for number in self.waiting if number not in numbers]
        self.ends |= dict.fromkeys(numbers, how)

    @invariant()
    def audit_agrees(self) -> None:
        """What was deleted, what expired, and what waits."""
        audit = self.instance.audit()
        assert len(audit) == len(self.pushed)
        for item, body in zip(audit, self.pushed, strict=True):
            ended = self.ends.get(item["number"])
            assert is_same(item["body"], body)
            assert item["deletions"] == (ended == "deleted_at")
            assert [name for name in ("deleted_at", "expired_at", "cleared_at") if item[name]] == [
                name for name in (ended,) if name
            ]
        assert len(self.instance.queue()) == len(self.waiting)


def _is_json(body: Any) -> bool:
    """Tell whether a body is one that the gateway could send: no list, no envelope, and JSON."""
    if isinstance(body, list) or (isinstance(body, dict) and body.keys() == {"receiptId", "body"}):
        return False
    try:
        json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return is_same(json.loads(json.dumps(body)), body)


@pytest.mark.usefixtures("gateway")
class TestQueue(QueueMachine.TestCase):  # type: ignore[name-defined]
    settings = settings(max_examples=max(EXAMPLES // 10, 1), stateful_step_count=25)


@given(
    method=st.sampled_from(METHODS),
    body=st.binary(max_size=40)
    | st.dictionaries(
        st.sampled_from(["chatId", "message", "urlFile", "fileName", "caption", "idMessage", "webhookUrl"]),
        st.sampled_from(["12025550101@c.us", "https://example.org/a.pdf"]) | texts | scalars | values,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_body_of_a_call_is_answered(gateway: GreenApiEmulator, method: str, body: bytes) -> None:
    """A client that sends nonsense is told so, as by the real gateway."""
    answer = asked(gateway, "POST", method, data=body)
    assert "emulator failed" not in answer.text


@given(name=st.sampled_from(READINGS) | texts, instance=st.none() | texts)
def test_any_reading_of_the_control_plane_is_answered(
    gateway: GreenApiEmulator, name: str, instance: str | None
) -> None:
    """What isn't there is refused with words."""
    path = requests.utils.quote(name.encode("utf-8", "replace"), safe="")
    query = {} if instance is None else {"instance": instance.encode("utf-8", "replace")}
    answer = _http.get(f"{gateway.url}/_emulator/{path}", params=query, timeout=30)
    assert answer.status_code in (200, 400, 404)
    assert answer.text


NONSENSE = [
    ("advance", {"seconds": float("nan")}),
    ("advance", {"seconds": -1}),
    ("switch", {"round_trip": "abc"}),
    ("switch", {"round_trip": -1}),
    ("switch", {"rate_limits": "no"}),
    ("settings", {"incomingWebhook": True}),
    ("settings", {"incomingWebhook": "maybe"}),
    ("state", {"value": "no state"}),
    ("fault", {"kind": "status", "status": "abc"}),
    ("fault", {"kind": "status", "status": 200, "body": {}}),
    ("faults_at_random", {"seed": 1, "probabilities": []}),
    ("deliver_as", {"statuses": "read"}),
    ("reply", {"pattern": "(", "text": "yes"}),
    ("media", {"name": "a.pdf", "size": 10**12}),
    ("add_instance", {"id_instance": 5}),
    ("advance", 1),
    ("advance", None),
    ("push", [1, 2]),
    ("push", float("nan")),
]


def test_nonsense_is_refused_by_the_control_plane() -> None:
    """With 400, and with words."""
    answers = []
    for name, arguments in NONSENSE:
        with GreenApiEmulator() as gateway:
            answers.append(told(gateway, name, json.dumps(arguments).encode()))
    assert [answer.status_code for answer in answers] == [400] * len(NONSENSE)


@given(name=st.sampled_from(CALLS), arguments=st.dictionaries(texts, values, max_size=2) | values)
@example("advance", 1)
def test_any_arguments_are_taken_or_refused_by_the_control_plane(
    gateway: GreenApiEmulator, name: str, arguments: Any
) -> None:
    """Never a failure of its own."""
    answer = told(gateway, name, json.dumps(arguments).encode())
    assert answer.status_code in (200, 400)
    assert answer.text
