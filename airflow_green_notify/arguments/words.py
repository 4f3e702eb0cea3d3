"""Switches, choices, names and paths."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from os import PathLike
from typing import Any

from airflow_green_notify.arguments.judging import Judge, refusal
from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol.limits import checked_options


def boolean_of(name: str, value: Any) -> bool:
    """Judge a switch; a template renders it to text."""
    given = value.strip().lower() if isinstance(value, str) else value
    for known, text in ((True, "true"), (False, "false")):
        if given is known or given == text:
            return known
    raise refusal(name, value, "True or False")


def plain_boolean_of(name: str, value: Any) -> bool:
    """Judge a switch that Airflow looks at before it renders anything."""
    if not isinstance(value, bool):
        raise refusal(name, value, "True or False, and no template")
    return value


def choice_of(*choices: str) -> Judge:
    """Return a judge for one of some words."""

    def judged(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise refusal(name, value, _listed(choices, "or"))
        return value

    return judged


def names_of(*known: str, at_least: int = 0) -> Judge:
    """Return a judge for a list of known names; a single one may stand for itself.

    :param at_least: How many the list must have.
    """

    def judged(name: str, value: Any) -> tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, list | tuple | set) or len(names) < at_least or {*names} - {*known}:
            raise refusal(name, value, f"a list of names out of {_listed(known, 'and')}")
        return tuple(names)

    return judged


def _listed(words: tuple[str, ...], last: str) -> str:
    *others, end = [repr(word) for word in words]
    return f"{', '.join(others)} {last} {end}" if others else end


def connection_of(name: str, value: Any) -> str:
    """Judge the id of a connection."""
    if not isinstance(value, str) or value in ("", "None"):
        raise refusal(name, value, "the id of a connection, such as 'green_api_default'")
    return value


def connections_of(name: str, value: Any) -> str | tuple[str, ...]:
    """Judge the id of a connection, or a list of such ids, which a template may have rendered to text."""
    is_written = isinstance(value, str) and value.strip().startswith("[")
    ids = _written_list(name, value.strip()) if is_written else value
    if isinstance(ids, str) or not isinstance(ids, Sequence):
        return connection_of(name, value)
    if not ids:
        raise refusal(name, value, "the id of a connection, or a list with at least one")
    judged = tuple(connection_of(f"{name}[{place}]", each) for place, each in enumerate(ids))
    for place, each in enumerate(judged):
        if each in judged[:place]:
            raise refusal(name, value, f"a list that names each connection once; {each!r} is there twice")
    return judged


def _written_list(name: str, text: str) -> Any:
    """Return the list that a text is, as JSON or as Python writes it."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        raise refusal(name, text, "a list of the ids of connections") from None


def path_of(name: str, value: Any) -> Any:
    """Judge a path, or the URL of a file or folder."""
    is_path = isinstance(value, str | PathLike) or hasattr(value, "protocol")
    if not is_path or str(value) in ("", "None"):
        raise refusal(name, value, "a path, an ObjectStoragePath or a URL")
    return value


def options_of(name: str, value: Any) -> tuple[str, ...]:
    """Judge the answers that a poll offers."""
    try:
        checked_options(value)
    except GreenApiConfigError as error:
        raise ValueError(f"{name}: {error}") from None
    return tuple(value)
