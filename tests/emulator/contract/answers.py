"""What a raw answer of the gateway says, whatever form it has."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

FORM = {"statusCode", "timestamp", "path", "message"}


def message_of(response: requests.Response) -> str:
    """The text of a refusal: of its JSON, or as it stands."""
    if response.headers.get("Content-Type", "").startswith("application/json"):
        return str(response.json()["message"])
    return response.text


def refusal_of(response: requests.Response, status: int = 400) -> str:
    """The message of a refusal in the recorded form: JSON of exactly four keys, the token in the path."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == FORM
    assert body["statusCode"] == status
    assert body["path"].partition("?")[0] == urlsplit(str(response.request.url)).path
    assert body["timestamp"]
    return str(body["message"])


def details_of(response: requests.Response) -> str:
    """What a validation found wrong."""
    message = refusal_of(response)
    assert message.startswith("Validation failed. Details: ")
    return message.removeprefix("Validation failed. Details: ")
