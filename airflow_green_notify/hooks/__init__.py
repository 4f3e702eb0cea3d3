"""The hook: one instance's credentials and every method of the gateway."""

from airflow_green_notify.hooks.green_api import GreenApiHook

__all__ = ["GreenApiHook"]
