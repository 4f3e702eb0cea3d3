"""The hook: one instance's credentials and every method of the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_green_notify.hooks.green_api import GreenApiHook

__all__ = ["GreenApiHook"]


def __getattr__(name: str) -> Any:
    # Airflow reads the provider info, and so this package, while it is itself still being imported.
    if name == "GreenApiHook":
        from airflow_green_notify.hooks.green_api import GreenApiHook

        return GreenApiHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
