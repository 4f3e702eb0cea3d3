"""Section 3 of the contract: errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from airflow_green_notify.emulator import example_notifications
from tests.emulator.contract.answers import details_of, message_of, refusal_of

CHAT = "12025550101@c.us"
MARKERS = ("{{SWE001}}", "{{SWE002}}", "{{SWE999}}", "SWE004: ")


def raw(client: Any, verb: str, path: str) -> requests.Response:
    """Request any path of the gateway."""
    return requests.request(verb, client.gateway.url + path, timeout=20)


def test_3_1_options_is_a_204(client: Any) -> None:
    """No content, on any path."""
    response = client.session.options(client.url("receiveNotification"))
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("starting", "instance in starting process try later"),
        ("notAuthorized", "instance is starting or not authorized"),
        ("expired", "Instance account is expired. Renew your instance from personal area"),
        ("deleted", "Instance is deleted"),
    ],
)
def test_3_1_a_condition_of_the_instance_is_a_400_with_its_text(
    client: Any, state: str, message: str
) -> None:
    """Starting, not authorized, unpaid, gone: each has its documented text."""
    client.gateway.state(state)
    response = client.get("receiveNotification", receiveTimeout=0)
    assert response.status_code == 400
    assert message_of(response) == message


def test_3_1_a_body_that_is_no_object_is_a_400(client: Any) -> None:
    """JSON of another kind is ``bad request data``."""
    response = client.session.post(client.url("sendMessage"), data=b'"text"')
    assert response.status_code == 400
    assert message_of(response) == "bad request data"


def test_3_1_a_missing_field_is_a_400_in_the_recorded_form(client: Any) -> None:
    """JSON of exactly ``statusCode, timestamp, path, message``; the path has the token in it."""
    response = client.post("sendMessage", message="Hi")
    assert details_of(response) == "'chatId' is required"
    assert client.gateway.api_token in response.json()["path"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{x", "Unexpected token x in JSON at position 1"),
        (b'{"a":1} y', "Unexpected token y in JSON at position 8"),
    ],
)
def test_3_1_broken_json_is_a_400_that_says_where(client: Any, text: bytes, message: str) -> None:
    """The sign that was unexpected and its position stand in the text."""
    response = client.session.post(client.url("sendMessage"), data=text)
    assert response.status_code == 400
    assert message_of(response) == message


def test_3_1_a_wrong_token_is_a_401_with_an_empty_body(client: Any) -> None:
    """Recorded: not a byte."""
    response = raw(client, "GET", f"/waInstance{client.gateway.id_instance}/receiveNotification/wrong")
    assert (response.status_code, response.content) == (401, b"")


def test_3_1_an_unknown_instance_is_a_403(client: Any) -> None:
    """An id that the gateway doesn't know is forbidden."""
    response = raw(client, "GET", f"/waInstance7/receiveNotification/{client.gateway.api_token}")
    assert response.status_code == 403


def test_3_1_an_unknown_method_is_a_404_that_repeats_the_path(client: Any) -> None:
    """Recorded: ``Cannot GET`` and the whole path, so the token stands in the body twice."""
    response = client.get("noSuchMethod")
    path = f"/waInstance{client.gateway.id_instance}/noSuchMethod/{client.gateway.api_token}"
    assert refusal_of(response, 404) == f"Cannot GET {path}"


def test_3_1_a_wrong_verb_is_a_404(client: Any) -> None:
    """Recorded: GET on deleteNotification."""
    path = f"/waInstance{client.gateway.id_instance}/deleteNotification/{client.gateway.api_token}/1"
    assert refusal_of(raw(client, "GET", path), 404) == f"Cannot GET {path}"
    assert client.post("getSettings").status_code == 404


def test_3_1_above_the_rate_is_a_429(emulate: Any) -> None:
    """The second account request of a second is refused; no Retry-After is documented."""
    client = emulate(rate_limits=True)
    assert [client.get("getSettings").status_code for _ in range(2)] == [200, 429]
    assert "Retry-After" not in client.get("getSettings").headers


def test_3_1_a_suspended_max_account_may_not_send(emulate: Any) -> None:
    """MAX: 403 with the documented text."""
    client = emulate(type_instance="v3")
    client.gateway.state("suspended")
    response = client.post("sendMessage", chatId="10000101", message="Hi")
    assert response.status_code == 403
    assert message_of(response) == "Your account is suspended"


@pytest.mark.parametrize("status", [466, 469, 499, 500, 502])
def test_3_1_the_other_documented_statuses_can_be_scripted(client: Any, status: int) -> None:
    """What the gateway's proxies answer, a test can let it answer."""
    client.gateway.fault("status", status=status)
    assert client.get("getSettings").status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {"status": False, "reason": "instance is starting or not authorized"},
        {"code": 401, "description": "Unauthorized"},
    ],
)
def test_3_1_a_200_may_still_be_a_refusal(client: Any, body: dict[str, Any]) -> None:
    """Both recorded forms of an error under HTTP 200 can be scripted."""
    client.gateway.fault("status", status=200, body=json.dumps(body))
    response = client.get("getSettings")
    assert (response.status_code, response.json()) == (200, body)


def test_3_1_a_file_above_100_mb_by_url_is_a_500(client: Any) -> None:
    """The documented text with the size, the limit and the URL."""
    url = client.gateway.media("film.mp4", 101 * 1024**2)
    response = client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="film.mp4")
    expected = f"File from url exceeded max upload size. Size: 101mb Limit: 100mb Url: {url}"
    assert refusal_of(response, 500) == expected


def test_3_1_a_json_body_above_100_kb_is_a_500(client: Any) -> None:
    """Recorded: ``request entity too large``."""
    response = client.post("setSettings", webhookUrl="x" * 110_000)
    assert refusal_of(response, 500) == "request entity too large"


def test_3_1_after_set_settings_the_instance_is_starting(emulate: Any) -> None:
    """For as long as the gateway takes, up to five minutes, it answers that it starts."""
    client = emulate(settings_delay=300)
    assert client.post("setSettings", incomingWebhook="no").json() == {"saveSettings": True}
    response = client.get("receiveNotification")
    assert response.status_code == 400
    assert message_of(response) == "instance in starting process try later"
    client.gateway.advance(300)
    assert client.get("receiveNotification", receiveTimeout=0).status_code == 200


def test_3_2_a_466_has_two_objects(emulate: Any) -> None:
    """``invokeStatus`` of the method, ``correspondentsStatus`` of the chats; figures and words in both."""
    client = emulate(quota_chats=3)
    for number in range(3):
        client.post("sendMessage", chatId=f"1202555010{number}@c.us", message="Hi")
    response = client.post("sendMessage", chatId="12025550109@c.us", message="Hi")
    assert response.status_code == 466
    keys = {"method", "used", "total", "status", "description"}
    invoke, chats = response.json()["invokeStatus"], response.json()["correspondentsStatus"]
    assert invoke.keys() == chats.keys() == keys
    assert invoke["method"] == "sendMessage"
    assert (chats["method"], chats["used"], chats["total"]) == ("correspondents", 3, 3)
    assert chats["status"] == "CORRESPONDENTS_QUOTE_EXCEEDED"
    assert "12025550100@c.us" in chats["description"]


def test_3_2_a_466_tells_of_itself_in_the_queue(emulate: Any) -> None:
    """The notification ``quotaExceeded`` with the figures of the chats."""
    client = emulate(quota_chats=1)
    for number in (1, 2):
        client.post("sendMessage", chatId=f"1202555010{number}@c.us", message="Hi")
    (body,) = client.drain()
    assert body["typeWebhook"] == "quotaExceeded"
    assert (body["quotaData"]["used"], body["quotaData"]["total"]) == (1, 1)


def test_3_2_a_466_of_check_whatsapp_is_one_flat_object(emulate: Any) -> None:
    """Recorded: the figures of the method alone, its name in lower case."""
    client = emulate(quota_checks=1)
    first, second = (client.post("checkWhatsapp", phoneNumber=12025550101) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 466)
    assert second.json() == {
        "method": "checkwhatsapp",
        "used": 1,
        "total": 1,
        "status": "QUOTE_EXCEEDED",
        "description": second.json()["description"],
    }
    assert second.json()["description"].startswith("Monthly quota has been exceeded")


@pytest.mark.parametrize("marker", MARKERS)
def test_3_3_a_marker_of_an_error_comes_in_the_place_of_the_content(client: Any, marker: str) -> None:
    """The examples have it, and it comes through as it is."""
    bodies = [each["body"] for each in example_notifications() if marker in json.dumps(each)]
    assert bodies
    client.gateway.push(*bodies)
    assert client.drain() == bodies
