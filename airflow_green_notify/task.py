"""What operators and sensors have in common: the hook, arguments that are judged, events of outlets."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout
from airflow.sdk import Asset, XComArg
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR

from airflow_green_notify import metrics
from airflow_green_notify.arguments import Judge, connection_of, has_template
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.stoppable import Stoppable
from airflow_green_notify.templating import RendersDagFileOnly

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

T = TypeVar("T")


class WrongArgumentError(AirflowFailException, ValueError):
    """An argument is wrong: a :class:`ValueError` where the Dag is parsed, and nothing that a retry fixes."""


@contextmanager
def _wrong_for_good() -> Iterator[None]:
    """Turn a ValueError into a WrongArgumentError."""
    try:
        yield
    except WrongArgumentError:
        raise
    except ValueError as error:
        raise WrongArgumentError(str(error)) from error


class GreenApiTask(RendersDagFileOnly):
    """A task that speaks with one instance.

    Its arguments are judged by :attr:`judges`: at the end of the constructor what no template hides, and all
    of them when the task runs, before the gateway is asked for anything.
    """

    template_fields: Sequence[str] = ("green_api_conn_id",)
    judges: ClassVar[Mapping[str, Judge]] = {"green_api_conn_id": connection_of}
    green_api_conn_id: str
    _work: Stoppable | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let constructors fail without retrying: that of a mapped task is called when the task runs."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _wrong_for_good()(cls.__init__)  # type: ignore[method-assign]

    @cached_property
    def hook(self) -> GreenApiHook:
        """The hook for the connection."""
        return GreenApiHook(self.green_api_conn_id)

    def _stoppably(self, work: Callable[[], T]) -> T:
        """Do the work of ``execute`` so that ``execution_timeout`` and SIGTERM end it."""
        self._work = Stoppable()
        try:
            return self._work.run(work)
        finally:
            self._work = None
            metrics.flush()

    def on_kill(self) -> None:
        """End the work that is under way, within a second. Airflow calls this on SIGTERM."""
        if (work := self._work) is not None:
            work.stop()

    def check_arguments(self) -> None:
        """Judge what is known in the Dag file, and let the task wait for those whose output is in a store.

        :raises ValueError: An argument is wrong.
        """
        given = {name: getattr(self, name) for name in self.judges}
        hidden = {name for name in self.template_fields if has_template(given.get(name))}
        self.check_together(
            {name: self.judges[name](name, value) for name, value in given.items() if name not in hidden}
        )
        XComArg.apply_upstream_relationship(self, [*map(_fields_inside, given.values())])

    def check_together(self, known: Mapping[str, Any]) -> None:
        """Judge arguments that depend on each other, as far as they are known.

        :raises ValueError: They don't go together.
        """

    def check_handed_on(self) -> None:
        """Refuse to keep to itself what the task returns, for tasks that store.

        :raises ValueError: ``do_xcom_push=False``.
        """
        if not self.do_xcom_push:
            raise ValueError(
                "do_xcom_push is False; what this task returns is how the batch is handed on, so leave it on."
            )

    def judged_arguments(self) -> SimpleNamespace:
        """Return the arguments in the form that is used, now that templates are rendered.

        :raises WrongArgumentError: One is wrong; no retry fixes that.
        """
        with _wrong_for_good():
            judged = {name: judge(name, getattr(self, name)) for name, judge in self.judges.items()}
            self.check_together(judged)
        return SimpleNamespace(**judged)

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render, and what has templates inside, such as a store, on a copy.

        It may belong to other tasks too, and to the next run of a Dag that is tested.
        """
        if hasattr(content, "template_fields") and id(content) not in (seen_oids or ()):
            content = copy.copy(content)
        return super().render_template(content, context, jinja_env, seen_oids)

    def deferral_timeout(self, context: Context, seconds: float) -> timedelta:
        """Return how long a deferral may last: so many seconds, and no longer than ``execution_timeout``."""
        left = self._execution_time_left(context)
        return timedelta(seconds=seconds if left is None else max(0.0, min(seconds, left)))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, unless ``execution_timeout`` has passed meanwhile."""
        left = self._execution_time_left(context)
        if next_method == TRIGGER_FAIL_REPR and left is not None and left <= 0:
            raise AirflowTaskTimeout(f"execution_timeout={self.execution_timeout} passed while deferred.")
        return super().resume_execution(next_method, next_kwargs, context)

    def _execution_time_left(self, context: Context) -> float | None:
        """Return the seconds of ``execution_timeout`` that are left.

        Below Airflow 3.2 a task that was deferred doesn't know when it began, and counts from its resumption.
        """
        if self.execution_timeout is None:
            return None
        started = getattr(context.get("ti"), "start_date", None) or datetime.now(UTC)
        return (self.execution_timeout - (datetime.now(UTC) - started)).total_seconds()

    def tell_outlets(self, context: Context, told: Mapping[str, Any] | None) -> None:
        """Put something into the events of the task's outlets; with nothing to tell there is no event."""
        if told is None:
            self.outlets = []
            return
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(told)


def _fields_inside(value: Any) -> list[Any]:
    return [getattr(value, name, None) for name in getattr(value, "template_fields", ())]
