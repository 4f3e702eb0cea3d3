"""The stores that ``[green_api] stores`` names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.errors import GreenApiConfigError

if TYPE_CHECKING:
    from airflow_green_notify.stores.store import Store

SECTION, OPTION = "green_api", "stores"

TABLE = "green_api_notifications"

_PASSWORD = re.compile(r"(?<=://)[^/:]*:.*@")


class Place(NamedTuple):
    """A store that the configuration names, or why what it names is none."""

    name: str
    store: Store | None
    error: str = ""


def configured() -> list[Place]:
    """Return the stores in the order of the configuration, each once.

    :raises GreenApiConfigError: It is neither a JSON list nor names with commas between.
    """
    from airflow.providers.common.compat.sdk import conf

    names = dict.fromkeys(_names(conf.get(SECTION, OPTION, fallback="") or ""))
    return [_place(name) for name in names]


def _names(text: str) -> list[str]:
    if not text.strip().startswith("["):
        return [name.strip() for name in text.split(",") if name.strip()]
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise GreenApiConfigError(
            f"[{SECTION}] {OPTION} begins like a JSON list and is none of strings: write "
            '["warehouse", "s3://conn_id@bucket/folder"], or the names with commas between.'
        )
    return [name.strip() for name in names]


def _place(name: str) -> Place:
    from airflow_green_notify.stores import ObjectStorageStore, SqlStore

    if password := _PASSWORD.search(name):
        hidden = name.replace(password[0], "***@")
        return Place(
            hidden, None, f"It holds a password: name a connection instead. Mend [{SECTION}] {OPTION}."
        )
    if "/" in name:
        return Place(name, ObjectStorageStore(name))
    conn_id, _, table = name.partition(":")
    try:
        return Place(name, SqlStore(conn_id, table=table or TABLE))
    except ValueError as error:
        return Place(name, None, f"{error} Mend [{SECTION}] {OPTION}.")
