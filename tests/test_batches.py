"""The command that lists what nobody was handed, and hands it on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_green_notify import batches
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

BATCH = "dag/run/drain/-1"
QUEUE = "gateway/1101000001"


@pytest.fixture(autouse=True)
def _process_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes it for its own process, which here goes on."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


@pytest.fixture(params=["sql", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What names a store of each kind to the command; a batch with one notification was closed in it."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"}))
    named = ["store"] if request.param == "sql" else [str(tmp_path / "files")]
    with batches._store(batches.parsed("batches", "", batches.BATCHES_ARGUMENTS, named)).open(
        BATCH, QUEUE
    ) as it:
        it.put(Notification(1, {"number": 1}))
    return named


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command and return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        batches.main(arguments)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


def test_batches_lists_what_is_not_confirmed(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """State, batch and queue, in words or as JSON."""
    code, text = run(capsys, *store)
    assert code == 0
    assert text.startswith(f"closed    {BATCH} of queue {QUEUE}: finished")
    (record,) = json.loads(run(capsys, *store, "--json")[1])
    assert (record["batch_id"], record["state"], record["queue"]) == (BATCH, "closed", QUEUE)


def test_batch_handed_on_by_hand_is_taken_by_the_next_drain(
    store: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The next batch of the same Dag, task and queue finds it, and adopts it without asking Airflow."""
    assert run(capsys, *store, "--hand-on", BATCH)[0] == 0
    assert run(capsys, *store)[1].startswith("released")
    place = SqlStore("store") if store == ["store"] else ObjectStorageStore(store[0])
    with place.open("dag/next/drain/-1", QUEUE) as opened:
        (record,) = opened.not_handed_on()
        assert opened.adopt(record) == 1
    assert opened.close()["count"] == 1


def test_batches_of_a_store_in_order_says_so(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to do is a sentence, too."""
    place = SqlStore("store") if store == ["store"] else ObjectStorageStore(store[0])
    with place.open("dag/next/drain/-1", QUEUE) as opened:
        (record,) = opened.not_handed_on()
        opened.settle(record, "confirmed")
    assert run(capsys, *store) == (0, "Every batch is known to have been handed on.\n")


def test_batch_that_is_not_there_is_told(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error changes nothing."""
    code, text = run(capsys, *store, "--hand-on", "dag/run/drian/-1")
    assert code == 1
    assert "There is no batch 'dag/run/drian/-1'" in text


def test_batches_of_a_store_that_is_not_there_creates_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong table or connection is an error in words, and no new table."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"}))
    code, text = run(capsys, "store", "--table", "nowhere")
    assert code == 2
    assert "nowhere" in text
    assert run(capsys, "missing")[0] == 2
