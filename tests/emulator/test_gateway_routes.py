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


@pytest.mark.parametrize("method", VERBS)
def test_wrong_token_is_unauthorized_with_an_empty_body(client: Any, method: str) -> None:
    """A wrong token is 401 without a word, on every method."""
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/{method}/wrong"
    response = client.session.request(VERBS[method][0], url)
    assert (response.status_code, response.content) == (401, b"")


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
