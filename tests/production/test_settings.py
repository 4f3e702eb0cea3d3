"""The settings that docs/production.md tells are those of the runs it tells of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.production.settings import SHORT_HEARTBEATS

PAGE = (Path(__file__).parents[2] / "docs" / "production.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `\[(\w+)\] (\w+)` \| ([\d.]+) \| ([\d.]+) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("section", "name", "default", "here"), ROWS)
def test_setting_that_the_page_tells_is_that_of_the_run(
    section: str, name: str, default: str, here: str
) -> None:
    """And what it calls Airflow's default is that."""
    from airflow.configuration import conf

    set_here = SHORT_HEARTBEATS.get(f"{section}__{name}".upper())
    if section != "celery_broker_transport_options":
        assert set_here == here
        known = conf.get_default_value(section, name)
        assert known is None or float(known) == float(default), "None is written nowhere but in the code"


def test_page_tells_settings() -> None:
    """The table is found."""
    assert len(ROWS) >= 6
