"""One queue for three teams: each has a Dag of its own, and reads what is meant for it, at its own pace.

One Dag drains. When its batch is done, each team's asset whose filter fits something in it gets an event, and
the team's Dag starts. It takes that for a bell: it works on what its consumer hasn't committed yet. So a run
that failed, merged events, or a pause of a week lose nothing, and no team waits for another.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, dag, task

from airflow_green_notify.consume import commit
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator, GreenApiReadNewOperator
from airflow_green_notify.stores import SqlStore, read_batch

WAREHOUSE = SqlStore("green_api_warehouse")  # a connection to SQLite, PostgreSQL, MySQL or MariaDB
TEAMS: dict[str, dict[str, Any]] = {
    "sales": {"type_webhook": "incomingMessageReceived", "chat_kind": "private"},
    "delivery": {"type_webhook": "outgoingMessageStatus", "status": ["failed", "noAccount", "notInGroup"]},
    "telephony": {"type_webhook": ["incomingCall", "outgoingCall"]},
}
ASSETS = {team: Asset(f"green_api_{team}") for team in TEAMS}


@dag(schedule="* * * * *", catchup=False, max_active_runs=1, tags=["green-api"], doc_md=__doc__)
def three_teams_one_queue() -> None:
    GreenApiDrainNotificationsOperator(
        task_id="drain",
        store=WAREHOUSE,
        routes=[(ASSETS[team], matching) for team, matching in TEAMS.items()],
        retries=3,
    )


three_teams_one_queue()

for team, matching in TEAMS.items():

    @dag(f"green_api_{team}", schedule=[ASSETS[team]], max_active_runs=1, tags=["green-api"], doc_md=__doc__)
    def of_team(team: str, matching: dict[str, Any]) -> None:
        read = GreenApiReadNewOperator(
            task_id="read",
            store=WAREHOUSE,
            consumer=team,
            matching=matching,
            page_size=10_000,
            skip_if_empty=True,
        )

        @task
        def work(page: dict[str, Any]) -> int:
            return len({each.key for each in read_batch(page)})

        work(read.output) >> task(commit)(read.output)

    of_team(team, matching)
