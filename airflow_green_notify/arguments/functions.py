"""Filters, and functions that get a notification."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_green_notify.arguments.chats import chat_of
from airflow_green_notify.arguments.judging import has_template, refusal
from airflow_green_notify.filters import NotificationFilter, answer_of

if TYPE_CHECKING:
    from airflow_green_notify.filters import Matching

_A_FILTER = (
    "a NotificationFilter, its arguments as a dict, or a function that gets the notification and returns "
    "whether it is meant"
)


class FilterFunction:
    """Holds a function in a template field: Airflow would call it there, to get the field's value."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"<callable {getattr(self.function, '__module__', '')}.{_name_of(self.function)}>"


def filter_argument(name: str, value: Any) -> Any:
    """Judge a filter in a Dag file, and return what a template field holds of it.

    That is a dict, whose values Airflow renders, or what keeps Airflow from calling a function. A dict stays
    the one that was given: what another task returned is not rendered again.

    :raises ValueError: It is none, as far as no template hides it.
    """
    if isinstance(value, NotificationFilter):
        parts = value.as_dict()
        value = {part: values[0] if len(values) == 1 else values for part, values in parts.items()}
    if isinstance(value, Mapping):
        hidden = {part: _HIDDEN for part, given in value.items() if has_template(given)}
        _checked_filter(name, {**value, **hidden})
    elif not has_template(value):
        matching = matching_of(name, value)
        return FilterFunction(matching) if callable(matching) else matching
    return value


def matching_of(name: str, value: Any) -> Matching:
    """Judge a filter; ``None`` is none: a task that returned nothing doesn't make it one for anything."""
    if isinstance(value, FilterFunction):
        return value.function
    if isinstance(value, Mapping):
        return _checked_filter(name, value)
    if isinstance(value, NotificationFilter):
        return _checked_filter(name, value.as_dict())
    if not callable(value) or (isinstance(value, type) and issubclass(value, NotificationFilter)):
        raise refusal(name, value, _A_FILTER)
    return _plain_function(name, value)


def handler_of(name: str, value: Any) -> Callable[..., object]:
    """Judge what is called for each notification."""
    if not callable(value):
        raise refusal(name, value, "a function that gets the notification")
    return partial(answer_of, _plain_function(name, value))


_HIDDEN = object()
"""Stands for a part of a filter that only the running task knows."""


def _checked_filter(name: str, parts: Mapping[str, Any]) -> NotificationFilter:
    known = {part: "" if value is _HIDDEN else value for part, value in parts.items()}
    try:
        matching = NotificationFilter.from_dict(known)
        for part, value in parts.items():
            if value is not _HIDDEN:
                _check_values(part, value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return matching


def _check_values(part: str, value: Any) -> None:
    """Refuse what no notification carries, such as what is rendered from a task that returned nothing."""
    for item in value if isinstance(value, list | tuple) else (value,):
        if part in ("chat_id", "sender"):
            chat_of(part, item)
        elif part != "text" and item in ("", "None"):
            raise ValueError(f"{part} is {item!r}, which nothing fits. Did a task return nothing?")


def _plain_function(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose body runs when it is called with a notification."""
    bodies = (function, inspect.getattr_static(function, "__call__", None))
    flaw = ""
    if any(inspect.iscoroutinefunction(body) for body in bodies):
        flaw = "is async, so its answer would never be awaited"
    elif any(inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body) for body in bodies):
        flaw = "is a generator, so its body would never run"
    elif not _takes_one(function):
        flaw = "doesn't take one argument"
    if flaw:
        raise ValueError(
            f"{name} is {_name_of(function)}, which {flaw}; it must be a plain function that gets the "
            "notification."
        )
    return function


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are built in don't tell
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
