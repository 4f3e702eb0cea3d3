"""Watchers of Airflow's own, for files that never come: what a triggerer does without this package."""

from __future__ import annotations

import os

from airflow.providers.standard.triggers.file import FileDeleteTrigger
from airflow.sdk import Asset, AssetWatcher, dag

NOWHERE = os.path.join(os.environ["AIRFLOW_HOME"], "nowhere")
WATCHERS = [
    AssetWatcher(name=f"idle_{number}", trigger=FileDeleteTrigger(f"{NOWHERE}/{number}"))
    for number in range(int(os.environ["SOAK_WATCHED"]))
]


@dag(schedule=[Asset("nothing", watchers=WATCHERS)], catchup=False)
def idle() -> None: ...


idle()
