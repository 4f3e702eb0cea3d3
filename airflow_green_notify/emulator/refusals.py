"""Ends of a call that are no success: in a form of their own, or in the gateway's JSON form of an error."""

from __future__ import annotations

from aiohttp import web

from airflow_green_notify.emulator.answers import error


class Refusal(Exception):
    """Ends a call with an answer that is not a success, in a form of its own.

    :param response: The answer.
    """

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.status = response.status
        self._response = response

    def answer(self, path: str, at: float) -> web.Response:
        """The answer to a request for ``path`` at this UNIX time."""
        return self._response


class Rejection(Refusal):
    """Ends a call with the gateway's JSON form of an error, which repeats the path of the request.

    :param status: The HTTP status.
    :param message: The gateway's words.
    """

    def __init__(self, status: int, message: str) -> None:
        Exception.__init__(self, status)
        self.status = status
        self._message = message

    def answer(self, path: str, at: float) -> web.Response:
        """The answer to a request for ``path`` at this UNIX time."""
        return error(self.status, self._message, path, at)
