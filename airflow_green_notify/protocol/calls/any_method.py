"""Any method of the gateway, by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol import results
from airflow_green_notify.protocol.call import LIST_BOUNDS, Call

VERBS = ("GET", "POST", "DELETE")
HOLD = 30.0
"""Seconds that a method may take of which nothing is known."""

BOUNDS = LIST_BOUNDS._replace(advice="ask for less.")

_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_WITH_RULES = {
    "receivenotification": "receive_notification()",
    "deletenotification": "delete_notification()",
}
"""What goes by rules of its own: how long a receive is held, and that a receipt id is used once, at once."""


def call(
    verb: str, method: str, payload: Mapping[str, Any] | None = None, *, repeat: bool = False
) -> Call[Any]:
    """Call any method of the gateway by its name, and return its answer as the gateway gives it.

    Retries, limits, errors and silence about the token are those of the other methods. A method whose limit
    isn't known is called once a second at most. Methods that take a file are not for it.

    :param verb: ``GET``, ``POST`` or ``DELETE``.
    :param method: The gateway's name, such as ``archiveChat``: letters and digits only. Receiving and
        deleting notifications is refused: :meth:`receive_notification` and :meth:`delete_notification` do
        it by rules of their own.
    :param payload: What goes with it: the JSON body of a POST, the query of the others.
    :param repeat: Whether calling it twice does no harm, so that it may be repeated after a doubtful answer.
    :return: The parsed JSON; ``None`` for an empty answer.

    .. seealso:: https://green-api.com/en/docs/api/
    """
    verb = checked_verb(verb)
    checked_method(method)
    content = checked_payload(payload)
    return Call(
        method,
        verb,
        results.anything,
        query={} if verb == "POST" else query_of(content),
        payload=content if verb == "POST" else None,
        hold=HOLD,
        idempotent=repeat,
        may_be_empty=True,
        bounds=BOUNDS,
    )


def checked_verb(verb: str) -> str:
    """Return the HTTP method in capitals.

    :raises GreenApiConfigError: The gateway knows no such.
    """
    if not isinstance(verb, str) or verb.upper() not in VERBS:
        raise GreenApiConfigError(f"verb is {verb!r}; it must be 'GET', 'POST' or 'DELETE'.")
    return verb.upper()


def checked_method(method: str) -> None:
    """Let nothing but a name into the address.

    :raises GreenApiConfigError: It is no name, or of a method that has rules of its own.
    """
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise GreenApiConfigError(
            f"method is {method!r}; it must be the name of a gateway method, letters and digits only, such "
            "as 'archiveChat'. What a method takes goes into payload."
        )
    if own := _WITH_RULES.get(method.lower()):
        raise GreenApiConfigError(f"{method} is not called by its name: use {own}, which follows its rules.")


def checked_payload(payload: Any) -> dict[str, Any]:
    """Return what goes with a call.

    :raises GreenApiConfigError: It is no dict.
    """
    if payload is not None and not isinstance(payload, Mapping):
        raise GreenApiConfigError(
            f"payload is of type {type(payload).__name__}; it must be a dict, such as {{'chatId': "
            "'12025550101@c.us'}, or None."
        )
    return dict(payload or {})


def query_of(payload: Mapping[str, Any]) -> dict[str, str | float]:
    """Return what a GET or DELETE takes, as the vendor's pages write it: ``true``, not ``True``.

    :raises GreenApiConfigError: A value is no text, number or boolean, or nothing that an address can hold.
        Found while it is sent, the error would hold the token.
    """
    query: dict[str, str | float] = {}
    for name, value in payload.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            raise GreenApiConfigError(
                f"payload[{name!r}] is of type {type(value).__name__}; a GET or DELETE takes texts, numbers "
                "and booleans."
            )
        query[name] = str(value).lower() if isinstance(value, bool) else value
    try:
        urlencode(query)
    except ValueError as error:
        what = f"The payload can't be written into an address: {error}."
    else:
        return query
    raise GreenApiConfigError(what)
