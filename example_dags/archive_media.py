"""Drain the queue into files, and fetch the pictures, documents and voice messages beside them.

Links to files expire, so the files are fetched right behind the drain. One that can't be downloaded doesn't
hold up the others; what is there is not fetched again. Put a bucket in the place of the folder, ``s3://…``,
to keep them for good. Links into your own network are not followed: with the emulator, whose links lead to
this machine, add ``allow_private_addresses=True``.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_green_notify.media import has_file, media_name
from airflow_green_notify.operators import GreenApiDownloadMediaOperator, GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import ObjectStorageStore, read_batch

HOME = os.path.expanduser(os.environ.get("AIRFLOW_HOME", "~/airflow"))
ARCHIVE = "{{ params.archive }}"


@dag(
    schedule=None,
    catchup=False,
    tags=["green-api"],
    doc_md=__doc__,
    params={"archive": Param(os.path.join(HOME, "green-api-archive"), type="string")},
)
def archive_media() -> None:
    drained = GreenApiDrainNotificationsOperator(
        task_id="drain", store=ObjectStorageStore(f"{ARCHIVE}/notifications"), retries=2
    )
    media = GreenApiDownloadMediaOperator(
        task_id="download", notifications=drained.output, path=f"{ARCHIVE}/media", retries=2
    )

    @task
    def index(batch: dict[str, Any], media: dict[str, Any]) -> dict[str, str]:
        """Tell which file belongs to which message."""
        missing = {item["key"] for item in media["failed"]} | {*media["too_large"]}
        return {
            f"{item.chat_id}/{item.id_message}": f"{media['path']}/{media_name(item)}"
            for item in read_batch(batch)
            if has_file(item) and item.key not in missing
        }

    index(drained.output, media.output)


archive_media()
