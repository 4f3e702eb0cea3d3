"""Paths, verbs, tokens, and what the gateway answers when one of them is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import requests

VERBS = {
    "receiveNotification": ["GET"],
    "deleteNotification": ["DELETE"],
    "getStateInstance": ["GET"],
    "getSettings": ["GET"],
    "setSettings": ["POST"],
    "getWebhooksCount": ["GET"],
    "clearWebhooksQueue": ["DELETE", "GET"],
    "sendMessage": ["POST"],
    "sendFileByUrl": ["POST"],
    "sendFileByUpload": ["POST"],
    "uploadFile": ["POST"],
    "downloadFile": ["POST"],
    "lastIncomingMessages": ["GET"],
    "lastOutgoingMessages": ["GET"],
    "showMessagesQueue": ["GET"],
    "getMessagesCount": ["GET"],
    "clearMessagesQueue": ["GET"],
    "reboot": ["GET"],
}


@pytest.mark.parametrize("prefix", ["", "/v3"])
@pytest.mark.parametrize("spelling", ["receiveNotification", "ReceiveNotification", "RECEIVENOTIFICATION"])
def test_method_is_found_in_any_case_and_under_v3(client: Any, body: Any, prefix: str, spelling: str) -> None:
    """The prefix of MAX and any spelling of the method lead to the same queue."""
    client.gateway.push(body())
    assert client.session.get(client.url(spelling, prefix=prefix)).json()["body"] == body()
    assert client.session.delete(client.url("DeleteNotification", 1, prefix=prefix)).json()["result"] is True


@pytest.mark.parametrize("method", VERBS)
def test_method_by_a_wrong_verb_is_not_found(client: Any, method: str) -> None:
    """Each method has its verbs; any other is 404."""
    for verb in {"GET", "POST", "DELETE", "PUT", "PATCH"} - set(VERBS[method]):
        assert client.session.request(verb, client.url(method)).status_code == 404


def test_unknown_method_is_not_found(client: Any) -> None:
    """A method that doesn't exist is 404, as is any other path."""
    assert client.get("receiveNotifications").status_code == 404
    for path in ("/", "/favicon.ico", "/v3", "/waInstance1", "//"):
        assert requests.get(client.gateway.url + path, timeout=20).status_code == 404


def test_options_answers_no_content(client: Any) -> None:
    """An OPTIONS request gets the documented 204."""
    assert client.session.options(client.url("receiveNotification")).status_code == 204


@pytest.mark.parametrize("method", VERBS)
def test_wrong_token_is_unauthorized_with_an_empty_body(client: Any, method: str) -> None:
    """A wrong token is 401 without a word, on every method."""
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/{method}/wrong"
    response = client.session.request(VERBS[method][0], url)
    assert (response.status_code, response.content) == (401, b"")


def test_unknown_instance_is_forbidden(client: Any) -> None:
    """An id of which the gateway knows nothing is 403."""
    url = f"{client.gateway.url}/waInstance999/receiveNotification/{client.gateway.api_token}"
    assert client.session.get(url).status_code == 403


@pytest.mark.parametrize("id_instance", ["", "abc", "11O1", "-1", "²"])
def test_instance_that_is_no_number_is_a_bad_request(client: Any, id_instance: str) -> None:
    """A missing or non-digit id is 400 with the documented text."""
    url = f"{client.gateway.url}/waInstance{id_instance}/deleteNotification/{client.gateway.api_token}/1"
    response = client.session.delete(url)
    assert (response.status_code, response.text) == (400, "Parameter idInstance not an integer")


@pytest.mark.parametrize("ending", ["", "/"])
def test_missing_token_is_a_bad_request(client: Any, ending: str) -> None:
    """A path without a token is 400 with the documented text."""
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/receiveNotification{ending}"
    response = client.session.get(url)
    assert (response.status_code, response.text) == (400, "Parameter apiTokenInstance not define")


def test_percent_encoded_token_is_the_token(emulate: Any) -> None:
    """A token may stand in the path percent-encoded."""
    client = emulate(api_token="a b/c")
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/getStateInstance/a%20b%2Fc"
    assert client.session.get(url).json() == {"stateInstance": "authorized"}


def test_requests_are_listed_with_their_answers(client: Any) -> None:
    """The log of requests has method, verb, status and time of each, in the order of their arrival."""
    client.get("getstateinstance")
    client.session.get(client.url("receiveNotification").replace(client.gateway.api_token, "wrong"))
    client.get("noSuchMethod")
    first, second, third = client.gateway.requests()
    assert (first["method"], first["verb"], first["status"]) == ("getStateInstance", "GET", 200)
    assert first["fault"] is None
    assert (second["method"], second["status"]) == ("receiveNotification", 401)
    assert (third["method"], third["status"]) == ("unknown", 404)
    assert first["at"] <= second["at"] <= third["at"]
    client.gateway.clear_requests()
    assert client.gateway.requests() == []
