"""Section 2 of the contract: DeleteNotification."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.emulator.contract.answers import message_of, refusal_of


def test_2_a_delete_of_what_was_handed_out_answers_true(client: Any, body: Any) -> None:
    """HTTP 200, ``result`` true and, as recorded, an empty ``reason``."""
    client.gateway.push(body())
    response = client.delete(client.receive()["receiptId"])
    assert response.status_code == 200
    assert response.json() == {"result": True, "reason": ""}


def test_2_after_a_delete_the_next_one_is_shown(client: Any, body: Any) -> None:
    """A deletion moves the queue on by one, for good."""
    client.gateway.push(body(1), body(2), body(3))
    client.delete(client.receive()["receiptId"])
    assert client.drain() == [body(2), body(3)]


def test_2_a_delete_of_an_id_that_is_not_there_answers_false(client: Any, body: Any) -> None:
    """HTTP 200 with ``result`` false and a reason; nothing is deleted."""
    client.gateway.push(body())
    assert client.delete(client.receive()["receiptId"]).json()["result"] is True
    client.gateway.push(body(2))
    for receipt_id in (1, 4711):
        response = client.delete(receipt_id)
        assert response.status_code == 200
        assert response.json()["result"] is False
        assert response.json()["reason"]
    assert client.gateway.queue() == [body(2)]


def test_2_or_a_delete_of_an_id_that_is_not_there_answers_500(emulate: Any) -> None:
    """The other documented answer on the same page, with the path and so the token in its body."""
    client = emulate(missing_receipt="500")
    response = client.delete(4711)
    assert refusal_of(response, 500) == "Cannot read properties of undefined (reading 'findUnAckedMessage')"
    assert client.gateway.api_token in response.json()["path"]


@pytest.mark.parametrize("id_instance", ["", "abc", "11O1", "-1", "²"])
def test_2_an_instance_id_that_is_no_integer_is_a_400(client: Any, id_instance: str) -> None:
    """The documented text, whether the id is missing or not digits."""
    url = f"{client.gateway.url}/waInstance{id_instance}/deleteNotification/{client.gateway.api_token}/1"
    response = requests.delete(url, timeout=20)
    assert response.status_code == 400
    assert message_of(response) == "Parameter idInstance not an integer"


@pytest.mark.parametrize("ending", ["", "/"])
def test_2_a_missing_token_is_a_400(client: Any, ending: str) -> None:
    """The documented text, with and without the slash."""
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/deleteNotification{ending}"
    response = requests.delete(url, timeout=20)
    assert response.status_code == 400
    assert message_of(response) == "Parameter apiTokenInstance not define"


def test_2_a_webhook_url_is_a_400(client: Any, body: Any) -> None:
    """The documented text with the instance's id; nothing is deleted."""
    client.gateway.push(body())
    receipt_id = client.receive()["receiptId"]
    client.gateway.settings(webhookUrl="http://127.0.0.1:9/")
    response = client.delete(receipt_id)
    assert response.status_code == 400
    assert message_of(response) == (
        "Message cannot be received because custom webhook url is set. Go to cabinet, clear webhook url "
        f"for instance: {client.gateway.id_instance} and wait for about 1 minute for another attempt"
    )


@pytest.mark.parametrize("receipt_id", ["abc", "", "1_0", "١", "1x", "{}"])
def test_2_a_receipt_id_that_is_no_number_is_a_500(client: Any, body: Any, receipt_id: str) -> None:
    """The documented text; what Python reads as a number and JavaScript doesn't is none."""
    client.gateway.push(*(body(number) for number in range(12)))
    client.receive()
    response = client.delete(receipt_id)
    assert refusal_of(response, 500) == "Parameter receiptId must be a Number!"
    assert len(client.gateway.queue()) == 12


@pytest.mark.parametrize("receipt_id", ["1", "1.0", "1e0", "0x1"])
def test_2_a_receipt_id_is_read_as_javascript_reads_a_number(client: Any, body: Any, receipt_id: str) -> None:
    """Inferred from the text of the 500: what ``Number()`` takes for 1 deletes the first."""
    client.gateway.push(body())
    client.receive()
    assert client.delete(receipt_id).json()["result"] is True
