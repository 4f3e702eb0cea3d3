"""What Airflow is told about this provider."""

from __future__ import annotations

from typing import Any

from airflow_green_notify.hooks.connection import (
    CONNECTION_NAME,
    CONNECTION_TYPE,
    EXTRA_FIELDS,
    UI_FIELD_BEHAVIOUR,
)
from airflow_green_notify.version import VERSION

_NAME = "GREEN-API"


def provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-green-notify",
        "name": _NAME,
        # The link comes last: Airflow shows its address, and links it with all that follows up to a space.
        "description": "WhatsApp, Telegram and MAX: the notification queue of "
        "`GREEN-API <https://green-api.com/en/>`__",
        "versions": [VERSION],
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://green-api.com/en/docs/api/",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": _NAME, "python-modules": ["airflow_green_notify.hooks.green_api"]}],
        "operators": [{"integration-name": _NAME, "python-modules": ["airflow_green_notify.operators"]}],
        "sensors": [{"integration-name": _NAME, "python-modules": ["airflow_green_notify.sensors"]}],
        "triggers": [{"integration-name": _NAME, "python-modules": ["airflow_green_notify.triggers"]}],
        "queues": ["airflow_green_notify.messaging.GreenApiMessageQueueProvider"],
        "asset-uris": [
            {
                "schemes": ["green-api"],
                "handler": "airflow_green_notify.assets.sanitize_uri",
                "factory": "airflow_green_notify.assets.create_asset",
                "to_openlineage_converter": "airflow_green_notify.assets.convert_asset_to_openlineage",
            }
        ],
        "notifications": ["airflow_green_notify.notifiers.GreenApiNotifier"],
        "extra-links": [
            "airflow_green_notify.links.GreenApiPageLink",
            "airflow_green_notify.links.GreenApiConsoleLink",
        ],
        "cli": ["airflow_green_notify.cli.get_cli_commands"],
        "config": {"green_api": {"description": f"Options of {_NAME}.", "options": _options()}},
        "connection-types": [_connection_type()],
    }


def _options() -> dict[str, Any]:
    return {
        "stores": {
            "description": "The stores whose figures the page GREEN-API shows, with commas between, or as a "
            "JSON list. Each is the connection id of a SqlStore, conn_id:table for another table than "
            "green_api_notifications, or the path or URL of an ObjectStorageStore, with its connection as "
            "conn_id@ in front of the bucket. Read by the API server.\n",
            "version_added": VERSION,
            "type": "string",
            "example": "warehouse, other_warehouse:chats, s3://aws_default@bucket/notifications",
            "default": "",
        }
    }


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": CONNECTION_TYPE,
        "hook-name": CONNECTION_NAME,
        "hook-class-name": "airflow_green_notify.hooks.green_api.GreenApiHook",
        "ui-field-behaviour": {name.replace("_", "-"): value for name, value in UI_FIELD_BEHAVIOUR.items()},
        "conn-fields": EXTRA_FIELDS,
    }
