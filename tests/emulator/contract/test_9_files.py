"""Section 9 of the contract: files."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_green_notify.emulator import example_notifications
from tests.emulator.contract.answers import details_of, refusal_of

HOUR = 3600
DAY = 24 * HOUR
TOO_LARGE = example_notifications()[8]["body"]


def incoming(client: Any, **more: Any) -> dict[str, Any]:
    """The body of a message with a file, as the queue brings it."""
    client.gateway.media_message("scan.jpg", 1000, **more)
    envelope = client.receive()
    client.delete(envelope["receiptId"])
    return dict(envelope["body"])


def link_in(body: dict[str, Any]) -> str:
    return str(body["messageData"]["fileMessageData"]["downloadUrl"])


def download(client: Any, body: dict[str, Any]) -> requests.Response:
    return client.post("downloadFile", chatId=body["senderData"]["chatId"], idMessage=body["idMessage"])


def test_9_the_link_in_a_notification_needs_no_login(client: Any) -> None:
    """A plain GET of a direct link, without the token in it."""
    link = link_in(incoming(client))
    assert client.gateway.api_token not in link
    assert len(requests.get(link, timeout=20).content) == 1000


@pytest.mark.parametrize(("product", "days"), [("whatsapp", 15), ("v3", 15), ("telegram", 1)])
def test_9_a_link_lives_as_long_as_the_product_keeps_it(emulate: Any, product: str, days: int) -> None:
    """15 days on MAX, 24 hours on Telegram; inferred for WhatsApp, whose page gives no number."""
    client = emulate(type_instance=product)
    body = incoming(client, chat_id="12025550101@c.us" if product == "whatsapp" else "10000101")
    client.gateway.advance(days * DAY - HOUR)
    assert requests.get(link_in(body), timeout=20).status_code == 200
    client.gateway.advance(2 * HOUR)
    assert requests.get(link_in(body), timeout=20).status_code in (403, 404)
    fresh = download(client, body).json()["downloadUrl"]
    assert requests.get(fresh, timeout=20).status_code == 200


def test_9_download_file_gives_a_fresh_link(client: Any) -> None:
    """``{"downloadUrl": …}`` and nothing else, to the same bytes."""
    body = incoming(client)
    answer = download(client, body).json()
    assert answer.keys() == {"downloadUrl"}
    first, second = (requests.get(url, timeout=20).content for url in (link_in(body), answer["downloadUrl"]))
    assert first == second


def test_9_download_file_without_both_keys_is_refused(client: Any) -> None:
    """The documented text counts keys."""
    response = client.post("downloadFile", chatId="12025550101@c.us")
    assert details_of(response) == "'value' must have at least 2 keys"


def test_9_download_file_of_what_is_not_there_is_refused(client: Any) -> None:
    """The documented text names chat and message."""
    response = client.post("downloadFile", chatId="12025550101@c.us", idMessage="3EB0A1B2C3D4E5F60101")
    assert refusal_of(response) == (
        "File message encrypted url not found by chatId 12025550101@c.us and idMessage 3EB0A1B2C3D4E5F60101"
    )


def test_9_a_file_above_100_mb_has_a_marker_for_a_link(client: Any) -> None:
    """``{{SWE002}}`` in the notification, and no link by downloadFile."""
    client.gateway.push(TOO_LARGE)
    assert link_in(client.receive()["body"]) == "{{SWE002}}"
    assert download(client, TOO_LARGE).status_code == 400


@pytest.mark.parametrize(
    ("headers", "ending"),
    [({"Content-Type": "image/png"}, ".png"), ({"GA-Filename": "report.xyz"}, "/report.xyz")],
)
def test_9_upload_file_takes_the_raw_body(client: Any, headers: dict[str, str], ending: str) -> None:
    """The type or the name stands in a header; the answer is ``{"urlFile": …}``."""
    answer = client.session.post(client.url("uploadFile"), data=b"\x00content", headers=headers).json()
    assert answer.keys() == {"urlFile"}
    assert answer["urlFile"].endswith(ending)
    assert requests.get(answer["urlFile"], timeout=20).content == b"\x00content"


@pytest.mark.parametrize(("product", "days"), [("whatsapp", 15), ("v3", 15), ("telegram", 1)])
def test_9_an_uploaded_file_is_kept_as_long_as_the_product_keeps_it(
    emulate: Any, product: str, days: int
) -> None:
    """15 days, on Telegram 24 hours."""
    client = emulate(type_instance=product)
    url = client.session.post(client.url("uploadFile"), data=b"x").json()["urlFile"]
    client.gateway.advance(days * DAY - HOUR)
    assert requests.get(url, timeout=20).status_code == 200
    client.gateway.advance(2 * HOUR)
    assert requests.get(url, timeout=20).status_code in (403, 404)


def test_9_media_answers_head_and_ranges(client: Any) -> None:
    """Inferred from the recorded storage hosts: HEAD tells the length, a range brings a part."""
    link = link_in(incoming(client))
    whole = requests.get(link, timeout=20).content
    head = requests.head(link, timeout=20)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "1000", b"")
    part = requests.get(link, headers={"Range": "bytes=10-19"}, timeout=20)
    assert (part.status_code, part.content) == (206, whole[10:20])
