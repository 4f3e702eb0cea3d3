"""The hook's methods around chats, contacts and the send queue, on each product."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.errors import (
    GreenApiInstanceError,
    GreenApiPayloadError,
    GreenApiResponseError,
    GreenApiTransportError,
)
from airflow_green_notify.hooks import GreenApiHook

PHONE = "12025550101@c.us"
PRODUCTS = {"whatsapp": PHONE, "telegram": "10000001", "v3": "10000001"}
BODY = example_notifications()[0]["body"]
GROUP = "120363040000000001@g.us"


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chat(product: str) -> str:
    return PRODUCTS[product]


@pytest.fixture
def green_api_switches(product: str, green_api_switches: Any) -> dict[str, Any]:
    return {**green_api_switches, "type_instance": product}


@pytest.fixture
def hook(make_hook: Any) -> GreenApiHook:
    return make_hook(max_attempts=1)


async def test_poll_location_contact_and_forward_reach_their_chat(
    ask: Any, hook: GreenApiHook, gateway: Any, chat: str
) -> None:
    """Each is sent as it was given, and its id returned."""
    poll = await ask(hook, "send_poll", chat, "Shall we?", ["yes", "no"], multiple_answers=True)
    place = await ask(hook, "send_location", chat, 55.75, -37.6, name="Office", quoted_message_id=poll)
    contact = await ask(hook, "send_contact", chat, 12025550102, first_name="Anna")
    text = await ask(hook, "send_message", chat, "text")
    (forwarded,) = await ask(hook, "forward_messages", chat, chat, [text])
    sent = gateway.sent()
    assert [item["idMessage"] for item in sent] == [poll, place, contact, text, forwarded]
    assert sent[0]["options"] == [{"optionName": "yes"}, {"optionName": "no"}]
    assert (sent[0]["multipleAnswers"], sent[1]["nameLocation"]) == (True, "Office")
    assert sent[1]["quotedMessageId"] == poll
    assert sent[2]["contact"] == {"phoneContact": 12025550102, "firstName": "Anna"}


@pytest.mark.parametrize("method", ["sendPoll", "sendLocation", "sendContact", "forwardMessages"])
async def test_sending_with_a_doubtful_answer_is_never_repeated(
    ask: Any, make_hook: Any, gateway: Any, chat: str, method: str
) -> None:
    """It may have been sent: whoever called looks first."""
    sending: dict[str, tuple[Any, ...]] = {
        "sendPoll": ("send_poll", chat, "Shall we?", ["yes", "no"]),
        "sendLocation": ("send_location", chat, 1, 1),
        "sendContact": ("send_contact", chat, 12025550102, "Anna"),
        "forwardMessages": ("forward_messages", chat, chat, ["3EB0C767D097B7C7C030"]),
    }
    gateway.fault("cut_before", method=method)
    with pytest.raises(GreenApiTransportError, match="it may have had its effect"):
        await ask(make_hook(max_attempts=5), *sending[method])
    assert len(gateway.requests()) == 1


async def test_message_is_looked_up_edited_and_deleted(
    ask: Any, hook: GreenApiHook, gateway: Any, chat: str
) -> None:
    """By its chat and id; the history shows what it says now."""
    id_message = await ask(hook, "send_message", chat, "Shall we?")
    message = await ask(hook, "get_message", chat, id_message)
    assert (message["idMessage"], message["textMessage"]) == (id_message, "Shall we?")
    assert await ask(hook, "edit_message", chat, id_message, "Approved.")
    history = await ask(hook, "get_chat_history", chat, count=10)
    assert "Approved." in [entry.get("textMessage") for entry in history]
    await ask(hook, "delete_message", chat, id_message)
    assert gateway.sent()[-1]["method"] == "deleteMessage"


async def test_message_that_is_not_there_is_refused(
    ask: Any, hook: GreenApiHook, gateway: Any, chat: str
) -> None:
    """With the gateway's words."""
    with pytest.raises(GreenApiResponseError, match="not found"):
        await ask(hook, "get_message", chat, "3EB0C767D097B7C7C030")
    assert await ask(hook, "get_chat_history", chat) == []


async def test_chat_is_marked_as_read(ask: Any, hook: GreenApiHook, gateway: Any, chat: str) -> None:
    """All of it, or up to a message."""
    assert await ask(hook, "read_chat", chat) is True
    assert await ask(hook, "read_chat", chat, "3EB0C767D097B7C7C030") is True


async def test_contacts_and_groups_are_looked_up(
    ask: Any, hook: GreenApiHook, gateway: Any, product: str, chat: str
) -> None:
    """Those whom the instance wrote to are known; a number of their kind only may be asked for."""
    await ask(hook, "send_message", chat, "text")
    contacts = await ask(hook, "get_contacts")
    assert contacts
    assert len(await ask(hook, "get_contacts", group=False, count=1)) == 1
    assert isinstance(await ask(hook, "get_contact_info", chat), dict)
    if product == "whatsapp":
        assert (await ask(hook, "check_whatsapp", 12025550101))["existsWhatsapp"] is True
    else:
        account = await ask(hook, "call", "POST", "checkAccount", {"phoneNumber": 12025550101})
        assert isinstance(account, dict)


async def test_group_is_asked_for_by_the_name_that_its_product_has_for_it(
    ask: Any, hook: GreenApiHook, gateway: Any, product: str, chat: str
) -> None:
    """``groupId`` on WhatsApp, ``chatId`` on Telegram and MAX."""
    made = await ask(hook, "call", "POST", "createGroup", {"groupName": "Ops", "chatIds": [chat]})
    data = await ask(hook, "get_group_data", made["chatId"])
    assert data["subject"] == "Ops"


async def test_send_queue_is_counted_and_cleared(
    ask: Any, hook: GreenApiHook, gateway: Any, chat: str
) -> None:
    """What waits is counted; what is cleared is never sent."""
    gateway.switch(send_delay=60)
    await ask(hook, "send_message", chat, "text")
    assert await ask(hook, "get_messages_count") == 1
    assert await ask(hook, "clear_messages_queue") is True
    assert await ask(hook, "show_messages_queue") == []


async def test_instance_is_restarted_and_signed_out(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """A code that signs it in is there as soon as it isn't."""
    assert await ask(hook, "reboot") is True
    assert await ask(hook, "logout") is True
    assert await ask(hook, "get_state_instance") == "notAuthorized"
    with pytest.raises(GreenApiInstanceError):
        await ask(hook, "get_contacts")
    assert (await ask(hook, "qr"))["type"] == "qrCode"


WRONG_ANSWERS = [
    ("check_whatsapp", (12025550101,), '{"existsWhatsapp": "yes"}'),
    ("get_contacts", (), '{"contacts": []}'),
    ("get_message", (PHONE, "3EB0"), "[1]"),
    ("get_chat_history", (PHONE,), '["text"]'),
    ("edit_message", (PHONE, "3EB0", "text"), '{"id": 1}'),
    ("forward_messages", (PHONE, PHONE, ["3EB0"]), '{"messages": null}'),
    ("send_poll", (PHONE, "Shall we?", ["yes", "no"]), '{"idMessage": 7}'),
    ("read_chat", (PHONE,), '{"setRead": 1}'),
    ("reboot", (), '{"isLogout": true}'),
    ("qr", (), '{"message": "x"}'),
    ("get_messages_count", (), '{"count": "many"}'),
    ("get_group_data", (GROUP,), '"text"'),
]


@pytest.mark.parametrize(("method", "arguments", "body"), WRONG_ANSWERS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("product", ["whatsapp"], indirect=True)
async def test_answer_of_another_shape_is_no_result(
    ask: Any, hook: GreenApiHook, gateway: Any, method: str, arguments: tuple[Any, ...], body: str
) -> None:
    """Whoever goes on with it would fail later, and with other words."""
    gateway.fault("status", status=200, body=body)
    with pytest.raises(GreenApiPayloadError):
        await ask(hook, method, *arguments)
