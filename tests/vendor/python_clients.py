"""The vendor's own clients for Python, led to the emulator."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from tests.vendor.world import World

PACKAGES = {
    "whatsapp": "whatsapp_api_client_python",
    "telegram": "telegram_api_client_python",
    "v3": "max_api_client_python",
}
IS_A_LOOP = ("webhooks", "connect")

try:
    CLIENTS = {product: importlib.import_module(f"{name}.API") for product, name in PACKAGES.items()}
    chatbot = importlib.import_module("whatsapp_chatbot_python")
except ImportError:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip("Needs: pip install -e '.[test-vendor]'", allow_module_level=True)


def tools_of(client: Any) -> dict[str, Any]:
    """The groups of methods of a client."""
    package = type(client).__module__.partition(".")[0]
    return {
        name: tool
        for name, tool in vars(client).items()
        if type(tool).__module__.startswith(f"{package}.tools.") and name not in IS_A_LOOP
    }


def methods_of(product: str) -> Iterator[tuple[str, str]]:
    """All public methods of a client, those of partners among them."""
    everyday, partner = CLIENTS[product].GreenAPI("1", "x"), CLIENTS[product].GreenApiPartner("x")
    for tool, it in (tools_of(everyday) | {"partner": partner.partner}).items():
        for name, _ in inspect.getmembers(type(it), inspect.isfunction):
            if not name.startswith("_") and name not in IS_A_LOOP:
                yield product, f"{tool}.{name}"


def world_of(gateway: GreenApiEmulator, product: str) -> World:
    switches = {"rate_limits": False, "instant_empty": True}
    return World(gateway, gateway.add_instance(type_instance=product, **switches))


def client_of(world: World) -> Any:
    """The product's client, led to the emulator."""
    instance = world.instance
    url = world.gateway.url + ("/v3" if instance.type_instance == "v3" else "")
    module = CLIENTS[instance.type_instance]
    return module.GreenAPI(instance.id_instance, instance.api_token, host=url, media=url, host_timeout=20)
