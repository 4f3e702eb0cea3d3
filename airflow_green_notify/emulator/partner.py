"""The partner's side: all instances of one account, listed, made and deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from airflow_green_notify.emulator.account import DEFAULT_SETTINGS, Account
from airflow_green_notify.emulator.answers import as_json, instant
from airflow_green_notify.emulator.headers import PREFLIGHT
from airflow_green_notify.emulator.instance import TYPES, Instance
from airflow_green_notify.emulator.json_body import BodyTooLargeError, BrokenBodyError, read_json
from airflow_green_notify.emulator.paths import path_of, segments_of
from airflow_green_notify.emulator.refusals import Rejection

PAID_SECONDS = 30 * 24 * 3600  # for which a new instance is paid

Create = Callable[[str], Instance]


class Partner:
    """The door below ``/partner/``; a refusal is HTTP 200 with its code in the body, as documented.

    :param token: The partner's token.
    :param instances: By id.
    :param create: Opens one more instance of a product.
    """

    def __init__(self, token: str, instances: Mapping[str, Instance], create: Create) -> None:
        self.token = token
        self._instances = instances
        self._create = create

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Answer a request below ``/partner/``."""
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=PREFLIGHT)
        verb = request.method if request.method != "HEAD" else "GET"
        _, name, token, *_ = [*map(unquote, segments_of(request)), "", ""]
        method = {
            ("GET", "getinstances"): self._list,
            ("POST", "createinstance"): self._add,
            ("POST", "deleteinstanceaccount"): self._delete,
        }.get((verb, name.lower()))
        if method is None:
            raise Rejection(404, f"Cannot {verb} {path_of(request)}")
        if token != self.token:
            return _refusal(401, "Unauthorized")
        data = await _data(request)
        return _refusal(400, "Bad Request") if data is None else method(data)

    def _list(self, data: dict[str, Any]) -> web.Response:
        return as_json([_shown(instance) for instance in self._instances.values()])

    def _add(self, data: dict[str, Any]) -> web.Response:
        kind = data.get("typeInstance", "whatsapp")
        settings = {name: value for name, value in data.items() if name in DEFAULT_SETTINGS}
        if kind not in TYPES or Account.problem_with(settings) is not None:
            return _refusal(400, "Bad Request")
        instance = self._create(kind)
        instance.set_state("notAuthorized")
        instance.partner_name = str(data.get("name", ""))
        instance.account.change(settings)
        made = {"idInstance": int(instance.id_instance), "apiTokenInstance": instance.api_token}
        return as_json(made | {"typeInstance": kind})

    def _delete(self, data: dict[str, Any]) -> web.Response:
        instance = self._instances.get(str(data.get("idInstance")))
        if instance is None or instance.account.state == "deleted":
            return _refusal(404, "Not found")
        instance.deleted_at = instance.account.told_time()
        instance.set_state("deleted")
        return as_json({"deleteInstanceAccount": True})


def _shown(instance: Instance) -> dict[str, Any]:
    deleted = instance.account.state == "deleted"
    return {
        "idInstance": int(instance.id_instance),
        "name": instance.partner_name,
        "typeInstance": instance.type_instance,
        "typeAccount": "",
        "messenger": instance.type_instance,
        "partnerUserUiid": "",
        "timeCreated": _moment(instance.created_at),
        "timeDeleted": _moment(instance.deleted_at),
        "apiTokenInstance": instance.api_token,
        "deleted": deleted,
        "tariff": "PARTNER",
        "isFree": False,
        "isPartner": True,
        "expirationDate": _moment(instance.created_at + PAID_SECONDS),
        "isExpired": instance.account.state == "expired",
    }


def _moment(at: float) -> str:
    """A time as the vendor writes it; never is the beginning of its calendar."""
    return instant(at) if at else "0000-12-31T21:29:43.000Z"


def _refusal(code: int, description: str) -> web.Response:
    return as_json({"code": code, "description": description})


async def _data(request: web.BaseRequest) -> dict[str, Any] | None:
    """The object that a request carries, an empty one for nothing; ``None`` if it is no object."""
    if not request.can_read_body:
        return {}
    try:
        data = await read_json(request)
    except (BodyTooLargeError, BrokenBodyError):
        return None
    return data if isinstance(data, dict) else None
