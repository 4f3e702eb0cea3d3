"""The imitated methods about groups."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_green_notify.emulator import arguments
from airflow_green_notify.emulator.answers import as_json
from airflow_green_notify.emulator.call import Call
from airflow_green_notify.emulator.forms import read_form
from airflow_green_notify.emulator.groups import Group
from airflow_green_notify.emulator.validation import CONTACTS, invalid, text

NO_SUCH_GROUP = "Error: item-not-found"
MAX_NAME = 100  # characters


async def create_group(call: Call) -> web.Response:
    """Make a group with these members."""
    data = await call.json_object()
    name, members = text(data, "groupName", limit=MAX_NAME), arguments.texts(data, "chatIds")
    group = call.instance.groups.create(name, members)
    return as_json({"created": True, "chatId": group.chat_id, "groupInviteLink": group.invitation})


async def get_group_data(call: Call) -> web.Response:
    """Answer what is known of a group; its members by phone and by LID."""
    group = call.instance.groups.find(arguments.group(call, await call.json_object()))
    return as_json(NO_SUCH_GROUP if group is None else call.instance.groups.as_dict(group))


async def update_group_name(call: Call) -> web.Response:
    """Name a group otherwise."""
    data = await call.json_object()
    group, name = _group(call, data), text(data, "groupName")
    if group is not None:
        group.subject = name
        call.instance.people.add(group.chat_id, name)
    return as_json({"updateGroupName": group is not None})


async def update_group_settings(call: Call) -> web.Response:
    """Change what the members of a group may do."""
    data = await call.json_object()
    group = _group(call, data)
    if group is not None:
        given = [name for name in group.permissions if data.get(name) is not None]
        group.permissions |= {name: arguments.flag(data, name) for name in given}
    return as_json({"updateGroupSettings": group is not None})


async def add_group_participant(call: Call) -> web.Response:
    """Take somebody into a group."""
    group, member = await _membership(call)
    if group is not None:
        group.members.setdefault(member, False)
    return as_json({"addParticipant": group is not None})


async def remove_group_participant(call: Call) -> web.Response:
    """Take somebody out of a group."""
    group, member = await _membership(call)
    removed = group is not None and group.members.pop(member, None) is not None
    return as_json({"removeParticipant": removed})


async def set_group_admin(call: Call) -> web.Response:
    """Make a member an administrator."""
    return as_json({"setGroupAdmin": await _make_admin(call, True)})


async def remove_admin(call: Call) -> web.Response:
    """Let a member be no administrator any more."""
    return as_json({"removeAdmin": await _make_admin(call, False)})


async def leave_group(call: Call) -> web.Response:
    """Take the account out of a group."""
    group = _group(call, await call.json_object())
    if group is not None:
        group.left = True
    return as_json({"leaveGroup": group is not None})


async def set_group_picture(call: Call) -> web.Response:
    """Give a group a picture."""
    fields, file = await read_form(call)
    group = _group(call, dict(fields))
    if file is None:
        raise invalid("'file' is required")
    if group is None:
        return as_json({"setGroupPicture": False, "urlAvatar": None, "reason": NO_SUCH_GROUP})
    url = call.instance.media.link(call.instance, file, None)
    return as_json({"setGroupPicture": True, "urlAvatar": url, "reason": ""})


def _group(call: Call, data: dict[str, Any]) -> Group | None:
    return call.instance.groups.find(arguments.group(call, data))


async def _membership(call: Call) -> tuple[Group | None, str]:
    data = await call.json_object()
    group = _group(call, data)
    if data.get("participantPhone"):
        member = f"{arguments.phone(data, 'participantPhone')}@c.us"
    else:
        member = arguments.chat(call, data, "participantChatId", CONTACTS)
    return group, call.instance.people.add(member).chat_id


async def _make_admin(call: Call, is_admin: bool) -> bool:
    group, member = await _membership(call)
    if group is None or member not in group.members:
        return False
    group.members[member] = is_admin
    return True
