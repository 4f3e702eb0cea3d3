"""Words that others wrote forge no log line, steer no terminal, and are never long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify import batches, doctor, errors
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.errors import GreenApiError, GreenApiResponseError, GreenApiUnavailableError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.printable import NAME, TEXT, printable
from airflow_green_notify.stores import ObjectStorageStore
from airflow_green_notify.triggers import GreenApiDoorbellTrigger

HOSTILE = "a\nlevel=error\r\x1b[2J\x07\u202eevil\u2066\u2028\ud800\0\x85 b"
SHOWN = r"a\nlevel=error\r\x1b[2J\x07\u202eevil\u2066\u2028\ud800\x00\x85 b"


def kinds_of_error(kind: type[GreenApiError]) -> list[type[GreenApiError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in kinds_of_error(below))]


def test_printable_escapes_what_steers_and_keeps_what_is_read() -> None:
    """Letters of any script, digits, signs and emoji stay as they are."""
    assert printable(HOSTILE) == SHOWN
    legible = "Привет, 你好, שלום \U0001f600 {{ x }} %s 'quoted' \"too\" C:\\n"
    assert printable(legible) == legible
    assert printable(None) == "None"


@pytest.mark.parametrize("words", ["x" * 5_000_000, "\n" * 5_000_000, "x" * NAME, "x" * (NAME + 1)])
def test_printable_is_never_longer_than_its_limit(words: str) -> None:
    """What is cut ends in a sign that says so."""
    shown = printable(words, NAME)
    assert len(shown) <= NAME
    assert shown.endswith("…") is (len(words) > NAME)


@pytest.mark.parametrize("kind", kinds_of_error(errors.GreenApiError), ids=lambda kind: kind.__name__)
def test_text_of_every_error_is_one_printable_line(kind: type[GreenApiError]) -> None:
    """Whoever raises it may quote what came; the class sees to it."""
    if kind.__init__ in (GreenApiError.__init__, GreenApiResponseError.__init__):
        assert str(kind(HOSTILE)) == SHOWN
        assert len(str(kind("x" * 5_000_000))) == TEXT
    if issubclass(kind, GreenApiResponseError):
        assert kind("text", reason=HOSTILE).reason == SHOWN


@pytest.mark.parametrize("body", [HOSTILE.replace("\ud800", ""), "x" * 60_000], ids=["hostile", "long"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 466, 500])
def test_refusal_of_the_gateway_is_told_in_one_short_line(
    status: int, body: str, green_api_connection: GreenApiEmulator
) -> None:
    """As plain text or as JSON, in the error and in its reason."""
    for words in (body, json.dumps({"code": 400, "message": body})):
        green_api_connection.fault("status", status=status, body=words, method="getStateInstance")
        with GreenApiHook(max_attempts=1) as hook, pytest.raises(GreenApiError) as raised:
            hook.get_state_instance()
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 1_000
        assert getattr(raised.value, "reason", "").isprintable()


def test_queue_that_is_not_cleared_is_told_in_one_line(green_api_connection: GreenApiEmulator) -> None:
    """Here the gateway's reason comes with a good answer."""
    answer = json.dumps({"isCleared": False, "reason": HOSTILE + "x" * 60_000})
    green_api_connection.fault("status", status=200, body=answer, method="clearWebhooksQueue")
    with GreenApiHook(max_attempts=1) as hook, pytest.raises(GreenApiUnavailableError) as raised:
        hook.clear_webhooks_queue()
    assert str(raised.value).isprintable()
    assert raised.value.reason.isprintable()
    assert len(raised.value.reason) <= 500


def test_repr_of_a_notification_is_one_short_line() -> None:
    """It stands in many log lines."""
    assert repr(Notification(1, {"typeWebhook": HOSTILE})).isprintable()
    assert len(repr(Notification(1, {"typeWebhook": "x" * 5_000_000}))) < 300


def spoil_state(gateway: GreenApiEmulator) -> None:
    answer = json.dumps({"stateInstance": HOSTILE + "x" * 60_000})
    gateway.fault("status", status=200, body=answer, method="getStateInstance")


def spoil_refusal(gateway: GreenApiEmulator) -> None:
    body = HOSTILE.replace("\ud800", "") + "x" * 60_000
    gateway.fault("status", status=400, body=body, method="getSettings")


def spoil_kind(gateway: GreenApiEmulator) -> None:
    gateway.push({"typeWebhook": HOSTILE + "x" * 60_000})


def spoil_kind_with_a_timestamp(gateway: GreenApiEmulator) -> None:
    gateway.push({"typeWebhook": HOSTILE + "x" * 60_000, "timestamp": 1})


@pytest.mark.parametrize(
    "spoil", [spoil_state, spoil_refusal, spoil_kind, spoil_kind_with_a_timestamp], ids=lambda f: f.__name__
)
def test_doctor_prints_nothing_that_steers_the_terminal(
    spoil: Callable[[GreenApiEmulator], None],
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each finding is a line, whatever the gateway or a chat says."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    spoil(green_api_connection)
    green_api_connection.push({"typeWebhook": "incomingMessageReceived"})  # an empty queue is waited for
    with pytest.raises(SystemExit):
        doctor.main([])
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    assert "\\x1b" in printed
    assert len(printed) < 3_000


def test_batches_prints_nothing_that_steers_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever triggers a run may choose its id."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    with ObjectStorageStore(tmp_path).open(f"dag/{HOSTILE}/drain/-1", HOSTILE) as opened:
        opened.put(Notification(1, {"a": 1}))
    with pytest.raises(SystemExit):
        batches.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.rstrip("\n").isprintable()
    assert SHOWN in printed


async def test_ring_carries_no_long_kind(green_api_connection: GreenApiEmulator) -> None:
    """Airflow keeps an asset event for long, and logs it whole."""
    green_api_connection.push({"typeWebhook": "x" * 5_000_000})
    rings: Any = GreenApiDoorbellTrigger(receive_timeout=5).run()
    event = await asyncio.wait_for(anext(rings), 30)
    await rings.aclose()
    assert len(json.dumps(event.payload)) < 500
