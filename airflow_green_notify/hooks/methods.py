"""Makes the hook's methods out of what describes their calls: the plain one and its async twin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from airflow_green_notify.hooks.instance_hook import InstanceHook

if TYPE_CHECKING:
    from airflow_green_notify.protocol.calls import Call

P = ParamSpec("P")
Result = TypeVar("Result")

Plain = Callable[Concatenate[InstanceHook, P], Result]
Twin = Callable[Concatenate[InstanceHook, P], Coroutine[Any, Any, Result]]


def twins(describe: Callable[P, Call[Result]]) -> tuple[Plain[P, Result], Twin[P, Result]]:
    """Return a method that sends the call and returns its result, and its async twin.

    Both have the signature and the docstring of ``describe``, and are functions like any other: for
    ``help()``, for mocks with a spec, for whoever asks which of them is async.
    """

    def send(self: InstanceHook, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        return self._send(describe(*args, **kwargs))

    async def asend(self: InstanceHook, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        return await self._asend(describe(*args, **kwargs))

    name, told = describe.__name__, inspect.getdoc(describe)
    _dress(send, describe, name, told)
    _dress(asend, describe, f"a{name}", f"Async twin of :meth:`{name}`.\n\n{told}")
    return send, asend


def _dress(function: Any, describe: Callable[..., Any], name: str, told: str | None) -> None:
    signature = inspect.signature(describe)
    returned = signature.return_annotation.removeprefix("Call[").removesuffix("]")
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    function.__signature__ = signature.replace(
        parameters=[itself, *signature.parameters.values()], return_annotation=returned
    )
    function.__annotations__ = {**describe.__annotations__, "return": returned}
    function.__wrapped__ = describe  # in whose module the names of the annotations are known
    function.__name__, function.__qualname__ = name, f"GreenApiHook.{name}"
    function.__module__ = "airflow_green_notify.hooks.green_api"
    function.__doc__ = told
