"""Section 6 of the contract: hosts and paths."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import requests


@pytest.mark.parametrize("product", ["whatsapp", "telegram", "v3"])
@pytest.mark.parametrize("prefix", ["", "/v3"])
def test_6_all_products_have_the_same_form_of_path(emulate: Any, product: str, prefix: str) -> None:
    """``waInstance``, method, token; with and without the prefix of MAX."""
    client = emulate(type_instance=product)
    client.gateway.push({"n": 1})
    assert client.session.get(client.url("getStateInstance", prefix=prefix)).status_code == 200
    assert client.session.get(client.url("receiveNotification", prefix=prefix)).json()["body"] == {"n": 1}
    assert client.session.delete(client.url("deleteNotification", 1, prefix=prefix)).json()["result"] is True


@pytest.mark.parametrize("header", ["Authorization", "apiTokenInstance", "X-Api-Token"])
def test_6_the_token_is_a_part_of_the_path_and_no_header(client: Any, header: str) -> None:
    """Without it in the path there is no way in."""
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/getStateInstance"
    response = requests.get(url, headers={header: client.gateway.api_token}, timeout=20)
    assert response.status_code == 400


def test_6_the_token_may_be_percent_encoded(client: Any) -> None:
    """A path is decoded before it is read."""
    encoded = "".join(f"%{ord(sign):02x}" for sign in client.gateway.api_token)
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/getStateInstance/{encoded}"
    assert requests.get(url, timeout=20).status_code == 200


@pytest.mark.parametrize("id_instance", ["7103000042", "710700000042"])
def test_6_instance_ids_have_ten_or_twelve_digits(emulate: Any, id_instance: str) -> None:
    """Both are answered, and stand as integers in the notifications."""
    client = emulate(id_instance=id_instance)
    client.gateway.media_message("a.png", 1)
    assert client.receive()["body"]["instanceData"]["idInstance"] == int(id_instance)


def test_6_media_methods_are_answered_where_the_others_are(client: Any) -> None:
    """``mediaUrl`` may be the same host as ``apiUrl``."""
    answer = client.session.post(client.url("uploadFile"), data=b"x", headers={"GA-Filename": "a.bin"})
    assert requests.get(answer.json()["urlFile"], timeout=20).content == b"x"


def test_6_a_token_with_odd_signs_is_one_segment(emulate: Any) -> None:
    """Encoded, a slash in the token is no separator."""
    client = emulate(api_token="a b/c?d")
    url = f"{client.gateway.url}/waInstance{client.gateway.id_instance}/getStateInstance/"
    assert requests.get(url + quote("a b/c?d", safe=""), timeout=20).status_code == 200
