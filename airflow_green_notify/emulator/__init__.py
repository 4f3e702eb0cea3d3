"""A stateful imitation of the GREEN-API gateway, to develop and test Dags without an account."""

from __future__ import annotations

from airflow_green_notify.emulator.emulator import GreenApiEmulator
from airflow_green_notify.emulator.gateway_instance import GatewayInstance
from airflow_green_notify.emulator.media import media_content
from airflow_green_notify.emulator.switches import Switches
from airflow_green_notify.emulator.traffic import example_notifications, traffic

__all__ = [
    "GatewayInstance",
    "GreenApiEmulator",
    "Switches",
    "example_notifications",
    "media_content",
    "traffic",
]
