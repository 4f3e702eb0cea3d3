"""Consumers of stores: their names, and where a new one begins."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from airflow_green_notify.arguments.judging import refusal
from airflow_green_notify.arguments.numbers import as_moment


def consumer_of(name: str, value: Any) -> str:
    """Judge the name of a consumer. Spaces at its ends would be lost in some databases."""
    is_name = isinstance(value, str) and value.isprintable() and value == value.strip()
    if not is_name or value in ("", "None"):
        raise refusal(
            name, value, "a name, such as 'billing', that is printable and has no space at its ends"
        )
    return str(value)


def start_of(name: str, value: Any) -> datetime | Literal["beginning", "now"]:
    """Judge where a new consumer begins; a template renders a time to text."""
    if value == "beginning" or value == "now":
        return "now" if value == "now" else "beginning"
    moment = as_moment(value)
    if moment is None:
        raise refusal(
            name,
            value,
            "'beginning', 'now' or a time with a time zone, such as '2026-01-31T12:00:00+00:00'",
        )
    return moment
