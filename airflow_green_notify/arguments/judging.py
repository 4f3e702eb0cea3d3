"""What a judge is, what it says, and what it can't know yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_green_notify.task_output import is_template

Judge = Callable[[str, Any], Any]


def has_template(value: Any) -> bool:
    """Tell whether a value, or what is in it, is known only when the task runs."""
    if isinstance(value, Mapping):
        return any(map(has_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(has_template, value))
    return is_template(value)


def refusal(name: str, value: Any, allowed: str) -> ValueError:
    """Return the error for a wrong argument."""
    return ValueError(f"{name} is {_shown(value)}; it must be {allowed}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:199]}…"


def optional(judge: Judge) -> Judge:
    """Return a judge that lets ``None`` pass, also where a template turned it into text."""

    def judged(name: str, value: Any) -> Any:
        nothing = value is None or (isinstance(value, str) and value in ("", "None"))
        return None if nothing else judge(name, value)

    return judged


def unless_template(judge: Judge) -> Judge:
    """Return a judge for a Dag file, where what a template hides can't be judged."""

    def judged(name: str, value: Any) -> Any:
        return value if has_template(value) else judge(name, value)

    return judged


class TriggerArgumentError(TypeError, ValueError):
    """A wrong argument of a trigger: a triggerer survives nothing but a :class:`TypeError` there."""


def of_trigger(judge: Judge) -> Judge:
    """Return a judge for the constructor of a trigger."""

    def judged(name: str, value: Any) -> Any:
        try:
            return judge(name, value)
        except ValueError as error:
            raise TriggerArgumentError(str(error)) from None

    return judged
