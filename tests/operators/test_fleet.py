"""A list of connections in the operators that read queues: one batch, one report, failures by name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException
from airflow.sdk import DAG, task

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import (
    GreenApiDrainNotificationsOperator,
    GreenApiProcessNotificationsOperator,
    reader,
)
from airflow_green_notify.stores import SqlStore, read_batch
from airflow_green_notify.task import WrongArgumentError
from tests.balance import key_of

IDS = ["g0", "g1", "g2"]


class TaskInstance:
    """What operators read of a task instance; Airflow says that earlier runs failed."""

    dag_id, task_id, map_index = "dag", "drain", -1

    def __init__(self, run_id: str = "run", try_number: int = 1) -> None:
        self.run_id, self.try_number = run_id, try_number

    def get_task_states(self, *, run_ids: list[str], task_ids: list[str], **_: Any) -> dict[str, Any]:
        return {run_ids[0]: {task_ids[0]: "failed"}}


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Three instances of one gateway, with four notifications each."""
    with GreenApiEmulator(rate_limits=False) as first:
        gateways = [first, *(first.add_instance(rate_limits=False) for _ in range(2))]
        for number, gateway in enumerate(gateways):
            monkeypatch.setenv(f"AIRFLOW_CONN_G{number}", gateway.connection)
            gateway.push_traffic(seed=number, n=4)
        yield gateways


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """A store on SQLite."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "store.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    return SqlStore("store")


def drain(run: TaskInstance | None = None, **arguments: Any) -> dict[str, Any]:
    options = {"green_api_conn_id": IDS, "receive_timeout": 0.2, "until": None} | arguments
    operator = GreenApiDrainNotificationsOperator(task_id="drain", **options)
    return operator.execute({"ti": run or TaskInstance()})  # type: ignore[typeddict-item]


def keys_of(batch: dict[str, Any]) -> Counter[str]:
    return Counter(notification.key for notification in read_batch(batch))


def keys_pushed(gateways: list[Any]) -> Counter[str]:
    return Counter(key_of(entry["body"]) for gateway in gateways for entry in gateway.audit())


def test_fleet_is_drained_into_one_batch(gateways: list[Any], store: SqlStore) -> None:
    """What the task returns has the batch of all, the sum, and an entry for each."""
    batch = drain(store=store)
    assert keys_of(batch) == keys_pushed(gateways)
    assert (batch["report"]["stored"], batch["report"]["stopped_by"]) == (12, "empty")
    assert {conn_id: one["stored"] for conn_id, one in batch["instances"].items()} == dict.fromkeys(IDS, 4)
    assert len(json.dumps(batch["instances"])) < 600


def test_single_connection_is_reported_as_ever(gateways: list[Any], store: SqlStore) -> None:
    """Its report has no instances."""
    batch = drain(store=store, green_api_conn_id="g1")
    assert batch["report"]["stored"] == 4
    assert "instances" not in batch


@pytest.mark.parametrize(
    ("ids", "says"), [([], "at least one"), (["g0", "g0"], "'g0' is there twice"), (["g0", ""], r"\[1\]")]
)
def test_wrong_list_is_refused_in_the_dag_file(ids: list[str], says: str) -> None:
    """Duplicates and empty lists don't wait for the task to run."""
    with pytest.raises(ValueError, match=says):
        drain(store=SqlStore("store"), green_api_conn_id=ids)


def test_two_connections_of_one_instance_are_refused(
    gateways: list[Any], store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue has one reader; both ids are named, and nothing was read."""
    monkeypatch.setenv("AIRFLOW_CONN_AGAIN", gateways[1].connection)
    with pytest.raises(WrongArgumentError, match="'g1' and 'again', which are the same instance"):
        drain(store=store, green_api_conn_id=[*IDS, "again"])
    assert all(len(gateway.queue()) == 4 for gateway in gateways)


def test_failed_instance_fails_the_task_and_the_retry_goes_on_with_the_batch(
    gateways: list[Any], store: SqlStore
) -> None:
    """An outage is retried; what the others brought in the first try is in what the second returns."""
    gateways[1].fault("status", status=401, times=None)
    gateways[2].fault("500", times=None)
    with pytest.raises(AirflowException, match=r"2 of 3 instances failed.*g1: .*401.*g2: ") as failed:
        drain(store=store, green_api_conn_id=IDS)
    assert not isinstance(failed.value, AirflowFailException)
    assert gateways[1].api_token not in str(failed.value)
    for gateway in gateways:
        gateway.clear_faults()
    assert keys_of(drain(TaskInstance(try_number=2), store=store)) == keys_pushed(gateways)


def test_refused_token_fails_without_retrying_and_the_next_run_hands_on(
    gateways: list[Any], store: SqlStore
) -> None:
    """No retry would help; the batch is taken over by the next run of the task."""
    gateways[1].fault("status", status=401, times=None)
    with pytest.raises(AirflowFailException, match="1 of 3 instances failed"):
        drain(store=store)
    gateways[1].clear_faults()
    batch = drain(TaskInstance("next"), store=store)
    assert keys_of(batch) == keys_pushed(gateways)
    assert batch["report"]["adopted"] == 8


def test_failed_instance_may_be_a_warning(gateways: list[Any], store: SqlStore) -> None:
    """The task succeeds with what the others brought, and tells of the one that failed."""
    gateways[1].fault("status", status=401, times=None)
    batch = drain(store=store, on_instance_error="warn")
    assert batch["count"] == 8
    assert "401" in batch["instances"]["g1"]["error"]
    assert len(gateways[1].queue()) == 4


def test_fleet_of_which_all_failed_fails_also_where_failures_are_warnings(
    gateways: list[Any], store: SqlStore
) -> None:
    """A task that drained nothing because nothing could be reached is no success."""
    for gateway in gateways:
        gateway.fault("status", status=401, times=None)
    with pytest.raises(AirflowFailException, match="3 of 3 instances failed"):
        drain(store=store, on_instance_error="warn")


def test_missing_and_incomplete_connections_fail_alone(
    gateways: list[Any], store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named beside the rest, which is drained."""
    monkeypatch.setenv("AIRFLOW_CONN_HALF", json.dumps({"conn_type": "greenapi"}))
    batch = drain(store=store, green_api_conn_id=["nowhere", *IDS, "half"], on_instance_error="warn")
    assert batch["count"] == 12
    assert "nowhere" in batch["instances"]["nowhere"]["error"]
    assert batch["instances"]["half"]["error"]


def test_fleet_of_which_no_connection_is_of_use_says_so(
    store: SqlStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to drain, and nothing to wait for; each is named."""
    with pytest.raises(AirflowException, match=r"2 of 2 instances failed.*nowhere.*neither"):
        drain(store=store, green_api_conn_id=["nowhere", "neither"])
    assert "stopped because no connection is of use" in capsys.readouterr().out


def test_batch_of_a_single_connection_is_taken_over_by_the_fleet(
    gateways: list[Any], store: SqlStore
) -> None:
    """A Dag whose one connection became a list loses nothing of what its last run left."""
    gateways[0].fault("500", method="receiveNotification", times=None, after=2)
    with pytest.raises(Exception, match="500"):
        drain(store=store, green_api_conn_id="g0")
    gateways[0].clear_faults()
    assert keys_of(drain(TaskInstance("next"), store=store)) == keys_pushed(gateways)


@pytest.mark.parametrize("is_at_work", [False, True])
def test_batch_of_a_fleet_is_taken_over_by_a_single_connection(
    gateways: list[Any], store: SqlStore, is_at_work: bool
) -> None:
    """So it is where a list became one connection, unless that fleet's last run is still at work."""
    gateways[1].fault("status", status=401, times=None)
    with pytest.raises(AirflowFailException):
        drain(store=store)
    with store.open("dag/other/drain/-1", "fleet/dag/drain/-1") as other:
        if is_at_work:
            assert other.leases.take_leases(["fleet/dag/drain/-1"], "dag/other/drain/-1 (try 1)", 60)
        batch = drain(TaskInstance("next"), store=store, green_api_conn_id="g0")
        assert batch["report"]["adopted"] == (0 if is_at_work else 8)
        if not is_at_work:
            assert other.leases.take_leases(["fleet/dag/drain/-1"], "a", 60)["fleet/dag/drain/-1"][0] == "a"


def test_second_run_beside_the_first_ends_in_words(gateways: list[Any], store: SqlStore) -> None:
    """Both would fill batches of one task; the first one drains the queues."""
    with store.open("dag/other/drain/-1", "fleet/dag/drain/-1") as other:
        assert other.leases.take_leases(["fleet/dag/drain/-1"], "dag/other/drain/-1 (try 1)", 60)
        batch = drain(store=store, wait_for_reader=0)
        assert (batch["count"], batch["report"]["stopped_by"]) == (0, "another_reader")
        with pytest.raises(AirflowSkipException, match="Somebody else"):
            drain(store=store, wait_for_reader=0, skip_if_empty=True)


def test_handlers_of_a_fleet_are_called_once_for_each_notification(
    gateways: list[Any], store: SqlStore
) -> None:
    """Attempts, dead letters and reports are those of all instances together."""
    handled: list[str] = []

    def handler(notification: Notification) -> None:
        if notification.instance_id == gateways[2].id_instance:
            raise AirflowFailException("never")
        handled.append(notification.key)

    operator = GreenApiProcessNotificationsOperator(
        task_id="drain",
        green_api_conn_id=IDS,
        handler=handler,
        dead_letter=store,
        receive_timeout=0.2,
        until=None,
    )
    result = operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    assert (result["handled"], result["dead_letters"], result["instances"]["g2"]["deleted"]) == (8, 4, 4)
    assert Counter(handled) + keys_of(result["dead_letter_batch"]) == keys_pushed(gateways)


def test_handler_of_a_fleet_that_gives_up_stops_its_instance_and_uses_no_retry(
    gateways: list[Any], store: SqlStore
) -> None:
    """A notification that stays at the head of one queue holds up no other; there is no batch to speak of."""

    def handler(notification: Notification) -> None:
        if notification.instance_id == gateways[2].id_instance:
            raise AirflowFailException("never")

    operator = GreenApiProcessNotificationsOperator(
        task_id="drain",
        green_api_conn_id=IDS,
        handler=handler,
        dead_letter=store,
        on_error="stop",
        receive_timeout=0.2,
        until=None,
    )
    with pytest.raises(AirflowFailException, match=r"^1 of 3 .* g2: never\. What was handled is deleted\.$"):
        operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    assert [len(gateway.queue()) for gateway in gateways] == [0, 0, 4]


def test_list_may_come_from_another_task_or_a_template(
    gateways: list[Any], store: SqlStore, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow hands over a list as such, or as the text that a template makes of it."""
    monkeypatch.setenv("AIRFLOW_VAR_FLEET", json.dumps(IDS[1:]))
    with DAG("dag_of_fleets", schedule=None) as dag:

        @task
        def first() -> list[str]:
            return IDS[:1]

        options = {"store": store, "receive_timeout": 0.2, "until": None}
        one = GreenApiDrainNotificationsOperator(
            task_id="one",
            green_api_conn_id=first(),
            **options,  # type: ignore[arg-type]
        )
        rest = GreenApiDrainNotificationsOperator(
            task_id="rest",
            green_api_conn_id="{{ var.json.fleet }}",
            **options,  # type: ignore[arg-type]
        )
        one >> rest
    run = run_dag(dag)
    batches = [run.get_task_instance(task_id).xcom_pull(task_ids=task_id) for task_id in ("one", "rest")]
    assert [[*batch["instances"]] for batch in batches] == [["g0"], ["g1", "g2"]]
    assert keys_of(batches[0]) + keys_of(batches[1]) == keys_pushed(gateways)


# --- lingering ---


def test_lingering_for_ever_needs_an_end(store: SqlStore) -> None:
    """A batch that never ends is never handed on."""
    with pytest.raises(ValueError, match="max_seconds or max_notifications"):
        drain(store=store, linger="forever")
    with pytest.raises(ValueError, match="linger is 'ever'"):
        drain(store=store, linger="ever")


@pytest.mark.parametrize("ids", ["g0", IDS])
def test_lingering_for_ever_ends_at_max_seconds(gateways: list[Any], store: SqlStore, ids: Any) -> None:
    """An empty queue ends it no more, whether there are one or many."""
    batch = drain(store=store, green_api_conn_id=ids, linger="forever", max_seconds=1.5)
    assert batch["report"]["stopped_by"] == "max_seconds"
    assert batch["report"]["seconds"] >= 1.5


@pytest.mark.parametrize("ids", ["g0", IDS])
def test_failure_while_lingering_takes_its_time(
    gateways: list[Any], store: SqlStore, monkeypatch: pytest.MonkeyPatch, ids: Any
) -> None:
    """Else a Dag that runs all the time would fail all the time; one that doesn't linger fails at once."""
    slept: list[float] = []
    monkeypatch.setattr(reader, "sleep", slept.append)
    for gateway in gateways:
        gateway.fault("status", status=401, times=None)
    with pytest.raises(AirflowFailException):
        drain(store=store, green_api_conn_id=ids)
    assert slept == []
    with pytest.raises(AirflowFailException):
        drain(store=store, green_api_conn_id=ids, linger=300)
    assert 50 < slept[0] <= 60


@pytest.mark.parametrize(
    "wrong", [{"green_api_conn_id": "[]"}, {"linger": "an hour"}, {"receive_timeout": "x"}]
)
def test_wrong_argument_of_a_task_that_lingers_takes_its_time_too(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    """A template may have rendered it, and the next run would render the same."""
    slept: list[float] = []
    monkeypatch.setattr(reader, "sleep", slept.append)
    options = {"green_api_conn_id": IDS, "store": store, "linger": 300} | dict.fromkeys(
        wrong, "{{ rendered }}"
    )
    operator = GreenApiDrainNotificationsOperator(task_id="drain", **options)
    for name, value in wrong.items():
        setattr(operator, name, value)
    with pytest.raises(WrongArgumentError):
        operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    assert 50 < slept[0] <= 60
