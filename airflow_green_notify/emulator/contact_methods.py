"""The imitated methods about persons: who has an account, who is a contact, and what is known of them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.people import Person, is_group
from airflow_green_notify.emulator.refusals import Refusal, Rejection
from airflow_green_notify.emulator.validation import invalid, optional_text, text

VALID_LENGTHS = range(11, 17)  # digits of a phone number
MONTHLY_QUOTA = "Monthly quota has been exceeded."
NO_SUCH_ACCOUNT = ("noAccount",)


async def check_whatsapp(call: Call) -> web.Response:
    """Answer whether a phone number or LID has an account, and the id that messages to it appear under."""
    chat_id, exists = await _check(call)
    shown = {"chatId": call.instance.people.shown(chat_id)} if exists else {}
    return as_json({"existsWhatsapp": exists} | shown)


async def check_account(call: Call) -> web.Response:
    """Answer whether a phone number has an account on Telegram or MAX, and its chat."""
    chat_id, exists = await _check(call)
    return as_json({"exist": exists, "chatId": call.instance.people.shown(chat_id) if exists else ""})


async def get_contacts(call: Call) -> web.Response:
    """Answer the contacts: persons and groups, or one of the two, or the first of them only."""
    instance, wanted = call.instance, call.parameter("group", "")
    people = [person for person in instance.people.known.values() if person.chat_id != instance.people.own_id]
    if wanted in ("true", "false"):
        people = [person for person in people if is_group(person.chat_id) == (wanted == "true")]
    return as_json([_contact(call, person) for person in people[: call.count()]])


async def get_contact_info(call: Call) -> web.Response:
    """Answer what is known of a person."""
    chat_id = arguments.chat(call, await call.json_object())
    if is_group(chat_id):
        raise invalid("The method GetContactInfo does not support group chats")
    instance = call.instance
    person = instance.people.known.get(instance.people.key(chat_id)) or Person(instance.people.key(chat_id))
    names = {"avatar": "", "name": person.name, "contactName": person.contact_name}
    if instance.type_instance != "whatsapp":
        return as_json(names | {"chatId": person.chat_id, "lastSeen": 0, "phoneNumber": _phone(person)})
    marks = instance.chats.of(chat_id)
    return as_json(
        names
        | {"email": "", "category": "", "description": "", "products": []}
        | _ids(call, person, "chatId")
        | {"lastSeen": None, "isArchive": marks.archived, "isDisappearing": bool(marks.ephemeral)}
        | {"isMute": False, "messageExpiration": marks.ephemeral, "muteExpiration": None, "isBusiness": False}
    )


async def get_avatar(call: Call) -> web.Response:
    """Answer that a chat has no picture."""
    arguments.chat(call, await call.json_object())
    if call.instance.type_instance != "whatsapp":
        return as_json({"urlAvatar": ""})
    return as_json({"urlAvatar": "", "available": True})


async def add_contact(call: Call) -> web.Response:
    """Name a person in the account's address book."""
    await _name(call)
    return as_json({"addContact": True})


async def edit_contact(call: Call) -> web.Response:
    """Name a person in the account's address book otherwise."""
    await _name(call)
    return as_json({"editContact": True})


async def delete_contact(call: Call) -> web.Response:
    """Take a person's name out of the account's address book."""
    call.instance.people.add(arguments.chat(call, await call.json_object())).contact_name = ""
    return as_json({"deleteContact": True})


async def _name(call: Call) -> None:
    data = await call.json_object()
    chat_id, first = arguments.chat(call, data), text(data, "firstName")
    last = optional_text(data, "lastName")
    call.instance.people.add(chat_id).contact_name = f"{first} {last}".strip()


async def _check(call: Call) -> tuple[str, bool]:
    data = await call.json_object()
    if not data:
        raise invalid("'value' must have at least 1 key")
    asked = str(data.get("chatId") or data.get("phoneNumber") or "")
    digits = asked.removesuffix("@lid").removesuffix("@c.us")
    if not (digits.isascii() and digits.isdecimal()):
        raise invalid("Wrong format. 'phoneNumber' must contain only digits")
    if len(digits) not in VALID_LENGTHS:
        raise Rejection(400, "bad phone number, valid from 11 to 16 digits")
    _count_check(call)
    chat_id = asked if asked.endswith("@lid") else f"{digits}@c.us"
    exists = call.instance.outbox.course(chat_id).statuses != NO_SUCH_ACCOUNT
    if exists and not asked.endswith("@lid"):
        call.instance.people.add(chat_id)
    return chat_id, exists


def _count_check(call: Call) -> None:
    """Refuse a check beyond those of the plan, in the recorded form: one flat object."""
    instance, quota = call.instance, call.instance.switches.quota_checks
    if quota is not None and instance.checks >= quota:
        used = {"method": "checkwhatsapp", "used": instance.checks, "total": quota}
        raise Refusal(as_json(used | {"status": "QUOTE_EXCEEDED", "description": MONTHLY_QUOTA}, 466))
    instance.checks += 1


def _contact(call: Call, person: Person) -> dict[str, Any]:
    kind = "group" if is_group(person.chat_id) else "user"
    names = {"name": person.name, "contactName": person.contact_name, "type": kind}
    if call.instance.type_instance != "whatsapp":
        return {"chatId": person.chat_id} | names | {"phoneNumber": _phone(person)}
    return _ids(call, person, "id") | names


def _ids(call: Call, person: Person, name: str) -> dict[str, str]:
    """Both ids of a person where LIDs are in use. The field ``lid`` is that of ``getGroupData``: inferred."""
    ids = call.instance.people.ids(person.chat_id)
    return {name: ids["id"]} | ({"lid": ids["lid"]} if call.instance.people.lids and "lid" in ids else {})


def _phone(person: Person) -> int:
    return int(person.chat_id) if len(person.chat_id) in VALID_LENGTHS and person.chat_id.isdecimal() else 0
