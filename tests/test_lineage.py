"""What OpenLineage is told of tasks: queues, tables and files, by the names that others give them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.openlineage.sqlparser import get_openlineage_facets_with_sql
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset, BaseHook
from pyarrow.parquet import read_schema

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.lineage import Folder, Table, read_from
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator, GreenApiReadNewOperator
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.row import ROW_COLUMNS
from tests.conftest import save_dag
from tests.lineage_dag import lineage_dag
from tests.operators.test_backfill import message
from tests.servers import free_port

SECRET = "5ecre7" + "c0re"
COMPLETE, FAIL = "COMPLETE", "FAIL"
LINE = {
    "key": "string",
    "receipt_id": "integer",
    "received_at": "string",
    "body": "object",
    "body_text": "string",
    "batch_id": "string",
    "note": "object",
    "note_text": "string",
}
"""What lines of files may have."""


class Told:
    """What came of a run of ``lineage_dag``, as OpenLineage's file transport wrote it."""

    def __init__(
        self, gateways: list[Any], warehouse: dict[str, Any], folder: Path, text: str, log: str
    ) -> None:
        self.one, self.two = (f"{gateway.id_instance}" for gateway in gateways)
        self.gateway = f"green-api://{gateways[0].url.removeprefix('http://')}"
        self.warehouse = f"postgres://127.0.0.1:{warehouse['port']}"
        self.folder = folder
        self.text = text
        self.log = log
        self._events: dict[tuple[str, str], dict[str, Any]] = {}
        for event in map(json.loads, text.splitlines()):
            self._events[event["job"]["name"].rpartition(".")[2], event["eventType"]] = event

    def queue(self, id_instance: str) -> tuple[str, str]:
        return (self.gateway, id_instance)

    def table(self, name: str) -> tuple[str, str]:
        return (self.warehouse, f"postgres.public.{name}")

    def files(self, name: str) -> tuple[str, str]:
        return ("file", str(self.folder / name))

    def event(self, task: str, kind: str = COMPLETE) -> dict[str, Any]:
        return self._events[task, kind]

    def inputs(self, task: str, kind: str = COMPLETE) -> list[tuple[str, str]]:
        return [(each["namespace"], each["name"]) for each in self.event(task, kind)["inputs"]]

    def outputs(self, task: str, kind: str = COMPLETE) -> dict[tuple[str, str], dict[str, int]]:
        """The counts of each output, by its name."""
        return {
            (each["namespace"], each["name"]): {
                name: count
                for name, count in each.get("outputFacets", {}).get("outputStatistics", {}).items()
                if not name.startswith("_")
            }
            for each in self.event(task, kind)["outputs"]
        }

    def columns(self, task: str, number: int = 0) -> dict[str, str]:
        facet = self.event(task)["outputs"][number]["facets"]["schema"]
        return {field["name"]: field["type"] for field in facet["fields"]}


@pytest.fixture(scope="module")
def told(
    airflow_db: None, postgres_connection: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """What OpenLineage was told, by its own listener, of a Dag that ran in a process of its own."""
    folder = tmp_path_factory.mktemp("lineage")
    warehouse = json.loads(postgres_connection) | {"password": f"{SECRET}@postgres"}
    with GreenApiEmulator(api_token=f"{SECRET}1", rate_limits=False) as one:
        two = one.add_instance(api_token=f"{SECRET}2", rate_limits=False)
        one.push(*(message(number, age=3600) for number in range(5)))
        one.media_message("photo.jpg", 1000)
        refused = json.loads(one.connection) | {"password": f"{SECRET}3"}
        connections = {"ONE": one.connection, "TWO": two.connection, "REFUSED": json.dumps(refused)}
        connections["WAREHOUSE"] = json.dumps(warehouse)
        log = folder / "events.ndjson"
        transport = {"type": "file", "log_file_path": str(log), "append": True}
        two.push(*(message(number, age=60) for number in range(3)), {"typeWebhook": "stateInstanceChanged"})
        save_dag(lineage_dag(folder))
        ended = subprocess.run(
            [sys.executable, "-m", "tests.lineage_dag"],
            env=os.environ
            | {f"AIRFLOW_CONN_{name}": value for name, value in connections.items()}
            | {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport), "LINEAGE_FOLDER": str(folder)},
            capture_output=True,
            text=True,
        )
        assert log.exists(), ended.stderr
        yield Told([one, two], warehouse, folder, log.read_text(), ended.stdout + ended.stderr)


@pytest.mark.slow
def test_drain_reads_the_queue_and_writes_the_table_with_columns_and_count(told: Told) -> None:
    """An analyst who asks where the table comes from finds the instance, whatever templates named both."""
    assert told.inputs("drain") == [told.queue(told.one)]
    assert told.outputs("drain") == {told.table("green_api_notifications"): {"rowCount": 6}}
    columns = told.columns("drain")
    assert [name for name in columns if name in ROW_COLUMNS] == [*ROW_COLUMNS]
    assert columns["key"] == "VARCHAR(32)"
    assert columns["received_at"] == "TIMESTAMP WITH TIME ZONE"


@pytest.mark.slow
def test_stream_of_a_fleet_has_an_input_for_each_instance(told: Told) -> None:
    """Both stores are outputs, each with its count; a connection that isn't there hides no other."""
    assert told.inputs("stream") == [told.queue(told.one), told.queue(told.two)]
    assert told.outputs("stream") == {
        told.files("lines"): {"rowCount": 3},
        told.table("rest"): {"rowCount": 1},
    }
    assert told.columns("stream") == LINE


def test_backfill_reads_the_queue_and_writes_files(told: Told) -> None:
    """It counts what it stored, which is what was older than the queue's head."""
    assert told.inputs("backfill") == [told.queue(told.one)]
    assert told.outputs("backfill") == {told.files("parquet"): {"rowCount": 5}}


def test_media_come_from_the_instance_and_from_the_batch_that_names_them(told: Told) -> None:
    """Files are counted as files."""
    assert told.inputs("media") == [told.queue(told.one), told.table("green_api_notifications")]
    assert told.outputs("media") == {told.files("media"): {"fileCount": 1}}


def test_consumers_read_the_table_and_not_the_queue(told: Told) -> None:
    """What a handler failed on is an output."""
    assert told.inputs("read_new") == told.inputs("work") == [told.table("green_api_notifications")]
    assert told.outputs("read_new") == {}
    assert told.outputs("work") == {told.files("dead"): {"rowCount": 1}}


def test_models_read_the_table_and_are_the_views_with_their_columns(told: Told) -> None:
    """Views hold no rows, so none are counted."""
    assert told.inputs("models") == [told.table("green_api_notifications")]
    views = told.outputs("models")
    assert views[told.table("green_api_notifications__messages")] == {}
    assert len(views) == 12
    assert told.columns("models")


def test_handler_reads_the_queue_and_writes_dead_letters_alone(told: Told) -> None:
    """Where its results go, only it knows."""
    assert told.inputs("process") == [told.queue(told.two)]
    assert told.outputs("process") == {told.files("dead"): {"rowCount": 0}}


def test_failed_task_tells_what_it_read_and_wrote_without_counts(told: Told) -> None:
    """What it stored is counted by the task that hands it on."""
    assert told.inputs("refused", FAIL) == [told.queue(told.one)]
    assert told.outputs("refused", FAIL) == {told.table("green_api_notifications"): {}}


def test_no_event_holds_a_token_or_a_password(told: Told) -> None:
    """Nor does the log of what could not be told."""
    assert SECRET not in told.text
    assert SECRET not in told.log


def test_lines_of_a_batch_have_the_members_that_were_told(told: Told) -> None:
    """Whoever reads the files finds what the schema says."""
    [path] = (told.folder / "lines").glob("batches/**/batch.ndjson")
    members = {name for line in path.read_text().splitlines() for name in json.loads(line)}
    assert {"key", "received_at", "body", "batch_id"} <= members <= LINE.keys()


def test_parquet_of_a_batch_has_the_columns_that_were_told(told: Told) -> None:
    """The same as the table, in Parquet's types."""
    [path] = (told.folder / "parquet").glob("batches/**/batch.parquet")
    found = {field.name: str(field.type).partition("[")[0] for field in read_schema(path)}
    assert found == told.columns("backfill")


# --- names ---


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection of a database whose hook tells OpenLineage of itself."""
    monkeypatch.setenv("AIRFLOW_CONN_SERVER", request.getfixturevalue(f"{request.param}_connection"))
    return "server"


def test_table_is_named_as_airflows_sql_operators_name_it(server: str) -> None:
    """One table is one dataset: a query of it and a drain into it meet."""
    SqlStore(server, table="named").stream().close()
    hook = BaseHook.get_hook(server)
    theirs = get_openlineage_facets_with_sql(hook, "SELECT * FROM named", server, None)
    assert theirs is not None
    ours = Table(server, "named").dataset()
    assert [(each.namespace, each.name) for each in theirs.inputs] == [(ours.namespace, ours.name)]


def test_table_in_a_schema_of_its_own_is_named_with_it(server: str) -> None:
    """A database of MySQL is a schema."""
    parts = Table(server, "other.named").dataset().name.split(".")
    assert parts[-2:] == ["other", "named"]


def test_view_has_its_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's hook tells nothing of itself, so the path of the file is the namespace."""
    path = tmp_path / "store.db"
    monkeypatch.setenv("AIRFLOW_CONN_FILE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    SqlStore("file").stream().close()
    with BaseHook.get_hook("file").get_conn() as database:
        database.execute(
            "CREATE VIEW names AS SELECT sender, 2 * position AS twice FROM green_api_notifications"
        )
    dataset = Table("file", "names").dataset()
    assert (dataset.namespace, dataset.name) == (f"sqlite://{path}", "main.names")
    assert dataset.facets is not None
    fields = [(field.name, field.type) for field in dataset.facets["schema"].fields]  # type: ignore[attr-defined]
    assert fields == [("sender", "TEXT"), ("twice", None)]


def test_password_in_the_address_of_a_database_is_no_part_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no place there, and people put it there."""
    monkeypatch.chdir(tmp_path)
    connection = {"conn_type": "sqlite", "host": f"login:{SECRET}@store.db"}
    monkeypatch.setenv("AIRFLOW_CONN_FILE", json.dumps(connection))
    assert Table("file", "t").dataset().namespace == "sqlite://store.db"


def dataset_of_folder(path: str) -> tuple[str, str]:
    read_new = GreenApiReadNewOperator(task_id="read", store=ObjectStorageStore(path), consumer="billing")
    [place] = read_new.lineage().reads
    dataset = place.dataset()
    return dataset.namespace, dataset.name


@pytest.mark.parametrize("uri", ["file:///data/green-api", "s3://bucket/green-api/raw", "s3://bucket"])
def test_folder_is_named_as_its_asset_is(uri: str) -> None:
    """Whoever reads the files, and names them by an asset, meets the drain that writes them."""
    theirs = translate_airflow_asset(Asset(uri), None)
    assert theirs is not None
    assert dataset_of_folder(uri) == (theirs.namespace, theirs.name)


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("/data/a#1?/x y", "file", "/data/a#1?/x y"),
        ("s3://warehouse@bucket/green-api", "s3://bucket", "green-api"),
        (f"abfs://container/folder/below?sig={SECRET}", "abfs://container", "folder/below"),
    ],
)
def test_folder_is_named_without_connection_and_signature(path: str, namespace: str, name: str) -> None:
    """The prefix in a bucket is the name; a local path is, as it stands."""
    assert dataset_of_folder(path) == (namespace, name)


def test_batches_of_one_store_are_one_place() -> None:
    """A list of them, in the forms that XCom brings, is read as a whole."""
    batch = {"store": "object_storage", "format": "ndjson", "conn_id": None, "count": 1}
    batches = [
        batch | {"batch_id": f"dag/run/task/{n}", "path": f"/data/batches/dag/run/task/{n}"} for n in range(2)
    ]
    table = {"store": "sql", "conn_id": "warehouse", "table": "t", "batch_id": "b", "count": 1}
    given = json.dumps([*batches, table, Notification(1, {}).as_dict(), [table]])
    assert {*read_from(given)} == {Folder("/data", "ndjson"), Table("warehouse", "t")}


# --- what goes wrong ---


def drain_into(store: Any) -> GreenApiDrainNotificationsOperator:
    return GreenApiDrainNotificationsOperator(task_id="drain", store=store, green_api_conn_id="one")


def test_database_out_of_reach_hides_no_other_place(
    green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names what is missing, and not why in the words of a driver, which may quote a password."""
    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": free_port(), "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_ONE", green_api_connection.connection)
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(connection))
    with caplog.at_level(logging.WARNING):
        told = drain_into(SqlStore("away")).get_openlineage_facets_on_complete(None)
    assert told is not None
    assert (len(told.inputs), told.outputs) == (1, [])
    place = "Table(conn_id='away', name='green_api_notifications', rows=None)"
    assert caplog.messages == [f"OpenLineage is told nothing of {place}: OperationalError."]


def test_store_of_ones_own_is_no_place(
    green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows where it keeps what it is given."""
    monkeypatch.setenv("AIRFLOW_CONN_ONE", green_api_connection.connection)

    class OwnStore(SqlStore):
        described = None

    told = drain_into(OwnStore("nowhere")).get_openlineage_facets_on_complete(None)
    assert told is not None
    assert (len(told.inputs), told.outputs) == (1, [])


WITHOUT_OPENLINEAGE = """
import sys
sys.modules["openlineage"] = None
from airflow_green_notify.operators import GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import SqlStore
drain = GreenApiDrainNotificationsOperator(task_id="drain", store=SqlStore("warehouse"))
print(drain.get_openlineage_facets_on_complete(None))
"""


def test_without_openlineage_nothing_is_told_and_nothing_fails() -> None:
    """It is not required."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENLINEAGE], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "None"


BESIDE_LISTENERS = """
from pathlib import Path
from airflow.listeners.listener import get_listener_manager
from airflow.models import DagBag
bag = DagBag(dag_folder=Path("example_dags/approvals_beside_etl.py").resolve())
print(get_listener_manager().has_listeners, bag.import_errors, [*bag.dags])
"""


def test_wait_that_a_triggerer_may_end_is_a_task_beside_openlineages_listeners_too() -> None:
    """Airflow refuses a Dag with a task that says so of itself, once any plugin has listeners."""
    ended = subprocess.run(
        [sys.executable, "-c", BESIDE_LISTENERS],
        env=os.environ | {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "console"})},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert ended.stdout.splitlines()[-1] == "True {} ['approvals_beside_etl']"
