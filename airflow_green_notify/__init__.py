"""Apache Airflow provider for the notification queue of GREEN-API (WhatsApp, Telegram, MAX)."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.version import VERSION as __version__

__all__ = ["__version__", "get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow reads through the entry point ``apache_airflow_provider``."""
    from airflow_green_notify.provider_info import provider_info

    return provider_info()
