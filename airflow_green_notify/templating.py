"""What may stand in a template field, and what of it is rendered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, XComArg

from airflow_green_notify.task_output import is_output

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context


def templatable(path: Any) -> Any:
    """Return a path as text, and anything else as it is.

    Airflow 3.1 takes the ``resolve`` of a :mod:`pathlib` path for that of a task's output, and calls it.
    """
    return str(path) if isinstance(path, PurePath) else path


# --- what is never rendered ---


def as_is(value: Any) -> Any:
    """Return what stands for ``value`` in a template field so that no text in it is rendered.

    The outputs of other tasks in it are resolved. A text by itself stays what it is: a template, if the Dag's
    file gave it.
    """
    return value if value is None or isinstance(value, str) or is_output(value) else AsIs(value)


class AsIs(XComArg):
    """A list, a dict or a function in a template field, of which no text is rendered."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        """Return the same in each process, since it becomes part of the serialized Dag."""
        name = getattr(self.value, "__qualname__", None)
        return f"{self.value.__module__}.{name}" if name else repr(self.value)

    def iter_references(self) -> Iterator[tuple[Any, str]]:
        """Name the tasks whose outputs stand in the value, for Airflow to set the dependencies."""
        return XComArg.iter_xcom_references(self.value)

    def resolve(self, context: Mapping[str, Any]) -> Any:
        """Return the value as the running task gets it."""
        return resolved(self.value, context)


def resolved(value: Any, context: Mapping[str, Any]) -> Any:
    """Return a value with the outputs of other tasks in place, and every text as it is."""
    if is_output(value):
        return value.resolve(context)
    if isinstance(value, Mapping):
        return {key: resolved(item, context) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(item, context) for item in value]
    return value


class RendersDagFileOnly(BaseOperator):
    """An operator that renders what its Dag's file says, and never what another task returned.

    Airflow keeps to that in every way of handing something over but one: what ``expand_kwargs`` gets from a
    task is rendered, so that a text from a chat could read connections and variables.
    """

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render, once Airflow knows as rendered what ``expand_kwargs`` brought from another task."""
        fields = list(template_fields)
        if parent is self:
            seen_oids.update(map(id, _expanded_from_task(self, fields, context)))
        super()._do_render_template_fields(parent, fields, context, jinja_env, seen_oids)


def _expanded_from_task(operator: BaseOperator, fields: Collection[str], context: Context) -> list[Any]:
    """Return the values of the fields that ``expand_kwargs`` set from the output of another task."""
    mapped: Any = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None
    source = getattr(getattr(mapped, "expand_input", None), "value", None)
    if isinstance(source, Sequence):
        source = source[context["ti"].map_index or 0]
    if not is_output(source):
        return []
    of_file = {name: templatable(value) for name, value in _given_by_dag_file(operator, mapped).items()}
    values = {name: getattr(operator, name) for name in fields}
    return [
        value
        for name, value in values.items()
        if not isinstance(value, AsIs) and (name not in of_file or value != of_file[name])
    ]


def _given_by_dag_file(operator: BaseOperator, mapped: Any) -> dict[str, Any]:
    """Return what the Dag's file gives a mapped task: ``default_args``, and what stands in ``partial``."""
    group, own = operator.task_group, mapped.partial_kwargs
    sources = (operator.dag.default_args, group.default_args if group else None, own.get("default_args"), own)
    return {name: value for source in sources for name, value in (source or {}).items()}
