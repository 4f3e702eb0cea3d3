"""The extra fields as WTForms widgets, for the connection form of Airflow below 3.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def form_widgets(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a WTForms field for each of the connection's extra fields."""
    from wtforms import IntegerField, StringField

    kinds = {"integer": IntegerField, "string": StringField}
    return {
        name: kinds[spec["schema"]["type"][0]](
            spec["label"], description=spec["description"], default=spec["schema"].get("default")
        )
        for name, spec in fields.items()
    }
