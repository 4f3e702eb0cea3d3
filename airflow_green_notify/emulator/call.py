"""One request to an imitated method, after its path was understood."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from airflow_green_notify.emulator.answers import refused
from airflow_green_notify.emulator.instance import Instance


class Refusal(Exception):
    """Ends a call with an answer that is not a success.

    :param response: The answer.
    """

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(slots=True)
class Call:
    """A request with the instance it names, the rest of its path, and its query."""

    request: web.BaseRequest
    instance: Instance
    rest: str
    query: str

    @property
    def abandoned(self) -> bool:
        """Whether the client has hung up."""
        return self.request.transport is None

    def parameter(self, name: str, default: str) -> str:
        """A parameter of the query."""
        return parse_qs(self.query).get(name, [default])[0] if self.query else default

    async def json_object(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        try:
            data = json.loads(await self.request.read())
        except ValueError as error:
            position = getattr(error, "pos", 0)
            raise Refusal(refused(400, f"Unexpected token _ in JSON at position {position}")) from None
        if not isinstance(data, dict):
            raise Refusal(refused(400, "bad request data"))
        return data
