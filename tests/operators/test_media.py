"""Downloading media: whole files only, each once, one bad file not in the way of the others."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

import airflow_green_notify
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiTransportError
from airflow_green_notify.media import media_name
from airflow_green_notify.notification import Notification
from airflow_green_notify.operators import GreenApiDownloadMediaOperator, GreenApiDrainNotificationsOperator
from airflow_green_notify.stores import ObjectStorageStore
from airflow_green_notify.stores.batch import notifications_in
from tests.servers import BUCKET


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def download(notifications: Any, path: Path | str, **arguments: Any) -> dict[str, Any]:
    """Run the operator; by default with storages on this machine allowed, since there is no other here."""
    arguments = {"allow_private_addresses": True, **arguments}
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
    listen: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever holds a link can read the file, so neither log nor result shows it, nor where it redirects."""
    storage = listen(listen.answer(b"content"))
    target = f"{storage.url}/x/../secret folder/%73ecret?signature=s%65cret"
    redirecting = listen(listen.answer(b"", "302 Found", Location=target))
    links = (cutting_storage, f"{redirecting.url}/secret", "ftp://x/secret", "http://127.0.0.1:9/secret")
    with caplog.at_level(logging.DEBUG):
        report = download([file_message(link) for link in links], tmp_path)
    assert (report["downloaded"], report["failed_count"]) == (2, 2)
    assert "connectionpool" in caplog.text
    shown = caplog.text + repr(report)
    assert [word for word in ("secret", "s%65cret", "%73ecret", "signature") if word in shown] == []


# --- links that lead where they should not ---


def test_download_from_a_private_address_is_refused_unless_it_is_allowed(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path
) -> None:
    """Somebody in a chat must not have the worker read what only the worker can reach."""
    storage = listen(listen.answer(b"content"))
    port = storage.server_address[1]
    hosts = (
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",  # noqa: S104
        "user:x@127.0.0.1",
    )
    messages = [file_message(f"http://{host}:{port}/file.bin") for host in hosts]
    report = download(messages, tmp_path, allow_private_addresses=False)
    assert (report["failed_count"], report["downloaded"]) == (len(hosts), 0)
    assert all("private or loopback address" in each["error"] for each in report["failed"])
    assert all("allow_private_addresses" in each["error"] for each in report["failed"])
    assert (storage.connections, files_in(tmp_path)) == (0, [])
    assert download(messages[:1], tmp_path)["downloaded"] == 1


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/x",
        "//127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "http://127.1:{port}/x",
    ],
)
@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1,localhost,127.1"], ids=["by the proxy", "directly"])
def test_download_that_is_redirected_to_a_private_address_is_refused(
    green_api_connection: GreenApiEmulator,
    listen: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    no_proxy: str,
) -> None:
    """Each hop is judged as the link itself; behind a proxy at least what is written as an address."""
    inner = listen(listen.answer(b"secret"))
    location = target.format(port=inner.server_address[1])
    proxy = listen(listen.answer(b"", "302 Found", Location=location))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", no_proxy)
    message = file_message("http://files.example.org/file.bin")
    report = download([message], tmp_path, allow_private_addresses=False)
    assert "private or loopback address" in report["failed"][0]["error"]
    assert (len(proxy.requests), inner.connections) == (1, 0)


def test_download_connects_to_the_address_that_was_judged(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means a public address when it is looked up first, and this machine when it is again."""
    inner = listen(listen.answer(b"secret"))
    port = inner.server_address[1]
    outer = listen(listen.answer(b"content"), address=("127.0.0.2", port))
    look_up, public, looked_up = socket.getaddrinfo, "198.51.101.1", []

    def rebinding(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "rebinding.example.org" and not kwargs.get("flags"):
            looked_up.append(host)
            family, kind, protocol, _, _ = look_up(inner.server_address[0], *args, **kwargs)[0]
            address = public if len(looked_up) == 1 else "127.0.0.1"
            return [(family, kind, protocol, "", (address, port))]
        return look_up("127.0.0.2" if host == public else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    messages = [
        file_message(f"http://{host}:{port}/file.bin") for host in ("127.0.0.1", "rebinding.example.org")
    ]
    report = download(messages, tmp_path, allow_private_addresses=False)
    assert (report["failed_count"], report["downloaded"]) == (1, 1)
    assert (outer.connections, inner.connections) == (1, 0)
    assert (tmp_path / media_name(messages[1])).read_bytes() == b"content"


def test_download_gives_up_a_link_that_redirects_for_ever(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path
) -> None:
    """Five hops are enough."""
    storage = listen(listen.answer(b"", "302 Found", Location="/again"))
    report = download([file_message(f"{storage.url}/file.bin")], tmp_path)
    assert "redirects more than 5 times" in report["failed"][0]["error"]
    assert len(storage.requests) == 6


def test_download_reads_nothing_of_an_answer_that_redirects(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path
) -> None:
    """What stands in it may be endless, or unpack to gigabytes."""
    storage = listen(listen.answer(b"content"))
    head = f"HTTP/1.1 302 Found\r\nLocation: {storage.url}/x\r\nContent-Length: 1073741824\r\n\r\n"
    redirecting = listen(head.encode() + b"x" * 2**20, ...)
    began = time.monotonic()
    assert download([file_message(f"{redirecting.url}/file.bin")], tmp_path)["downloaded"] == 1
    assert time.monotonic() - began < 30


def test_download_brings_no_password_and_no_cookie_along(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts that a message names learn neither what stands in ``~/.netrc`` nor another host's cookies."""
    (tmp_path / "netrc").write_text("default login worker password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    second = listen(listen.answer(b"content"))
    first = listen(listen.answer(b"", "302 Found", Location=f"{second.url}/x", Set_Cookie="a=b; Path=/"))
    links = [f"{first.url}/1.bin", f"{first.url}/2.bin"]
    assert download([file_message(link) for link in links], tmp_path / "media")["downloaded"] == 2
    heads = "\n".join(first.requests + second.requests).lower()
    assert "authorization" not in heads
    assert "cookie" not in heads
    assert f"user-agent: airflow-green-notify/{airflow_green_notify.__version__}" in heads


# --- files that are too large or too slow ---


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_download_of_a_file_above_max_file_size_leaves_nothing(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path, packed: bool
) -> None:
    """It is listed, the rest of the batch goes on, and what counts is what it unpacks to."""
    content = bytes(2 * 2**20)
    large = listen(
        listen.answer(gzip.compress(content), Content_Encoding="gzip") if packed else listen.answer(content)
    )
    (good,) = media_messages(green_api_connection, "one.png")
    bad = file_message(f"{large.url}/file.bin")
    report = download([bad, good], tmp_path, max_file_size=1_000_000)
    assert (report["too_large"], report["downloaded"], report["failed"]) == ([bad.key], 1, [])
    assert files_in(tmp_path) == [media_name(good)]
    assert list((tmp_path / ".writing").iterdir()) == []
    assert download([bad], tmp_path, max_file_size=len(content))["downloaded"] == 1
    assert (tmp_path / media_name(bad)).read_bytes() == content


def test_download_of_a_file_that_trickles_ends_after_max_seconds(
    green_api_connection: GreenApiEmulator, listen: Any, tmp_path: Path
) -> None:
    """A storage that sends a byte now and then doesn't hold the task."""

    def trickle() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        for _ in range(300):
            yield b"x"
            time.sleep(0.1)

    (good,) = media_messages(green_api_connection, "one.png")
    began = time.monotonic()
    report = download([file_message(f"{listen(trickle).url}/file.bin"), good], tmp_path, max_seconds=1.5)
    assert time.monotonic() - began < 10
    assert "within 1.5 s (max_seconds)" in report["failed"][0]["error"]
    assert files_in(tmp_path) == [media_name(good)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_file_size": 0},
        {"max_file_size": "many"},
        {"max_seconds": -1},
        {"max_seconds": float("inf")},
        {"allow_private_addresses": "{{ params.allow }}"},
        {"allow_private_addresses": None},
    ],
    ids=str,
)
def test_download_with_a_wrong_bound_is_refused_where_it_is_written(arguments: dict[str, Any]) -> None:
    """The error names the argument, what it was and what it must be."""
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} is .*; it must be"):
        download([], "/nowhere", **arguments)


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
            allow_private_addresses=True,
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
