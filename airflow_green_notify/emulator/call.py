"""One request to an imitated method, after its path was understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from airflow_green_notify.emulator.account import Needs
from airflow_green_notify.emulator.answers import refused
from airflow_green_notify.emulator.instance import Instance
from airflow_green_notify.emulator.json_body import TOO_LARGE, BodyTooLargeError, BrokenBodyError, read_json
from airflow_green_notify.emulator.refusals import Refusal, Rejection


@dataclass(slots=True)
class Call:
    """A request with the instance it names, the token it came with, the rest of its path, and its query."""

    request: web.BaseRequest
    instance: Instance
    token: str
    rest: str
    query: str

    @property
    def abandoned(self) -> bool:
        """Whether the client has hung up."""
        return self.request.transport is None

    def require_token(self) -> None:
        """Refuse the call, unless its token is that of the instance."""
        if self.token != self.instance.api_token:
            raise Refusal(refused(401))

    def require(self, needs: Needs) -> None:
        """Refuse the call, unless the instance is what a method needs."""
        refusal = self.instance.account.refusal(needs)
        if refusal:
            raise Refusal(refused(400, refusal))

    def parameter(self, name: str, default: str) -> str:
        """A parameter of the query."""
        return parse_qs(self.query).get(name, [default])[0] if self.query else default

    def count(self, default: int | None = None) -> int | None:
        """The parameter ``count`` of the query; what is no number is the default."""
        count = self.parameter("count", "")
        return int(count[:9]) if count.isdecimal() else default

    async def json_object(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        try:
            data = await read_json(self.request)
        except BodyTooLargeError:
            raise Rejection(500, TOO_LARGE) from None
        except BrokenBodyError as broken:
            raise Rejection(400, str(broken)) from None
        if not isinstance(data, dict):
            raise Rejection(400, "bad request data")
        return data
