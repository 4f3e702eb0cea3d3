"""An instance in which there is something to ask for, and the arguments that a client needs to ask for it.

Made by raw HTTP. The arguments go by the names that the vendor gives them in all of its clients; a name that
is missing here belongs to a method that is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from airflow_green_notify.emulator import GatewayInstance, GreenApiEmulator

PHONE = 12025550101
CHATS = {"whatsapp": "12025550101@c.us", "telegram": "10000101", "v3": "10000101"}
OTHERS = {"whatsapp": "12025550102@c.us", "telegram": "10000102", "v3": "10000102"}
NEWCOMERS = {"whatsapp": "12025550103@c.us", "telegram": "10000103", "v3": "10000103"}
OF_A_SENT_MESSAGE = ("editMessage", "deleteMessage")
OF_A_STATUS = ("deleteStatus", "getStatusStatistic")
BEFORE_AUTHORIZATION = ("qr", "getQR", "scanQrCode", "startAuthorization", "getAuthorizationCode")
BEFORE_AUTHORIZATION += ("sendAuthorizationCode", "sendAuthorizationPassword")


@dataclass
class World:
    """One instance, with a file that came in, a message and a status that went out, and a group.

    :param gateway: The emulator it lives in.
    :param instance: The instance.
    """

    gateway: GreenApiEmulator
    instance: GatewayInstance

    @property
    def chat_id(self) -> str:
        """Somebody to talk to."""
        return CHATS[self.instance.type_instance]

    def post(self, method: str, **data: Any) -> Any:
        """Call a method by raw HTTP."""
        path = f"waInstance{self.instance.id_instance}/{method}/{self.instance.api_token}"
        response = requests.post(f"{self.gateway.url}/{path}", json=data, timeout=20)
        assert response.status_code == 200, (method, response.status_code)
        return response.json()

    def id_message(self, method: str) -> str:
        """A message that the method may be asked about."""
        if method in OF_A_SENT_MESSAGE:
            return str(self.post("sendMessage", chatId=self.chat_id, message="Hi")["idMessage"])
        if method in OF_A_STATUS:
            return str(self.post("sendTextStatus", message="Hi")["idMessage"])
        return str(self.instance.media_message("scan.jpg", 10, chat_id=self.chat_id)["idMessage"])

    def group_id(self) -> str:
        """A group in which somebody is."""
        other = OTHERS[self.instance.type_instance]
        return str(self.post("createGroup", groupName="Team", chatIds=[self.chat_id, other])["chatId"])

    def arguments(self, method: str, path: str, in_group: bool) -> dict[str, Any]:
        """Arguments of every name that the vendor's clients have.

        :param path: A file to send.
        :param in_group: Whether the chat that is asked about is a group.
        """
        method = method.removesuffix("Async")
        if method in BEFORE_AUTHORIZATION:
            self.instance.state("notAuthorized")
            return {"phoneNumber": PHONE, "code": "12345", "password": "secret"}
        group_id = self.group_id() if in_group else ""
        id_message = self.id_message(method)
        others = NEWCOMERS if method == "addGroupParticipant" else OTHERS
        return PLAIN | {
            "chatId": group_id or self.chat_id,
            "groupId": group_id,
            "chatIds": [self.chat_id],
            "chatIdFrom": self.chat_id,
            "participantChatId": others[self.instance.type_instance],
            "idMessage": id_message,
            "messages": [id_message],
            "path": path,
            "urlFile": self.instance.media("scan.jpg", 10),
            "requestBody": {"name": "new"} if method == "createInstance" else {"incomingWebhook": "yes"},
            "receiptId": 1,
            "buttons": BUTTONS.get(method, []),
        }


PLAIN = {
    "phoneNumber": PHONE,
    "firstName": "Anna",
    "lastName": "Petrova",
    "saveInAddressbook": True,
    "groupName": "Team",
    "count": 10,
    "minutes": 60,
    "message": "Hello",
    "body": "Hello",
    "header": "Header",
    "footer": "Footer",
    "title": "Title",
    "quotedMessageId": None,
    "archiveChat": True,
    "linkPreview": True,
    "typingTime": 1000,
    "typingType": "recording",
    "contact": {"phoneContact": PHONE, "firstName": "Anna"},
    "fileName": "scan.jpg",
    "caption": "label",
    "urlLink": "https://example.org/",
    "buttonText": "Choose",
    "sections": [{"title": "One", "rows": [{"rowId": "1", "title": "First", "description": "of all"}]}],
    "latitude": 59.93,
    "longitude": 30.32,
    "nameLocation": "Office",
    "address": "Main street 1",
    "options": [{"optionName": "yes"}, {"optionName": "no"}],
    "multipleAnswers": False,
    "isAnonymous": True,
    "templateButtons": [{"index": 1, "quickReplyButton": {"displayText": "Yes", "id": "yes"}}],
    "onlySenderDelete": False,
    "ephemeralExpiration": 86400,
    "participants": [CHATS["whatsapp"]],
    "backgroundColor": "#228B22",
    "font": "SERIF",
    "idInstance": 0,
    "target": CHATS["whatsapp"],
}
BUTTONS = {
    "sendButtons": [{"buttonId": "1", "buttonText": "Yes"}],
    "sendInteractiveButtons": [
        {"type": "url", "buttonId": "1", "buttonText": "Open", "url": "https://example.org/"}
    ],
    "sendInteractiveButtonsReply": [{"buttonId": "1", "buttonText": "Yes"}],
}
