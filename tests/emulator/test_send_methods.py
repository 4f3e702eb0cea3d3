"""Sending, uploading and downloading: answers, limits and refusals."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from airflow_green_notify.emulator.media import MAX_SIZE

CHAT = "12025550101@c.us"
QUOTED = "3EB0C767D26A1D7F21C2"


def details(response: Any) -> str:
    """What a validation says."""
    assert response.status_code == 400
    return response.json()["message"].removeprefix("Validation failed. Details: ")


def test_send_message_takes_it_in_and_answers_its_id(client: Any) -> None:
    """A message that is accepted has an id, and the emulator tells what was sent."""
    answer = client.post("sendMessage", chatId=CHAT, message="Hello \ud83d", quotedMessageId=QUOTED)
    (sent,) = client.gateway.sent()
    assert answer.json() == {"idMessage": sent["idMessage"]}
    assert (sent["chatId"], sent["message"], sent["quotedMessageId"]) == (CHAT, "Hello \ud83d", QUOTED)
    assert sent["method"] == "sendMessage"
    assert sent["at"] <= sent["delivered_at"]


@pytest.mark.parametrize(
    ("method", "data", "text"),
    [
        (
            "sendMessage",
            {"chatId": CHAT, "message": "a", "typingTime": 500},
            "'typingTime' must be between 1000 and 20000",
        ),
        ("sendFileByUrl", {"chatId": CHAT}, "'urlFile' is required"),
        ("sendFileByUrl", {"chatId": CHAT, "urlFile": "http://x/a"}, "'fileName' is required"),
        (
            "sendFileByUrl",
            {"chatId": CHAT, "urlFile": "http://x/a", "fileName": "a", "caption": "c" * 1025},
            "'caption' length must be less than or equal to 1024 characters long",
        ),
        ("downloadFile", {"chatId": CHAT}, "'value' must have at least 2 keys"),
        ("downloadFile", {"chatId": CHAT, "id": "x"}, "'idMessage' is required"),
    ],
)
def test_invalid_request_is_refused_with_the_details(
    client: Any, method: str, data: dict[str, Any], text: str
) -> None:
    """What is missing or wrong is named, and nothing is sent."""
    assert details(client.post(method, **data)) == text
    assert client.gateway.sent() == []


def test_send_file_by_url_takes_the_link(client: Any) -> None:
    """The file's link, name and caption are kept; the emulator doesn't fetch from elsewhere."""
    url = "https://example.org/report.pdf"
    answer = client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="r.pdf", caption="c" * 1024)
    (sent,) = client.gateway.sent()
    assert answer.json() == {"idMessage": sent["idMessage"]}
    assert (sent["urlFile"], sent["fileName"], sent["caption"]) == (url, "r.pdf", "c" * 1024)
    assert sent["mimeType"] == "application/pdf"
    assert "size" not in sent


def test_send_file_by_url_that_is_too_large_is_refused(client: Any) -> None:
    """A file of the gateway's own storage above 100 MB gets the documented 500."""
    url = client.gateway.media("film.mp4", MAX_SIZE + 1024**2)
    answer = client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="film.mp4")
    assert answer.status_code == 500
    assert answer.json()["message"] == (
        f"File from url exceeded max upload size. Size: 101mb Limit: 100mb Url: {url}"
    )
    assert client.gateway.sent() == []


def test_send_file_by_upload_keeps_what_identifies_the_file(client: Any) -> None:
    """Size, hash, name and caption of an upload are kept, and the link serves the same bytes."""
    content = bytes(range(256)) * 2000
    answer = client.session.post(
        client.url("sendFileByUpload"),
        data={"chatId": CHAT, "caption": "é", "quotedMessageId": QUOTED},
        files={"file": ("a b.pdf", content)},
    )
    (sent,) = client.gateway.sent()
    assert answer.json() == {"idMessage": sent["idMessage"], "urlFile": sent["urlFile"]}
    assert (sent["fileName"], sent["caption"], sent["size"]) == ("a b.pdf", "é", len(content))
    assert sent["sha256"] == hashlib.sha256(content).hexdigest()
    assert sent["quotedMessageId"] == QUOTED
    assert client.session.get(sent["urlFile"]).content == content
    assert client.gateway.media_sha256(sent["urlFile"]) == sent["sha256"]


def test_send_file_by_upload_can_name_the_file(client: Any) -> None:
    """The field ``fileName`` goes before the name in the upload."""
    data = {"chatId": CHAT, "fileName": "report.pdf"}
    client.session.post(client.url("sendFileByUpload"), data=data, files={"file": ("tmp1", b"x")})
    assert client.gateway.sent()[0]["fileName"] == "report.pdf"


@pytest.mark.parametrize(
    ("data", "files", "text"),
    [
        ({}, {"file": ("a", b"x")}, "'chatId' is required"),
        ({"chatId": CHAT}, {"other": ("a", b"x")}, "'file' is required"),
        (
            {"chatId": CHAT, "caption": "c" * 1025},
            {"file": ("a", b"x")},
            "'caption' length must be less than or equal to 1024 characters long",
        ),
    ],
)
def test_incomplete_upload_is_refused(client: Any, data: Any, files: Any, text: str) -> None:
    """An upload without a chat or a file, or with too long a caption, isn't sent."""
    answer = client.session.post(client.url("sendFileByUpload"), data=data, files=files)
    assert details(answer) == text
    assert client.gateway.sent() == []


def test_upload_that_is_no_form_is_a_bad_request(client: Any) -> None:
    """sendFileByUpload takes multipart forms only."""
    answer = client.post("sendFileByUpload", chatId=CHAT)
    assert details(answer) == "bad request data"


def test_upload_above_the_limit_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of upload answer the documented 500 for too large a file, and send nothing."""
    monkeypatch.setattr("airflow_green_notify.emulator.media.MAX_SIZE", 1000)
    monkeypatch.setattr("airflow_green_notify.emulator.send_methods.MAX_SIZE", 1000)
    form = client.session.post(
        client.url("sendFileByUpload"), data={"chatId": CHAT}, files={"file": ("a", b"x" * 1001)}
    )
    raw = client.session.post(client.url("uploadFile"), data=b"x" * 1001)
    for answer in (form, raw):
        assert answer.status_code == 500
        assert answer.json()["message"] == "request entity too large"
    assert client.gateway.sent() == []


def test_uploaded_file_can_be_sent_by_its_link(client: Any) -> None:
    """The link of uploadFile serves the bytes and can be sent; then the hash is known."""
    url = client.session.post(
        client.url("uploadFile"), data=b"content", headers={"GA-Filename": "n.xyz"}
    ).json()["urlFile"]
    assert url.endswith("/n.xyz")
    assert client.session.get(url).content == b"content"
    client.post("sendFileByUrl", chatId=CHAT, urlFile=url, fileName="n.xyz")
    assert client.gateway.sent()[0]["sha256"] == hashlib.sha256(b"content").hexdigest()


def test_upload_is_kept_as_it_came(client: Any) -> None:
    """Whatever its Content-Encoding says, also where that isn't so."""
    headers = {"Content-Encoding": "gzip"}
    answer = client.session.post(client.url("uploadFile"), data=b"plain", headers=headers)
    assert client.session.get(answer.json()["urlFile"]).content == b"plain"


def test_uploaded_file_without_a_name_is_named_by_its_type(client: Any) -> None:
    """The ending follows from Content-Type."""
    answer = client.session.post(client.url("uploadFile"), data=b"x", headers={"Content-Type": "image/png"})
    assert answer.json()["urlFile"].endswith(".png")


def test_quota_refuses_a_further_chat_with_466(emulate: Any) -> None:
    """On the free plan a chat beyond the quota gets 466 with the documented body; the known ones go on."""
    client = emulate(quota_chats=2)
    for chat in ("1@c.us", "2@c.us", "1@c.us"):
        assert client.post("sendMessage", chatId=chat, message="a").status_code == 200
    refusal = client.post("sendMessage", chatId="3@c.us", message="a")
    assert refusal.status_code == 466
    assert refusal.json()["invokeStatus"]["method"] == "sendMessage"
    quota = refusal.json()["correspondentsStatus"]
    assert (quota["method"], quota["used"], quota["total"]) == ("correspondents", 2, 2)
    assert quota["status"] == "CORRESPONDENTS_QUOTE_EXCEEDED"
    assert "1@c.us, 2@c.us" in quota["description"]
    assert len(client.gateway.sent()) == 3


def test_suspended_account_may_not_send_on_max(emulate: Any) -> None:
    """It is 403 with the documented text."""
    client = emulate(type_instance="v3")
    client.gateway.state("suspended")
    answer = client.post("sendMessage", chatId="10000042", message="a")
    assert (answer.status_code, answer.text) == (403, "Your account is suspended")
    assert client.gateway.sent() == []


@pytest.mark.parametrize(("type_instance", "chat"), [("whatsapp", CHAT), ("telegram", "10000042")])
def test_message_of_a_suspended_account_waits_elsewhere(emulate: Any, type_instance: str, chat: str) -> None:
    """Only MAX documents the refusal."""
    client = emulate(type_instance=type_instance)
    client.gateway.state("suspended")
    assert client.post("sendMessage", chatId=chat, message="a").status_code == 200
    assert client.gateway.sent()[0]["delivered_at"] is None


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("starting", "instance in starting process try later"),
        ("expired", "Instance account is expired. Renew your instance from personal area"),
        ("deleted", "Instance is deleted"),
    ],
)
def test_instance_that_can_not_work_refuses_to_send(client: Any, state: str, text: str) -> None:
    """In these states nothing is taken into the send queue."""
    client.gateway.state(state)
    answer = client.post("sendMessage", chatId=CHAT, message="a")
    assert (answer.status_code, answer.text) == (400, text)
    assert client.gateway.sent() == []


def test_unauthorized_send_can_be_refused(emulate: Any) -> None:
    """With the switch an instance that isn't authorized answers 400 instead of queueing."""
    client = emulate(unauthorized_sends="refuse")
    client.gateway.state("notAuthorized")
    answer = client.post("sendMessage", chatId=CHAT, message="a")
    assert (answer.status_code, answer.text) == (400, "instance is starting or not authorized")


def test_send_cut_after_its_effect_was_sent(client: Any) -> None:
    """A send whose answer was lost is sent all the same."""
    client.gateway.fault("500_after", method="sendMessage")
    assert client.post("sendMessage", chatId=CHAT, message="once").status_code == 500
    assert [sent["message"] for sent in client.gateway.sent()] == ["once"]


def test_quota_tells_of_itself_in_the_queue(emulate: Any) -> None:
    """A refusal by the quota comes as a notification, too."""
    client = emulate(quota_chats=1)
    client.post("sendMessage", chatId=CHAT, message="a")
    client.post("sendMessage", chatId="12025550102@c.us", message="a")
    (body,) = client.gateway.queue()
    assert body["typeWebhook"] == "quotaExceeded"
    assert body["quotaData"]["status"] == "CORRESPONDENTS_QUOTA_EXCEEDED"
    assert CHAT in body["quotaData"]["description"]


@pytest.mark.parametrize(("type_instance", "days"), [("whatsapp", 15), ("telegram", 1), ("v3", 15)])
def test_links_live_as_long_as_documented(emulate: Any, type_instance: str, days: int) -> None:
    """Links to uploads and in messages expire; a fresh one can be had for a message."""
    client = emulate(type_instance=type_instance)
    chat = CHAT if type_instance == "whatsapp" else "12025550101"
    uploaded = client.session.post(client.url("uploadFile"), data=b"content").json()["urlFile"]
    body = client.gateway.media_message("a.jpg", 10, chat_id=chat)
    links = [uploaded, body["messageData"]["fileMessageData"]["downloadUrl"]]
    client.gateway.advance(days * 24 * 3600 - 60)
    assert [client.session.get(link).status_code for link in links] == [200, 200]
    client.gateway.advance(120)
    assert [client.session.get(link).status_code for link in links] == [403, 403]
    fresh = client.post("downloadFile", chatId=chat, idMessage=body["idMessage"]).json()["downloadUrl"]
    assert client.session.get(fresh).status_code == 200
