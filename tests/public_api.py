"""What semantic versioning covers, as text; ``python -m tests.public_api`` writes ``public_api.txt``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

PACKAGE = "airflow_green_notify"
FILE = Path(__file__).with_name("public_api.txt")
RENEW = "python -m tests.public_api"

# The names that users import; those of a package that has ``__all__`` are read from there.
MODULES: dict[str, tuple[str, ...]] = {
    "operators": (),
    "sensors": (),
    "triggers": (),
    "notifiers": ("GreenApiNotifier", "send_green_api_notification"),
    "messaging": ("GreenApiMessageQueueProvider",),
    "hooks": (),
    "stores": (),
    "filters": ("NotificationFilter", "Verdict"),
    "notification": ("Notification",),
    "consume": (),
    "media": ("has_file", "media_name"),
    "assets": ("create_asset",),
    "consume.dead_letters": ("drop_dead_letters", "facts_of", "read_dead_letters", "replay_dead_letters"),
    "doctor": ("check_instance", "examine", "examine_all"),
    "errors": (
        "GreenApiConfigError",
        "GreenApiError",
        "GreenApiInstanceError",
        "GreenApiPayloadError",
        "GreenApiQuotaError",
        "GreenApiResponseError",
        "GreenApiTransportError",
        "GreenApiUnauthorizedError",
        "GreenApiUnavailableError",
        "GreenApiWebhookUrlSetError",
        "NotificationStoreError",
    ),
    "emulator": (),
    "emulator.pytest": ("green_api_switches", "green_api_emulator", "green_api_connection"),
}
# What Dags compose: its other methods are called by Airflow alone.
COMPOSED = ("operators", "sensors", "triggers", "notifiers", "messaging")
COMPOSED_MEMBERS = ("__init__", "execute", "template_fields")


def public_api() -> str:
    """Return the public names, a paragraph a module, with their signatures as they stand in the source."""
    blocks = [[f"# {name}", *_module(name)] for name in MODULES]
    blocks += [["# command line", *_commands()], ["# data", *_data()]]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    public = {each: getattr(module, each) for each in sorted(MODULES[name] or module.__all__)}
    for each, value in public.items():
        if not inspect.isclass(value):
            yield each + (_signature(value) if inspect.isfunction(value) else "")
        elif each != value.__name__:
            yield f"{each} = {value.__name__}"
        else:
            bases = [base for base in value.__mro__[1:] if public.get(base.__name__) is base]
            yield f"class {each}" + (f", a {bases[0].__name__}" if bases else "")
            known = {line for base in bases for line in _lines(base, name)}
            yield from (f"    {line}" for line in _lines(value, name) if line not in known)


def _lines(cls: type, module: str) -> list[str]:
    members = _members(cls)
    if module in COMPOSED:
        members = {name: value for name, value in members.items() if name in COMPOSED_MEMBERS}
    if getattr(cls, "_is_protocol", False):
        members.pop("__init__", None)
    lines = (_member(name, members[name]) for name in sorted(members))
    return [line for line in lines if line]


def _members(cls: type) -> dict[str, Any]:
    """Return what our own classes say, the nearest one first; what Airflow's add differs by its version."""
    own = [each for each in reversed(cls.__mro__) if each.__module__.startswith(PACKAGE)]
    found = {name: value for each in own for name, value in vars(each).items()}
    return {name: value for name, value in found.items() if name == "__init__" or not name.startswith("_")}


def _member(name: str, value: Any) -> str | None:
    if isinstance(value, property) and value.fget is not None:
        return f"{name}: {value.fget.__annotations__['return']}"
    if isinstance(value, staticmethod | classmethod):
        return f"{type(value).__name__} {name}{_signature(value.__func__)}"
    if inspect.isfunction(value):
        return f"{'async ' * inspect.iscoroutinefunction(value)}{name}{_signature(value)}"
    if isinstance(value, Enum):
        return f"{name} = {value.value!r}"
    if name == "template_fields":
        return f"template_fields: {', '.join(value)}"
    return None


class _AsWritten(str):
    """An annotation that shows without the quotes of a text."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        each.replace(annotation=_as_written(each.annotation))
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    # What a constructor returns is no news.
    returned = inspect.Signature.empty if function.__name__ == "__init__" else signature.return_annotation
    return str(signature.replace(parameters=parameters, return_annotation=_as_written(returned)))


def _as_written(annotation: Any) -> Any:
    return _AsWritten(annotation) if isinstance(annotation, str) else annotation


def _commands() -> Iterator[str]:
    cli = importlib.import_module(f"{PACKAGE}.cli")
    for name in ("doctor", "batches", "consumers", "dead-letters", "erase", "purge", "models"):
        arguments = getattr(cli, f"{name.upper().replace('-', '_')}_ARGUMENTS")
        yield " ".join([f"airflow green-api {name}", *(flag for flags, _ in arguments for flag in flags)])


def _data() -> Iterator[str]:
    row = importlib.import_module(f"{PACKAGE}.stores.row")
    connection = importlib.import_module(f"{PACKAGE}.hooks.connection")
    notification = importlib.import_module(f"{PACKAGE}.notification").Notification(0, {})
    yield f"connection {connection.CONNECTION_TYPE}: {', '.join(connection.EXTRA_FIELDS)}"
    yield f"table: {', '.join(row.ROW_COLUMNS)}"
    yield f"Notification.as_dict: {', '.join(notification.as_dict())}"
    yield f"Notification.as_row: {', '.join(notification.as_row())}"


if __name__ == "__main__":
    FILE.write_text(public_api(), encoding="utf-8")
