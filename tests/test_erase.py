"""The commands that erase a contact's data, and what is old."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from airflow_green_notify import erase, purge
from airflow_green_notify.files.media_names import media_name
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

PHONE = "12025550101@c.us"


@pytest.fixture(autouse=True)
def _process_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes it for its own process, which here goes on."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


def notification(sender: str, days_ago: int = 0) -> Notification:
    body = {
        "typeWebhook": "incomingMessageReceived",
        "instanceData": {"idInstance": 1101000001},
        "senderData": {"chatId": sender, "sender": sender},
        "messageData": {"typeMessage": "imageMessage", "fileMessageData": {"fileName": "a.jpg"}},
    }
    return Notification(1, body, received_at=datetime.now(UTC) - timedelta(days=days_ago))


MINE, OLD = notification(PHONE), notification("12025550102@c.us", days_ago=91)


@pytest.fixture(params=["sql", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What names a store of each kind to the commands; two notifications were closed in it."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"}))
    named = ["store"] if request.param == "sql" else [str(tmp_path / "files")]
    place = SqlStore("store") if request.param == "sql" else ObjectStorageStore(named[0])
    with place.open("dag/run/drain/-1", "gateway/1101000001") as opened:
        opened.put(MINE)
        opened.put(OLD)
    return named


def run(module: ModuleType, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command and return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        module.main(arguments)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


def test_erase_and_purge_say_how_much_they_erased(
    store: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words or as JSON, and the same beforehand where it is only counted."""
    media = tmp_path / "media"
    media.mkdir()
    for each in (MINE, OLD):
        (media / media_name(each)).write_bytes(b"x")
    mine = [*store, "--contact", PHONE, "--contact", "200000000000042@lid", "--media", str(media)]
    old = [*store, "--older-than", "90d", "--media", str(media), "--json"]
    code, text = run(erase, capsys, *mine, "--dry-run")
    assert (code, text) == (
        0,
        f"Would erase 1 notifications and 1 files of media: {PHONE}, 200000000000042@lid.\n",
    )
    assert run(erase, capsys, *mine)[1].startswith("Erased 1 notifications and 1 files of media")
    assert run(erase, capsys, *mine) == (
        0,
        f"Erased 0 notifications and 0 files of media: {PHONE}, 200000000000042@lid.\n",
    )
    assert json.loads(run(purge, capsys, *old)[1]) == {"notifications": 1, "media": 1}
    assert [*media.iterdir()] == []


@pytest.mark.parametrize("age", ["90", "0d", "-1d", "ninety days", "9999999d", "999999w", "90d; DROP", "٩٠d"])
def test_age_that_is_none_is_refused(age: str, store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In words, and nothing is erased."""
    code, text = run(purge, capsys, *store, f"--older-than={age}")
    assert (code, "older" in text) == (2, True)
    assert run(purge, capsys, *store, "--older-than=1h", "--dry-run", "--json")[1].startswith(
        '{"notifications": 1'
    )


def test_wrong_arguments_are_told(
    store: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A contact that is no id, a folder and a store that are not there."""
    code, text = run(erase, capsys, *store, "--contact", "Ann\x1b")
    assert code == 2
    assert "'Ann\\x1b' is no id of a contact" in text
    code, text = run(erase, capsys, *store, "--contact", PHONE, "--media", str(tmp_path / "typo"))
    assert (code, "There is no folder" in text) == (2, True)
    assert run(erase, capsys, "missing", "--contact", PHONE)[0] == 2
    assert run(erase, capsys, "store", "--table", "nowhere", "--contact", PHONE)[0] == 2
    assert run(purge, capsys, str(tmp_path / "nowhere"), "--older-than", "1d")[0] == 2
    assert not (tmp_path / "nowhere").exists()
