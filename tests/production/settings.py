"""How Airflow is set where it runs on CeleryExecutor: what it can't do without, and short heartbeats."""

from __future__ import annotations

SHORT_HEARTBEATS = {
    "CORE__DEFAULT_TASK_RETRY_DELAY": "2",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
    "SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "100",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "40",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}
"""Seconds, so that a run of minutes sees what takes hours with Airflow's defaults: a part that stands still
for 25 s counts as dead, and its tasks are somebody else's."""


def production_settings(
    *, metadata: str, broker: str, url: str, fernet_key: str, secret: str, logs: str
) -> dict[str, str]:
    """Return the environment of all parts of an Airflow on CeleryExecutor.

    :param metadata: SQLAlchemy's address of the metadata database.
    :param broker: Celery's address of Redis.
    :param url: Of the api-server.
    :param secret: Signs what one part tells another, so it has to be the same in all of them.
    """
    return {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__SECRET_KEY": secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": secret,
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{metadata}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__FERNET_KEY": fernet_key,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": logs,
    }
