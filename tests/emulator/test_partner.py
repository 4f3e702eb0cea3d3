"""The partner's methods: all instances of one account."""

from __future__ import annotations

from typing import Any

import pytest


def call(client: Any, verb: str, method: str, token: str | None = None, prefix: str = "", **data: Any) -> Any:
    """Call a partner's method."""
    url = f"{client.gateway.url}{prefix}/partner/{method}/{token or client.gateway.partner_token}"
    return client.session.request(verb, url, json=data or None)


@pytest.mark.parametrize("prefix", ["", "/v3"])
def test_partner_sees_all_instances(client: Any, prefix: str) -> None:
    """Ids, tokens, product and expiry of each."""
    other = client.gateway.add_instance(type_instance="telegram")
    first, second = call(client, "GET", "getInstances", prefix=prefix).json()
    assert first["idInstance"] == int(client.gateway.id_instance)
    assert second["apiTokenInstance"] == other.api_token
    assert (second["typeInstance"], second["deleted"], second["isExpired"]) == ("telegram", False, False)
    assert first["expirationDate"].endswith("Z")


def test_partner_makes_an_instance_that_works(client: Any) -> None:
    """It has its own id and token, the settings that were given, and isn't linked yet."""
    made = call(client, "POST", "createInstance", name="Shop", incomingWebhook="no").json()
    client.instance = client.gateway.instances[str(made["idInstance"])]
    assert client.instance.api_token == made["apiTokenInstance"]
    assert client.get("getStateInstance").json() == {"stateInstance": "notAuthorized"}
    assert client.get("getSettings").json()["incomingWebhook"] == "no"
    assert call(client, "GET", "getInstances").json()[1]["name"] == "Shop"


@pytest.mark.parametrize("type_instance", ["whatsapp", "telegram", "v3"])
def test_partner_chooses_the_product(client: Any, type_instance: str) -> None:
    """The product may be named; an unknown one is refused."""
    made = call(client, "POST", "createInstance", typeInstance=type_instance).json()
    assert made["typeInstance"] == type_instance
    assert call(client, "POST", "createInstance", typeInstance="fax").json()["code"] == 400


def test_partner_deletes_an_instance(client: Any) -> None:
    """It stays listed as deleted, and answers so; deleting it again finds nothing."""
    id_instance = int(client.gateway.id_instance)
    deleted = call(client, "POST", "deleteInstanceAccount", idInstance=id_instance)
    assert deleted.json() == {"deleteInstanceAccount": True}
    assert call(client, "GET", "getInstances").json()[0]["deleted"] is True
    assert client.get("getSettings").status_code == 400
    again = call(client, "POST", "deleteInstanceAccount", idInstance=id_instance)
    assert (again.status_code, again.json()) == (200, {"code": 404, "description": "Not found"})


def test_wrong_partner_token_is_a_success_that_says_unauthorized(client: Any) -> None:
    """The vendor answers 200 with the code in the body."""
    answer = call(client, "GET", "getInstances", token="wrong")
    assert (answer.status_code, answer.json()) == (200, {"code": 401, "description": "Unauthorized"})


def test_unknown_partner_method_is_404(client: Any) -> None:
    """In the recorded form."""
    answer = call(client, "GET", "createInstance")
    assert answer.status_code == 404
    assert answer.json()["message"].startswith("Cannot GET /partner/createInstance/")


WRONG = [b"{", b"[1]", b'{"webhookUrl": 5}', b'{"incomingWebhook": true}', b'{"typeInstance": ["v3"]}']


@pytest.mark.parametrize("body", WRONG)
def test_partner_makes_no_instance_of_wrong_values(client: Any, body: bytes) -> None:
    """What is no object of settings is refused in the partner's form, before anything is made."""
    url = f"{client.gateway.url}/partner/createInstance/{client.gateway.partner_token}"
    answer = client.session.post(url, data=body)
    assert (answer.status_code, answer.json()) == (200, {"code": 400, "description": "Bad Request"})
    assert len(client.gateway.instances) == 1


@pytest.mark.parametrize(("verb", "status"), [("OPTIONS", 204), ("HEAD", 200)])
def test_partner_methods_answer_the_verbs_of_every_path(client: Any, verb: str, status: int) -> None:
    """As the methods of an instance do."""
    answer = call(client, verb, "getInstances")
    assert (answer.status_code, answer.content) == (status, b"")


def test_partner_may_add_a_query(client: Any) -> None:
    """It isn't taken for a part of the token."""
    url = f"{client.gateway.url}/partner/getInstances/{client.gateway.partner_token}?fresh=1"
    assert len(client.session.get(url).json()) == 1
