"""Downloading media: whole files only, each once, one bad file not in the way of the others."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiTransportError
from airflow_green_notify.media import media_name, notifications_in
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDownloadMediaOperator, GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import ObjectStorageStore
from tests.servers import BUCKET


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def download(notifications: Any, path: Path | str, **arguments: Any) -> dict[str, Any]:
    task = GreenApiDownloadMediaOperator(
        task_id="download", notifications=notifications, path=path, **arguments
    )
    return task.execute({})


def media_messages(gateway: GreenApiEmulator, *names: str, **arguments: Any) -> list[Notification]:
    return [Notification(1, gateway.media_message(name, 10_000, **arguments)) for name in names]


def test_download_names_files_by_key_and_kind(green_api_connection: GreenApiEmulator, tmp_path: Path) -> None:
    """Every file lies under its notification's key, whole; what has no file is counted."""
    messages = media_messages(green_api_connection, "photo.jpg", "report.PDF", "voice.ogg")
    report = download([*(item.as_dict() for item in messages), Notification(2, {"x": 1})], tmp_path)
    assert (report["downloaded"], report["without_file"], report["failed_count"]) == (3, 1, 0)
    assert files_in(tmp_path) == sorted(media_name(item) for item in messages)
    assert [Path(media_name(item)).suffix for item in messages] == [".jpg", ".pdf", ".ogg"]
    for item in messages:
        expected = green_api_connection.media_sha256(str(item.download_url))
        assert sha256(tmp_path / media_name(item)) == expected


def test_download_under_a_made_up_key_takes_nobodys_place(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """The file of a notification whose key isn't that of its body is called otherwise than the real one's."""
    real, other = media_messages(green_api_connection, "one.png", "two.png")
    folder = tmp_path / "media"
    assert download(other.as_dict() | {"key": real.key}, folder)["downloaded"] == 1
    assert download(real, folder)["downloaded"] == 1
    assert sha256(folder / f"{real.key}.png") == green_api_connection.media_sha256(str(real.download_url))


@pytest.mark.parametrize("key", ["/victim", "../victim", "..\\victim", "a/../../victim", "victim"])
def test_download_under_a_key_that_leads_elsewhere_is_refused(
    green_api_connection: GreenApiEmulator, tmp_path: Path, key: str
) -> None:
    """Whoever writes an XCom, an event or a run's conf doesn't choose where a file lies."""
    (message,) = media_messages(green_api_connection, "one.png")
    if key.startswith("/"):
        key = str(tmp_path / "victim")
    with pytest.raises(AirflowFailException, match="32 hex digits"):
        download(message.as_dict() | {"key": key}, tmp_path / "media")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_download_again_asks_for_nothing_that_is_there(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """A retry goes on with what is missing."""
    messages = media_messages(green_api_connection, "one.png", "two.png")
    download(messages[:1], tmp_path)
    green_api_connection.clear_requests()
    report = download(messages, tmp_path)
    assert (report["downloaded"], report["present"]) == (1, 1)
    assert [item["method"] for item in green_api_connection.requests()] == ["media"]


@pytest.mark.parametrize("expired_link", ["403", "404"])
def test_download_by_an_expired_link_gets_a_fresh_one(
    green_api_connection: GreenApiEmulator, tmp_path: Path, expired_link: str
) -> None:
    """An expired link is replaced by downloadFile."""
    green_api_connection.switch(expired_link=expired_link)
    messages = media_messages(green_api_connection, "photo.jpg", expires_after=60)
    green_api_connection.advance(120)
    assert download(messages, tmp_path)["downloaded"] == 1
    asked = [item["method"] for item in green_api_connection.requests()]
    assert asked == ["media", "downloadFile", "media"]


def test_download_of_a_bad_file_does_not_lose_the_others_and_lists_it(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """A file that is gone for good, and one above 100 MB, are named; the rest is there."""
    good = media_messages(green_api_connection, "one.png", "two.png")
    gone, large = (
        Notification(1, json.loads(json.dumps(good[0].body).replace(str(good[0].download_url), url)))
        for url in (f"{green_api_connection.url}/_media/none/gone.png", "{{SWE002}}")
    )
    gone.body["idMessage"] = large.body["idMessage"] = "3EB0UNKNOWN"
    report = download([gone, good[0], large, good[1]], tmp_path)
    assert report["downloaded"] == 2
    assert report["too_large"] == [large.key]
    ((failed),) = report["failed"]
    assert failed["key"] == gone.key
    assert "not found" in failed["error"]
    assert "_media" not in failed["error"]


def test_download_with_on_failed_fail_fails_after_all_others(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """The error is retryable, so that a retry of the task tries the missing ones again."""
    (good,) = media_messages(green_api_connection, "one.png")
    bad = Notification(
        1, good.body | {"idMessage": "3EB0UNKNOWN", "messageData": {"typeMessage": "imageMessage"}}
    )
    with pytest.raises(GreenApiTransportError, match="1 files"):
        download([bad, good], tmp_path, on_failed="fail")
    assert len(files_in(tmp_path)) == 1


def test_download_with_a_refused_token_fails_at_once(
    green_api_connection: GreenApiEmulator, tmp_path: Path
) -> None:
    """What holds for every file isn't asked for each."""
    messages = media_messages(green_api_connection, "one.png", "two.png", expires_after=60)
    green_api_connection.advance(120)
    green_api_connection.fault("status", status=401, body="", method="downloadFile", times=None)
    with pytest.raises(AirflowFailException, match="token is wrong"):
        download(messages, tmp_path)
    asked = [item["method"] for item in green_api_connection.requests()]
    assert asked == ["media", "downloadFile"]


@pytest.fixture
def cutting_storage() -> Iterator[str]:
    """A storage that promises a kilobyte, sends ten bytes and hangs up; at the third time it sends all."""

    class Handler(BaseHTTPRequestHandler):
        answers = 0

        def do_GET(self) -> None:
            type(self).answers += 1
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * (10 if self.answers < 3 else 1000))

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file.bin?signature=secret"
        server.shutdown()


def file_message(url: str) -> Notification:
    data = {"typeMessage": "documentMessage", "fileMessageData": {"downloadUrl": url, "fileName": "file.bin"}}
    return Notification(1, {"typeWebhook": "incomingMessageReceived", "messageData": data})


def test_download_that_breaks_off_is_repeated_and_never_leaves_half_a_file(
    green_api_connection: GreenApiEmulator, cutting_storage: str, tmp_path: Path
) -> None:
    """Under its name a file is whole, whatever was cut on the way."""
    assert download([file_message(cutting_storage)], tmp_path)["downloaded"] == 1
    (name,) = files_in(tmp_path)
    assert (tmp_path / name).read_bytes() == b"x" * 1000
    assert list((tmp_path / ".writing").iterdir()) == []


def test_download_logs_no_link_at_any_level(
    green_api_connection: GreenApiEmulator,
    cutting_storage: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever holds a link can read the file, so neither log nor result shows it."""
    with caplog.at_level(logging.DEBUG):
        report = download([file_message(cutting_storage), file_message("ftp://x/secret")], tmp_path)
    assert report["failed_count"] == 1
    assert "connectionpool" in caplog.text
    assert "secret" not in caplog.text + repr(report)


def test_download_of_a_batch_into_a_bucket_in_a_real_dag_run(
    green_api_connection: GreenApiEmulator,
    run_dag: Callable[..., Any],
    s3_connection: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Behind a drain, with the batch by XCom and a rendered path, into S3."""
    from airflow.sdk import ObjectStoragePath

    monkeypatch.setenv("AIRFLOW_CONN_STORE_S3", s3_connection)
    messages = media_messages(green_api_connection, "one.png", "two.mp4")
    with DAG("media_dag", schedule=None) as dag:
        drained = GreenApiDrainNotificationsOperator(
            task_id="drain", store=ObjectStorageStore(tmp_path), receive_timeout=0.1
        )
        GreenApiDownloadMediaOperator(
            task_id="download",
            notifications=drained.output,
            path=f"s3://{BUCKET}/media/{{{{ dag.dag_id }}}}",
            conn_id="store_s3",
        )
    ti = run_dag(dag).get_task_instance("download")
    assert ti.xcom_pull(task_ids="download")["downloaded"] == 2
    folder = ObjectStoragePath(f"s3://{BUCKET}/media/media_dag", conn_id="store_s3")
    assert sorted(path.name for path in folder.iterdir()) == sorted(map(media_name, messages))


@pytest.mark.parametrize("value", [5, "no JSON", {"store": "unknown"}, [{"key": "x"}]])
def test_notifications_in_what_is_none_says_what_to_give(value: Any) -> None:
    """A wrong argument is told in words."""
    with pytest.raises(Exception, match="batch description"):
        list(notifications_in(value))
