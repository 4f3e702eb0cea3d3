"""Filters, and functions that get a notification."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import chain
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
        value = _plain(value.as_dict())
    if isinstance(value, Mapping):
        if isinstance(value.get("not_"), NotificationFilter):
            value = {**value, "not_": _plain(value["not_"].as_dict())}
        _check_names(name, value)
        _checked_filter(name, _known(value))
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


def handler_in_chat_of(name: str, value: Any) -> Callable[..., object]:
    """Judge what is called for each notification of a chat: plain or async, with the context or without."""
    if not callable(value):
        raise refusal(name, value, "a function that gets the notification, or that and the context")
    if _is_generator(value):
        raise ValueError(f"{name} is {_name_of(value)}, which is a generator, so its body would never run.")
    if not takes(value, 1) and not takes(value, 2):
        raise ValueError(
            f"{name} is {_name_of(value)}, which takes neither one argument, the notification, nor two, that "
            "and the context."
        )
    return value  # type: ignore[no-any-return]


def is_async(function: Callable[..., object]) -> bool:
    """Tell whether what a function returns has to be awaited."""
    return any(map(inspect.iscoroutinefunction, _bodies(function)))


def _checked_filter(name: str, parts: Mapping[str, Any]) -> NotificationFilter:
    try:
        matching = NotificationFilter.from_dict(parts)
        _check_parts(matching.as_dict())
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return matching


def _check_names(name: str, parts: Mapping[str, Any]) -> None:
    """Refuse a part that no filter has, also where a template hides its value."""
    try:
        NotificationFilter.check_names(parts)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _known(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter's parts without those that only the running task knows."""
    nested = {part: _known(value) for part, value in parts.items() if value and isinstance(value, Mapping)}
    plain = {part: value for part, value in parts.items() if part not in nested and not has_template(value)}
    return plain | {part: known for part, known in nested.items() if known}


def _plain(value: Any) -> Any:
    """Return a filter's parts as somebody would write them: one value is no list."""
    if isinstance(value, Mapping):
        return {part: _plain(given) for part, given in value.items()}
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _check_parts(parts: Mapping[str, Any]) -> None:
    """Refuse what no notification carries, such as what is rendered from a task that returned nothing."""
    for part, value in parts.items():
        if part == "not_":
            _check_parts(value)
        elif part in ("chat_id", "sender"):
            for item in value:
                chat_of(part, item)
        elif part != "text":
            nothing = ("None",) if part == "body" else ("", "None")
            _refuse(part, value.values() if part == "body" else [value], nothing)


def _refuse(part: str, lists: Iterable[list[str]], nothing: Collection[str]) -> None:
    for item in chain.from_iterable(lists):
        if item in nothing:
            raise ValueError(f"{part} is {item!r}, which nothing fits. Did a task return nothing?")


def _plain_function(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose body runs when it is called with a notification."""
    flaw = ""
    if is_async(function):
        flaw = "is async, so its answer would never be awaited"
    elif _is_generator(function):
        flaw = "is a generator, so its body would never run"
    elif not takes(function, 1):
        flaw = "doesn't take one argument"
    if flaw:
        raise ValueError(
            f"{name} is {_name_of(function)}, which {flaw}; it must be a plain function that gets the "
            "notification."
        )
    return function


def _bodies(function: Callable[..., Any]) -> tuple[Any, ...]:
    return function, inspect.getattr_static(function, "__call__", None)


def _is_generator(function: Callable[..., Any]) -> bool:
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(is_kind(body) for is_kind in kinds for body in _bodies(function))


def takes(function: Callable[..., Any], count: int) -> bool:
    """Tell whether a function may be called with so many arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are built in don't tell
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
