"""Files and links to them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications, media_content


def fresh_link(client: Any, body: dict[str, Any]) -> str:
    """What downloadFile answers for the message of a notification."""
    answer = client.post("downloadFile", chatId=body["senderData"]["chatId"], idMessage=body["idMessage"])
    return answer.json()["downloadUrl"]


@pytest.mark.parametrize("size", [0, 1, 65536, 200_001])
def test_media_serves_the_announced_content(client: Any, size: int) -> None:
    """The file has its size, and its bytes can be known without downloading it."""
    url = client.gateway.media("a.bin", size)
    content = client.session.get(url).content
    assert content == b"".join(media_content("a.bin", size))
    assert len(content) == size
    assert client.gateway.media_sha256(url) == hashlib.sha256(content).hexdigest()


def test_media_of_another_name_has_another_content(client: Any) -> None:
    """Two files are told apart by their hash."""
    first, second = client.gateway.media("a", 100), client.gateway.media("b", 100)
    assert client.gateway.media_sha256(first) != client.gateway.media_sha256(second)


@pytest.mark.parametrize("status", ["403", "404"])
def test_expired_link_is_refused(emulate: Any, status: str) -> None:
    """After its time a link answers the status of the switch."""
    client = emulate(expired_link=status)
    url = client.gateway.media("a.bin", 10, expires_after=60)
    assert client.session.get(url).status_code == 200
    client.gateway.advance(60)
    assert client.session.get(url).status_code == int(status)
    assert [record["method"] for record in client.gateway.requests()] == ["media", "media"]


def test_unknown_link_is_not_found(client: Any) -> None:
    """Only links that the gateway gave out lead anywhere."""
    assert client.session.get(f"{client.gateway.url}/_media/0/a.bin").status_code == 404
    assert client.session.get(f"{client.gateway.url}/_media").status_code == 404
    with pytest.raises(LookupError):
        client.gateway.media_sha256("https://example.org/a.bin")


def test_media_message_is_pushed_and_gets_fresh_links(client: Any) -> None:
    """The notification of a file leads to it, and when its link has expired, downloadFile does."""
    body = client.gateway.media_message("scan é.jpg", 1000, expires_after=60, caption="label")
    assert client.receive()["body"] == body
    assert body["messageData"]["typeMessage"] == "imageMessage"
    url = body["messageData"]["fileMessageData"]["downloadUrl"]
    client.gateway.advance(60)
    assert client.session.get(url).status_code == 403
    renewed = client.session.get(fresh_link(client, body))
    assert hashlib.sha256(renewed.content).hexdigest() == client.gateway.media_sha256(url)


def test_download_of_a_pushed_example_gives_a_file(client: Any) -> None:
    """Links elsewhere, as in the examples, are answered with a file of the gateway's own."""
    examples = [envelope["body"] for envelope in example_notifications()]
    client.gateway.push(*examples)
    url = fresh_link(client, examples[4])
    assert url.endswith(examples[4]["messageData"]["fileMessageData"]["fileName"])
    assert client.session.get(url).content


def test_download_of_an_oddly_named_file_gives_a_file(client: Any) -> None:
    """A name with a lone surrogate, or none at all, is no obstacle."""
    for number, ending in enumerate(["\ud83d.jpg", ""]):
        body = client.gateway.media_message("a.jpg", 1)
        body["messageData"]["fileMessageData"]["downloadUrl"] = f"https://example.org/{ending}"
        body["idMessage"] = f"odd{number}"
        client.gateway.push(body)
        assert client.session.get(fresh_link(client, body)).content


@pytest.mark.parametrize("chat_id", ["12025550101@c.us", "9@c.us"])
def test_download_of_what_is_not_there_is_refused(client: Any, chat_id: str) -> None:
    """A message without a file, of another chat, or too large to be passed on has no link."""
    too_large = example_notifications()[8]["body"]
    client.gateway.push(too_large)
    answer = client.post("downloadFile", chatId=chat_id, idMessage=too_large["idMessage"])
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("File message encrypted url not found by chatId ")


def test_media_before_the_start_is_an_error() -> None:
    """Without a server there is no URL to give out."""
    with pytest.raises(RuntimeError):
        GreenApiEmulator().media("a.bin", 1)


@pytest.mark.parametrize(("type_instance", "days"), [("whatsapp", 15), ("v3", 15), ("telegram", 1)])
def test_link_lives_as_long_as_the_products(emulate: Any, type_instance: str, days: int) -> None:
    """Those of notifications, of uploads and of ``downloadFile`` alike, unless a test says otherwise."""
    client = emulate(type_instance=type_instance)
    links = [
        client.gateway.media("a.bin", 10),
        client.gateway.media_message("b.bin", 10)["messageData"]["fileMessageData"]["downloadUrl"],
        client.session.post(client.url("uploadFile"), data=b"x").json()["urlFile"],
    ]
    client.gateway.advance(days * 86_400 - 60)
    assert [client.session.get(link).status_code for link in links] == [200, 200, 200]
    client.gateway.advance(120)
    assert [client.session.get(link).status_code for link in links] == [403, 403, 403]


def test_head_of_a_file_tells_its_size(client: Any) -> None:
    """Without a byte of it."""
    answer = client.session.head(client.gateway.media("a.bin", 1000))
    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, "1000", b"")


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=10-19", 206, slice(10, 20)),
        ("bytes=65530-65540", 206, slice(65530, 65541)),
        ("bytes=100000-", 206, slice(100_000, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=0-999999", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=150000-", 416, slice(0, 0)),
    ],
)
def test_part_of_a_file_can_be_had(client: Any, wanted: str, status: int, part: slice) -> None:
    """One range of bytes; what is no such range is left out of account."""
    size = 150_000
    answer = client.session.get(client.gateway.media("a.bin", size), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (status, b"".join(media_content("a.bin", size))[part])
    if status == 206:
        first, last, _ = part.indices(size)
        assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/{size}"
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{size}"


def test_part_of_an_uploaded_file_can_be_had(client: Any) -> None:
    """It lies on disk, the others are made."""
    url = client.session.post(client.url("uploadFile"), data=bytes(range(256)) * 1000).json()["urlFile"]
    answer = client.session.get(url, headers={"Range": "bytes=70000-70003"})
    assert answer.content == bytes([112, 113, 114, 115])
