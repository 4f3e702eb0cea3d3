"""The vendor's two clients for JavaScript against the emulator: all of their methods, and their types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from tests.vendor.javascript import NEWER, OLDER, JavaScript, login
from tests.vendor.world import World

pytestmark = pytest.mark.vendor

EXAMPLES = [envelope["body"] for envelope in example_notifications()]
IN_ONE_OBJECT = {  # of the newer client: the names in the object that a method takes
    "sendMessage": "chatId message linkPreview",
    "sendPoll": "chatId message options multipleAnswers",
    "forwardMessages": "chatId chatIdFrom messages",
    "sendLocation": "chatId nameLocation address latitude longitude",
    "sendContact": "chatId contact",
    "readChat": "chatId idMessage",
    "checkWhatsapp": "phoneNumber",
    "getAvatar": "chatId",
    "getContactInfo": "chatId",
    "archiveChat": "chatId",
    "unarchiveChat": "chatId",
    "setDisappearingChat": "chatId ephemeralExpiration",
    "editMessage": "chatId idMessage message",
    "deleteMessage": "chatId idMessage onlySenderDelete",
    "createGroup": "groupName chatIds",
    "updateGroupName": "groupId groupName",
    "getGroupData": "groupId",
    "addGroupParticipant": "groupId participantChatId",
    "removeGroupParticipant": "groupId participantChatId",
    "setGroupAdmin": "groupId participantChatId",
    "removeAdmin": "groupId participantChatId",
    "setGroupPicture": "groupId file",
    "leaveGroup": "groupId",
    "getMessage": "chatId idMessage",
    "getChatHistory": "chatId count",
    "downloadFile": "chatId idMessage",
    "sendTextStatus": "message backgroundColor font participants",
    "sendVoiceStatus": "urlFile fileName backgroundColor participants",
    "sendMediaStatus": "urlFile fileName caption participants",
    "deleteStatus": "idMessage",
    "getStatusStatistic": "idMessage",
    "getIncomingStatuses": "minutes",
    "getOutgoingStatuses": "minutes",
    "addContact": "chatId firstName lastName saveInAddressbook",
    "editContact": "chatId firstName lastName saveInAddressbook",
    "deleteContact": "chatId",
    "createInstance": "name",
    "deleteInstanceAccount": "idInstance",
}
OF_GROUPS = (
    "group.",
    "updateGroup",
    "getGroup",
    "addGroup",
    "removeGroup",
    "setGroup",
    "removeAdmin",
    "leave",
)

NOT_DECLARED_AS_IT_IS = {  # of the older client: against its own code, the documentation or the newer client
    *("message.lastIncomingMessages", "message.lastOutgoingMessages"),  # its class keeps six of the fields
    *("message.getMessage", "file.downloadFile", "group.leaveGroup"),  # declared as another method's answer
    "instance.getContactInfo",  # a time that may be null
    *("instance.deleteMessage", "instance.editMessage", "instance.getChats", "settings.getWaSettings"),
}

SHUT_DOWN = {"message.sendButtons", "message.sendListMessage", "message.sendTemplateButtons"}  # by the vendor


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> JavaScript:
    """Both clients, installed once."""
    return JavaScript(tmp_path_factory.mktemp("javascript"))


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file to send."""
    path = tmp_path_factory.mktemp("files") / "scan.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    return str(path)


def world_of(gateway: GreenApiEmulator) -> World:
    return World(gateway, gateway.add_instance(rate_limits=False, instant_empty=True))


def arguments_of(world: World, method: str, parameters: list[str], scan: str) -> list[Any]:
    """What to call a method with, by the names of its parameters."""
    by_name = world.arguments(method.rpartition(".")[2], scan, method.startswith(OF_GROUPS))
    blob = {"$blob": scan}
    chat_id = by_name.get("chatId")
    own: dict[str, Any] = {
        "filePath": scan,
        "settings": {"incomingWebhook": "yes"},
        "participantPhone": None,
        "formData": {"$form": {"chatId": chat_id, "fileName": "scan.jpg", "file": scan}},
        "file": blob,
        "customFileName": "scan.jpg",
        "timeout": 5,
        "name": "new",
        "idInstance": int(world.instance.id_instance),
    }
    if "chatId" in parameters:
        own["phoneNumber"] = None  # one of the two names the chat
    by_name |= own
    if method == "sendFileByUrl":
        return [{"chatId": chat_id, "file": {"url": by_name["urlFile"], "fileName": "scan.jpg"}}]
    if method == "sendFileByUpload":
        return [{"chatId": chat_id, "file": {"data": blob, "fileName": "scan.jpg"}}]
    if method in IN_ONE_OBJECT and parameters != ["phoneNumber"]:
        return [{name: by_name[name] for name in IN_ONE_OBJECT[method].split()}]
    return [by_name[name] for name in parameters]


def calls(
    javascript: JavaScript, gateway: GreenApiEmulator, library: str, scan: str, partner: bool = False
) -> Iterator[tuple[str, World, dict[str, Any]]]:
    """Each method of a client with the world in which it was called and its outcome."""
    more = {"partner": gateway.partner_token} if partner else {}
    [methods] = javascript.do({"job": "methods", **login(library, world_of(gateway)), **more})
    jobs, worlds = [], []
    for method, parameters in methods.items():
        world = world_of(gateway)
        worlds.append(world)
        arguments = arguments_of(world, method, parameters, scan)
        jobs.append(
            {"job": "call", **login(library, world), **more, "method": method, "arguments": arguments}
        )
    yield from zip(methods, worlds, javascript.do(*jobs), strict=True)


@pytest.mark.parametrize(("library", "count"), [(OLDER, 49), (NEWER, 55)])
def test_every_method_of_a_client_is_answered(
    javascript: JavaScript, gateway: GreenApiEmulator, scan: str, library: str, count: int
) -> None:
    """None is unknown to the emulator; none is refused but what is refused to everybody."""
    outcomes = {method: outcome for method, _, outcome in calls(javascript, gateway, library, scan)}
    refused = {method: outcome["error"] for method, outcome in outcomes.items() if "error" in outcome}
    assert refused == {name: "Request failed with status code 403" for name in SHUT_DOWN & outcomes.keys()}
    assert len(outcomes) >= count


def test_every_method_for_partners_is_answered(
    javascript: JavaScript, gateway: GreenApiEmulator, scan: str
) -> None:
    """The newer client's second half: instances are listed, opened and closed."""
    outcomes = [outcome for _, _, outcome in calls(javascript, gateway, NEWER, scan, partner=True)]
    assert len(outcomes) >= 3
    assert all("error" not in outcome for outcome in outcomes), outcomes


@pytest.mark.parametrize(
    ("library", "kind", "partner"),
    [(OLDER, "Older", False), (NEWER, "Newer", False), (NEWER, "Partner", True)],
)
def test_answers_are_of_the_types_that_the_client_declares(
    javascript: JavaScript, gateway: GreenApiEmulator, scan: str, library: str, kind: str, partner: bool
) -> None:
    """The compiler takes each answer for what the declarations of its method promise."""
    answers = [
        (kind, method, outcome["data"])
        for method, _, outcome in calls(javascript, gateway, library, scan, partner)
        if outcome.get("data") is not None and method not in NOT_DECLARED_AS_IT_IS
    ]
    assert javascript.types_refuse(*answers) == []


def test_compiler_refuses_an_answer_of_another_type(javascript: JavaScript) -> None:
    """Its word counts: a wrong kind, a missing field and an unknown value are errors."""
    wrong = [
        ("Older", "settings.getSettings", {"webhookUrl": 1}),
        ("Newer", "getQR", {"type": "qrCode"}),
        ("Newer", "getStateInstance", {"stateInstance": "elsewhere"}),
        ("Partner", "deleteInstanceAccount", {}),
    ]
    refused = javascript.types_refuse(*wrong, ("Newer", "reboot", {"isReboot": True}))
    assert len(refused) == len(wrong), refused


@pytest.mark.parametrize("idle", ["null", "empty"])
@pytest.mark.parametrize("library", [OLDER, NEWER])
def test_client_drains_the_queue(
    javascript: JavaScript, gateway: GreenApiEmulator, library: str, idle: str
) -> None:
    """Receive and delete until the answer is empty, in either form: every example once, in order."""
    world = world_of(gateway)
    world.instance.switch(idle=idle)
    world.instance.push(*EXAMPLES)
    [bodies] = javascript.do({"job": "drain", **login(library, world)})
    assert bodies == EXAMPLES
    assert world.instance.queue() == []
    assert all((item["deliveries"], item["deletions"]) == (1, 1) for item in world.instance.audit())
