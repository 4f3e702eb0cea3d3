"""A plain HTTP client for the emulator: raw URLs, none of the provider's own code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_green_notify.emulator import GatewayInstance, GreenApiEmulator


class Session(requests.Session):
    """A session that never waits for ever."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, for 30 seconds at most unless told otherwise."""
        return super().request(*args, **{"timeout": 30, **kwargs})


class Client:
    """Calls the methods of one instance as any HTTP client would."""

    def __init__(self, gateway: GreenApiEmulator, instance: GatewayInstance) -> None:
        self.gateway = gateway
        self.instance = instance
        self.session = Session()

    def url(self, method: str, *rest: Any, prefix: str = "") -> str:
        """The URL of a method."""
        path = "/".join(str(part) for part in (method, self.instance.api_token, *rest))
        return f"{self.gateway.url}{prefix}/waInstance{self.instance.id_instance}/{path}"

    def get(self, method: str, **query: Any) -> requests.Response:
        """Call a method by GET."""
        return self.session.get(self.url(method), params=query)

    def post(self, method: str, **data: Any) -> requests.Response:
        """Call a method by POST with a JSON object."""
        return self.session.post(self.url(method), json=data)

    def receive(self, receive_timeout: float = 0) -> Any:
        """Receive; ``None`` if nothing came."""
        response = self.get("receiveNotification", receiveTimeout=receive_timeout)
        assert response.status_code == 200, response.text
        return json.loads(response.content or b"null")

    def delete(self, receipt_id: Any) -> requests.Response:
        """Delete by receipt id."""
        return self.session.delete(self.url("deleteNotification", receipt_id))

    def drain(self) -> list[Any]:
        """Receive and delete until nothing comes; return the bodies."""
        bodies = []
        while (envelope := self.receive()) is not None:
            bodies.append(envelope["body"])
            assert self.delete(envelope["receiptId"]).json()["result"] is True
        return bodies

    def control(self, name: str, /, **arguments: Any) -> requests.Response:
        """Use the control plane."""
        return self.session.post(f"{self.gateway.url}/_emulator/{name}", json=arguments)


@pytest.fixture
def emulate() -> Iterator[Callable[..., Client]]:
    """Start gateways with the given switches, without rate limits unless asked for."""
    gateways = []

    def start(**options: Any) -> Client:
        gateway = GreenApiEmulator(**{"rate_limits": False, **options}).start()
        gateways.append(gateway)
        return Client(gateway, gateway)

    yield start
    for gateway in gateways:
        gateway.stop()


@pytest.fixture
def client(emulate: Callable[..., Client]) -> Client:
    """A client of a fresh gateway."""
    return emulate()


@pytest.fixture
def body() -> Callable[..., dict[str, Any]]:
    """Make a small notification body."""

    def make(number: int = 1, **more: Any) -> dict[str, Any]:
        return {"typeWebhook": "incomingMessageReceived", "idMessage": f"M{number}", **more}

    return make
