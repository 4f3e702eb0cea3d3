"""Every scripted fault: what the client sees, and whether it took effect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_green_notify.emulator import GreenApiEmulator


def deleting_under(client: Any, kind: str, **details: Any) -> tuple[Any, list[Any]]:
    """Delete the head under a fault; return the answer or the error, and what still waits."""
    client.gateway.push({"n": 1})
    receipt_id = client.receive()["receiptId"]
    client.gateway.fault(kind, **details)
    try:
        answer = client.delete(receipt_id)
    except requests.RequestException as error:
        answer = error
    assert client.gateway.requests()[-1]["fault"] == kind
    return answer, client.gateway.queue()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_short_form_answers_the_status_without_effect(client: Any, status: int) -> None:
    """The status is answered and nothing was deleted."""
    answer, waiting = deleting_under(client, str(status))
    assert answer.status_code == status
    assert waiting


def test_status_fault_answers_exactly_what_was_asked_for(client: Any) -> None:
    """Status, body and headers are the test's choice."""
    answer, waiting = deleting_under(client, "status", status=499, body="gone", headers={"Retry-After": "3"})
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (499, "gone", "3")
    assert waiting


def test_short_form_takes_headers(client: Any) -> None:
    """A 429 can name the time to wait."""
    answer, _ = deleting_under(client, "429", headers={"Retry-After": "1"})
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(("kind", "remains"), [("500", True), ("500_after", False)])
def test_internal_error_repeats_the_path_with_the_token(client: Any, kind: str, remains: bool) -> None:
    """The 500 looks the same whether the notification was deleted or not."""
    answer, waiting = deleting_under(client, kind)
    assert answer.status_code == 500
    assert answer.json()["message"] == "Internal Server Error"
    assert client.gateway.api_token in answer.json()["path"]
    assert bool(waiting) is remains


@pytest.mark.parametrize(("kind", "remains"), [("cut_before", True), ("cut_after", False)])
def test_cut_connection_gives_no_answer(client: Any, kind: str, remains: bool) -> None:
    """The client sees the same cut, whether it took effect or not; the log shows no status."""
    error, waiting = deleting_under(client, kind)
    assert isinstance(error, requests.ConnectionError)
    assert bool(waiting) is remains
    assert client.gateway.requests()[-1]["status"] is None


def test_truncated_answer_ends_before_its_length(client: Any) -> None:
    """The answer breaks off in the middle, after the effect."""
    error, waiting = deleting_under(client, "truncated")
    assert isinstance(error, requests.exceptions.ChunkedEncodingError)
    assert not waiting


@pytest.mark.parametrize("idle", ["null", "empty"])
def test_malformed_answer_is_no_json(emulate: Any, idle: str) -> None:
    """The answer is a complete HTTP 200 that can't be parsed, after the effect; so is an idle one."""
    client = emulate(idle=idle)
    answer, waiting = deleting_under(client, "malformed")
    assert answer.status_code == 200
    assert not waiting
    client.gateway.fault("malformed")
    for broken in (answer, client.get("receiveNotification", receiveTimeout=0)):
        with pytest.raises(requests.JSONDecodeError):
            broken.json()


@pytest.mark.parametrize(("effect", "remains"), [("late", True), ("early", False)])
def test_slow_answer_takes_effect_before_or_after_the_wait(client: Any, effect: str, remains: bool) -> None:
    """A client that gives up finds the notification still there, or gone, as the test chose."""
    client.gateway.push({"n": 1})
    receipt_id = client.receive()["receiptId"]
    client.gateway.fault("slow", seconds=60, effect=effect)
    with pytest.raises(requests.ReadTimeout):
        client.session.delete(client.url("deleteNotification", receipt_id), timeout=0.2)
    assert bool(client.gateway.queue()) is remains


def test_slow_answer_comes_in_the_end(client: Any) -> None:
    """A client that waits gets its answer."""
    answer, waiting = deleting_under(client, "slow", seconds=0.05)
    assert answer.json()["result"] is True
    assert not waiting


def test_fault_strikes_its_method_so_many_times_after_so_many(client: Any) -> None:
    """A fault counts only requests of its method, lets some pass, and is used up."""
    client.gateway.fault("502", method="getWebhooksCount", times=2, after=1)
    statuses = [client.get("getWebhooksCount").status_code for _ in range(5)]
    assert client.get("getStateInstance").status_code == 200
    assert statuses == [200, 502, 502, 200, 200]


def test_faults_for_ever_end_when_cleared(client: Any) -> None:
    """Without a number of times a fault strikes until it is cleared."""
    client.gateway.fault("503", times=None)
    assert {client.get("getStateInstance").status_code for _ in range(10)} == {503}
    client.gateway.clear_faults()
    assert client.get("getStateInstance").status_code == 200


def test_faults_strike_in_the_order_in_which_they_were_scripted(client: Any) -> None:
    """Two faults for the same requests come one after the other."""
    client.gateway.fault("502")
    client.gateway.fault("503")
    assert [client.get("getStateInstance").status_code for _ in range(3)] == [502, 503, 200]


def test_random_faults_are_repeatable_and_as_frequent_as_asked(client: Any) -> None:
    """The same seed gives the same faults, in about the given share of the requests."""

    def run(seed: int) -> list[int]:
        client.gateway.faults_at_random(seed, {"502": 0.2, "429": 0.1})
        return [client.get("getStateInstance").status_code for _ in range(150)]

    first = run(1)
    assert first == run(1)
    assert first != run(2)
    assert 15 <= first.count(502) <= 50
    assert 5 <= first.count(429) <= 35
    client.gateway.clear_faults()
    assert client.get("getStateInstance").status_code == 200


def test_random_faults_lose_and_double_nothing_in_the_gateway(client: Any) -> None:
    """Under cuts of both kinds every notification is deleted once at most."""
    client.gateway.push(*({"n": n} for n in range(50)))
    client.gateway.faults_at_random(5, {"cut_before": 0.1, "cut_after": 0.1, "truncated": 0.05})
    while client.gateway.queue():
        try:
            client.delete(client.receive()["receiptId"])
        except (requests.RequestException, TypeError):
            continue
    assert [item["deletions"] for item in client.gateway.audit()] == [1] * 50


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("sabotage", {}, ValueError),
        ("502", {"method": "noSuchMethod"}, ValueError),
        ("502", {"secnods": 1}, TypeError),
        ("status", {}, TypeError),
    ],
)
def test_fault_that_could_never_strike_is_refused(kind: str, options: Any, error: type[Exception]) -> None:
    """A misspelt fault is an error where it is scripted."""
    with pytest.raises(error):
        GreenApiEmulator().fault(kind, **options)


def test_random_faults_of_more_than_certainty_are_refused() -> None:
    """Probabilities that can't be are an error where they are given."""
    with pytest.raises(ValueError, match="more than 1"):
        GreenApiEmulator().faults_at_random(1, {"500": 0.6, "502": 0.6})


def test_connection_cut_during_a_long_poll_leaves_the_notification(client: Any) -> None:
    """A receive that is cut after its effect has delivered, and deleted nothing."""
    client.gateway.fault("cut_after")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.receive, 60)
        client.gateway.push({"n": 1})
        with pytest.raises(requests.ConnectionError):
            answer.result(timeout=20)
    assert client.gateway.queue() == [{"n": 1}]
    assert client.receive()["body"] == {"n": 1}
