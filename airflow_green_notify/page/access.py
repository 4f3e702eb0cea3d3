"""Which connections there are, and which of them a user may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_green_notify.hooks.connection import CONNECTION_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager

Teams = dict[str, str | None]
"""From the id of a connection to the team that has it, where Airflow has teams."""


def connections() -> Teams:
    """Return the connections of our type that Airflow lists; those of secrets backends can't be listed."""
    from airflow import models
    from airflow.utils.session import create_session
    from sqlalchemy import select

    # That of Airflow's database: the Task SDK's has no columns.
    table: Any = models.Connection  # noqa: AIR311
    columns = [table.conn_id, *([table.team_name] if hasattr(table, "team_name") else [])]
    with create_session() as session:
        rows = session.execute(select(*columns).where(table.conn_type == CONNECTION_TYPE)).all()
    return {row[0]: row[1] if len(row) > 1 else None for row in rows}


def readable(manager: BaseAuthManager[Any], user: Any, teams: Mapping[str, str | None]) -> set[str]:
    """Return those of the connections that a user may read."""
    if not hasattr(manager, "filter_authorized_connections"):  # Airflow 3.1
        return {conn_id for conn_id in teams if _may_read(manager, user, conn_id)}
    of_team: dict[str | None, set[str]] = {}
    for conn_id, team in teams.items():
        of_team.setdefault(team, set()).add(conn_id)
    found: set[str] = set()
    for team, ids in of_team.items():
        found |= manager.filter_authorized_connections(conn_ids=ids, user=user, method="GET", team_name=team)
    return found


def _may_read(manager: BaseAuthManager[Any], user: Any, conn_id: str) -> bool:
    from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails

    return manager.is_authorized_connection(
        method="GET", user=user, details=ConnectionDetails(conn_id=conn_id)
    )
