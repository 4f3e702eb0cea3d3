"""Every method that any client of the vendor calls answers in its documented form."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_green_notify.emulator.methods import METHODS

CHAT = "12025550101@c.us"
GROUP = "120363025550000042@g.us"
LINK = {"urlFile": "https://example.org/a.jpg", "fileName": "a.jpg"}
BUTTONS = [{"buttonId": "1", "buttonText": "Yes"}]
ANSWERED = [  # verb, method, arguments, what the answer is or holds
    ("GET", "getStatusInstance", {}, {"statusInstance": "online"}),
    ("GET", "getWaSettings", {}, {"phone": "12025550100", "stateInstance": "authorized", "avatar": ""}),
    ("GET", "qr", {}, {"type": "alreadyLogged"}),
    ("GET", "reboot", {}, {"isReboot": True}),
    ("GET", "logout", {}, {"isLogout": True}),
    ("GET", "getDeviceInfo", {}, {"platform": "android"}),
    ("POST", "getAuthorizationCode", {"phoneNumber": 12025550100}, {"status": True}),
    ("POST", "sendLink", {"chatId": CHAT, "urlLink": "https://example.org"}, {"idMessage": ...}),
    ("POST", "sendLocation", {"chatId": CHAT, "latitude": 1.5, "longitude": 2}, {"idMessage": ...}),
    ("POST", "sendContact", {"chatId": CHAT, "contact": {"phoneContact": 12025550102}}, {"idMessage": ...}),
    (
        "POST",
        "sendInteractiveButtons",
        {"chatId": CHAT, "body": "Deploy?", "buttons": [{**BUTTONS[0], "type": "url", "url": "https://x"}]},
        {"idMessage": ...},
    ),
    (
        "POST",
        "sendInteractiveButtonsReply",
        {"chatId": CHAT, "body": "Deploy?", "buttons": BUTTONS},
        {"idMessage": ...},
    ),
    ("POST", "getAvatar", {"chatId": CHAT}, {"urlAvatar": "", "available": True}),
    ("POST", "addContact", {"chatId": CHAT, "firstName": "Anna"}, {"addContact": True}),
    ("POST", "editContact", {"chatId": CHAT, "firstName": "Anna"}, {"editContact": True}),
    ("POST", "deleteContact", {"chatId": CHAT}, {"deleteContact": True}),
    ("POST", "createGroup", {"groupName": "Night", "chatIds": [CHAT]}, {"created": True, "chatId": ...}),
    ("POST", "sendTextStatus", {"message": "Hi"}, {"idMessage": ...}),
    ("POST", "sendVoiceStatus", LINK, {"idMessage": ...}),
    ("POST", "sendMediaStatus", LINK, {"idMessage": ...}),
    ("GET", "getIncomingStatuses", {}, []),
    ("GET", "getOutgoingStatuses", {}, []),
    ("GET", "lastIncomingCalls", {}, []),
    ("GET", "lastOutgoingCalls", {}, []),
    ("GET", "callsState", {}, {"state": "idle"}),
    ("GET", "getChats", {}, []),
    ("GET", "getContacts", {}, []),
    (
        "POST",
        "setDisappearingChat",
        {"chatId": CHAT, "ephemeralExpiration": 86400},
        {"chatId": CHAT, "disappearingMessagesInChat": True, "ephemeralExpiration": 86400},
    ),
]
EMPTY = [
    ("archiveChat", {"chatId": CHAT}),
    ("unarchiveChat", {"chatId": CHAT}),
    ("sendTyping", {"chatId": CHAT, "typingTime": 5000}),
    ("callsDial", {"chatId": CHAT}),
    ("callsAccept", {}),
    ("callsReject", {}),
    ("callsHangUp", {}),
]
REFUSED = [  # method, arguments, what the gateway says of them
    ("sendPoll", {"chatId": CHAT, "message": "Deploy?"}, "'options' is required"),
    ("sendPoll", {"chatId": CHAT, "message": "Q", "options": [{"optionName": "a"}]}, "at least 2"),
    ("sendPoll", {"chatId": CHAT, "message": "Q", "options": [{"optionName": "a"}] * 2}, "duplicate"),
    (
        "sendPoll",
        {"chatId": CHAT, "message": "Q", "options": [{"optionName": str(n)} for n in range(13)]},
        "12",
    ),
    ("sendPoll", {"chatId": CHAT, "message": "Q" * 256, "options": []}, "255 characters"),
    ("sendLocation", {"chatId": CHAT, "latitude": "x", "longitude": 2}, "'latitude' must be a number"),
    ("sendLocation", {"chatId": CHAT, "latitude": 1}, "'longitude' is required"),
    ("sendContact", {"chatId": CHAT}, "'contact' is required"),
    ("sendContact", {"chatId": CHAT, "contact": {}}, "phoneContact"),
    ("forwardMessages", {"chatId": CHAT, "chatIdFrom": "x", "messages": []}, "'chatIdFrom' must be one of"),
    ("forwardMessages", {"chatId": CHAT, "chatIdFrom": CHAT, "messages": "x"}, "'messages' must be an array"),
    ("checkWhatsapp", {}, "'value' must have at least 1 key"),
    ("checkWhatsapp", {"phoneNumber": "+1"}, "'phoneNumber' must contain only digits"),
    ("checkWhatsapp", {"phoneNumber": 123}, "bad phone number, valid from 11 to 16 digits"),
    ("getContactInfo", {"chatId": GROUP}, "does not support group chats"),
    ("readChat", {}, "'chatId' is required"),
    ("editMessage", {"chatId": CHAT}, "'idMessage' is required"),
    ("deleteMessage", {"chatId": CHAT, "idMessage": "X" * 16, "onlySenderDelete": 1}, "must be a boolean"),
    ("getGroupData", {}, "'groupId' is required"),
    ("getGroupData", {"groupId": CHAT}, "'groupId' must be one of the next formats: 'group_id@g.us'"),
    ("createGroup", {"groupName": "N"}, "'chatIds' is required"),
    ("setDisappearingChat", {"chatId": CHAT, "ephemeralExpiration": 5}, "'ephemeralExpiration' must be one"),
    ("sendInteractiveButtons", {"chatId": CHAT, "body": "Q", "buttons": BUTTONS}, "'type' is required"),
    ("sendInteractiveButtons", {"chatId": GROUP, "body": "Q", "buttons": BUTTONS}, "'phone_number@c.us'"),
    ("sendInteractiveButtonsReply", {"chatId": CHAT, "body": "Q", "buttons": BUTTONS * 4}, "1 to 3 items"),
    ("sendTextStatus", {"message": "Hi", "font": "COMIC"}, "'font' must be one of"),
    ("deleteStatus", {"idMessage": "X"}, "Message not found by id X"),
    ("addContact", {"chatId": CHAT}, "'firstName' is required"),
]


@pytest.mark.parametrize(("verb", "method", "arguments", "answer"), ANSWERED)
def test_method_answers_as_documented(
    client: Any, verb: str, method: str, arguments: dict[str, Any], answer: Any
) -> None:
    """The answer has the documented fields."""
    response = client.session.request(verb, client.url(method), json=arguments if verb == "POST" else None)
    assert response.status_code == 200, response.text
    given = response.json()
    if isinstance(answer, dict):
        given = {name: ... if value is ... else given[name] for name, value in answer.items()}
    assert given == answer


@pytest.mark.parametrize(("method", "arguments"), EMPTY)
def test_method_without_an_answer_is_empty(client: Any, method: str, arguments: dict[str, Any]) -> None:
    """Success is 200 and no body."""
    response = client.post(method, **arguments)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(("method", "arguments", "words"), REFUSED)
def test_method_refuses_wrong_arguments_in_words(
    client: Any, method: str, arguments: dict[str, Any], words: str
) -> None:
    """A wrong argument is 400, and the answer says which."""
    response = client.post(method, **arguments)
    assert response.status_code == 400
    assert words in response.json()["message"]


@pytest.mark.parametrize("method", ["sendButtons", "sendTemplateButtons", "sendListMessage"])
def test_method_that_is_switched_off_is_forbidden(client: Any, method: str) -> None:
    """The vendor's pages say of these that they don't work now, and answer 403."""
    assert client.post(method, chatId=CHAT, message="Deploy?").status_code == 403


@pytest.mark.parametrize("method", sorted(METHODS))
def test_each_method_has_one_spelling_and_a_sentence(method: str) -> None:
    """The table leads from the lower-case name to the vendor's, and each handler says what it does."""
    assert METHODS[method].name.lower() == method
    assert METHODS[method].handler.__doc__


@pytest.mark.parametrize(
    "method", ["getMessage", "getContacts", "checkWhatsapp", "createGroup", "callsState", "getChats"]
)
def test_method_that_needs_the_messenger_is_refused_without_it(client: Any, method: str) -> None:
    """An instance that isn't linked can't look anything up."""
    client.gateway.state("notAuthorized")
    verb = METHODS[method.lower()].verbs[0]
    assert client.session.request(verb, client.url(method), json={}).status_code == 400


@pytest.mark.parametrize(
    ("state", "kind"),
    [("notAuthorized", "qrCode"), ("starting", "error"), ("authorized", "alreadyLogged")],
)
def test_qr_answers_by_the_state(client: Any, state: str, kind: str) -> None:
    """A picture where there is something to link, words elsewhere."""
    client.gateway.state(state)
    answer = client.get("qr").json()
    assert answer["type"] == kind
    assert answer["message"]


def test_logout_unlinks_and_tells(client: Any) -> None:
    """The state changes, a notification tells of it, and the history of states has both."""
    client.get("logout")
    assert client.get("getStateInstance").json() == {"stateInstance": "notAuthorized"}
    (body,) = client.gateway.queue()
    assert (body["typeWebhook"], body["stateInstance"]) == ("stateInstanceChanged", "notAuthorized")
    states = [entry["stateInstance"] for entry in client.get("GetStateInstanceHistory").json()]
    assert states == ["notAuthorized", "authorized"]
    assert client.get("getWaSettings").json()["phone"] == ""


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_other_products_are_linked_by_code(emulate: Any, type_instance: str) -> None:
    """Start, code and password answer in the vendor's form; then the instance is authorized."""
    client = emulate(type_instance=type_instance)
    client.gateway.state("notAuthorized")
    done = {"status": True, "data": {"status": "success", "reason": ""}}
    assert client.post("startAuthorization", phoneNumber=12025550100).json() == done
    assert client.post("sendAuthorizationCode", code="12345").json() == done
    assert client.gateway.queue()[-1]["stateInstance"] == "authorized"
    assert client.post("sendAuthorizationPassword", password="secret").json() == done
    account = client.get("getAccountSettings").json()
    assert (account["chatId"], account["stateInstance"]) == ("10000042", "authorized")


def test_new_token_takes_the_place_of_the_old_one(client: Any) -> None:
    """After updateApiToken the old token is refused and the new one works."""
    old = client.url("getStateInstance")
    token = client.get("updateApiToken").json()["apiTokenInstance"]
    assert client.session.get(old).status_code == 401
    assert client.gateway.api_token == token
    assert client.get("getStateInstance").status_code == 200


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_check_account_answers_the_chat(emulate: Any, type_instance: str) -> None:
    """Telegram and MAX answer whether an account exists, and its chat."""
    client = emulate(type_instance=type_instance)
    client.gateway.deliver_as("noAccount", chat_id="12025550102@c.us")
    found = client.post("checkAccount", phoneNumber=12025550101).json()
    assert found == {"exist": True, "chatId": "12025550101"}
    assert client.post("checkAccount", phoneNumber=12025550102).json() == {"exist": False, "chatId": ""}


def test_check_whatsapp_knows_numbers_without_an_account(client: Any) -> None:
    """A chat whose messages become noAccount doesn't exist."""
    client.gateway.deliver_as("noAccount", chat_id=CHAT)
    assert client.post("checkWhatsapp", phoneNumber=12025550101).json() == {"existsWhatsapp": False}


def test_pictures_are_set_by_a_form(client: Any) -> None:
    """The picture of the account and of a group come as files, and can be had by their link."""
    group = client.post("createGroup", groupName="Night", chatIds=[CHAT]).json()["chatId"]
    files = {"file": ("a.jpg", b"jpeg", "image/jpeg")}
    own = client.session.post(client.url("setProfilePicture"), files=files).json()
    data = {"groupId": group}
    theirs = client.session.post(client.url("setGroupPicture"), data=data, files=files).json()
    assert (own["setProfilePicture"], theirs["setGroupPicture"]) == (True, True)
    assert client.session.get(own["urlAvatar"]).content == b"jpeg"
    assert client.session.get(theirs["urlAvatar"]).content == b"jpeg"
    assert client.session.post(client.url("setProfilePicture"), files={"x": ("a", b"x")}).status_code == 400
