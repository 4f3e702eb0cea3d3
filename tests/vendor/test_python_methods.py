"""Every method that the vendor's clients for Python have is answered."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
from pathlib import Path

import pytest

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.emulator.methods import METHODS as METHODS_OF_THE_GATEWAY
from tests.vendor.python_clients import CLIENTS, PACKAGES, client_of, methods_of, world_of

pytestmark = pytest.mark.vendor

FAULTS = {  # of the clients: what their methods get that can't ask for what they mean
    ("whatsapp", "statuses.getStatusStatisticAsync"): None,  # asks the URL "{host}/…", with the braces in it
    ("whatsapp", "sending.uploadFileAsync"): None,  # doesn't wait for the file to be read
    ("telegram", "sending.uploadFileAsync"): None,
    ("whatsapp", "receiving.deleteNotificationAsync"): 500,  # leaves the receipt id out of the path
    ("telegram", "receiving.deleteNotificationAsync"): 500,
    ("telegram", "queues.getMessagesCountAsync"): 404,  # asks for a method of this name
    ("telegram", "queues.getWebhooksCountAsync"): 404,
}
SHUT_DOWN = ("sending.sendButtons", "sending.sendListMessage", "sending.sendTemplateButtons")  # by the vendor
METHODS = [each for product in PACKAGES for each in methods_of(product)]


def test_each_client_has_its_methods() -> None:
    """What is tried here is what the clients have: none is left out because of how it is looked for."""
    count = {product: sum(each == product for each, _ in METHODS) for product in PACKAGES}
    assert count["whatsapp"] > 120
    assert count["telegram"] > 90
    assert count["v3"] > 35


@pytest.mark.parametrize("package", PACKAGES.values())
def test_no_method_in_the_sources_of_a_client_is_unknown(package: str) -> None:
    """What they name is imitated, whether or not a public method leads there."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    named = set(re.findall(r"waInstance\{\{idInstance\}\}/\"?\s*\"?(\w+)/", sources))
    named |= set(re.findall(r'"(calls\w+)"', sources))
    assert named >= {"sendMessage", "getSettings", "receiveNotification"}
    unknown = {name for name in named if name.lower() not in METHODS_OF_THE_GATEWAY}
    assert all(name.endswith("Async") for name in unknown), unknown  # a fault of the client, see above


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the clients leave files open, and forget to await
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("product", "method"), METHODS)
def test_method_of_a_client_is_answered(
    gateway: GreenApiEmulator, tmp_path: Path, product: str, method: str
) -> None:
    """None is unknown to the emulator; each gets what it asks for, unless nobody does any more."""
    world = world_of(gateway, product)
    tool, _, name = method.partition(".")
    path = tmp_path / "scan.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    arguments = world.arguments(name, str(path), tool == "groups" or name.startswith("setGroup"))
    client = client_of(world)
    if tool == "partner":
        client = CLIENTS[product].GreenApiPartner(gateway.partner_token, host=gateway.url)
        arguments["idInstance"] = int(world.instance.id_instance)
    function = getattr(getattr(client, tool), name)
    parameters = inspect.signature(function).parameters
    needed = [name for name, it in parameters.items() if name in arguments or it.default is it.empty]
    response = function(**{name: arguments[name] for name in needed})
    if inspect.isawaitable(response):
        response = asyncio.run(response)
    expected = 403 if method in SHUT_DOWN else FAULTS.get((product, method), 200)
    code = getattr(response, "code", 200)  # a newer client makes types of its own of answers, and raises
    assert code == expected, response.error
    if tool == "partner":
        assert "code" not in response.data, "a partner is refused under HTTP 200"
