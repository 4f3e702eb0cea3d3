"""What Airflow registers: the page's app, and the entry in its menu.

Airflow finds it by the entry point ``airflow.plugins``. It reads the plugins that a provider's metadata names
only where ``[core] lazy_discover_providers`` is off, and complains of a plugin that is named in both places.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/green-api"
"""Where the app lies below Airflow's own address."""


async def page(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Hand a request on to the app, which is made where it is asked for: workers load plugins, too."""
    from airflow_green_notify.page.app import page_app

    await page_app()(scope, receive, send)


_APPS: list[Any] = [{"name": "GREEN-API", "app": page, "url_prefix": PREFIX}]

# Relative: Airflow's UI resolves it against [api] base_url, whatever path that has.
_VIEWS: list[Any] = [
    {
        "name": "GREEN-API",
        "href": f"{PREFIX.removeprefix('/')}/",
        "destination": "nav",
        "url_route": "green-api",
        "icon": f"{PREFIX.removeprefix('/')}/static/icon.svg",
    }
]


class GreenApiPlugin(AirflowPlugin):
    """Adds the page and its menu entry."""

    name = "green_api"
    fastapi_apps = _APPS
    external_views = _VIEWS

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Make the app at once in an API server, so that nobody waits half a second for it later."""
        if "airflow.api_fastapi.main" in sys.modules:
            from airflow_green_notify.page.app import page_app

            page_app()
