"""No answer takes more memory or time than it is worth, whoever sends it."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_green_notify.errors import (
    GreenApiError,
    GreenApiPayloadError,
    GreenApiResponseError,
    GreenApiTransportError,
)
from airflow_green_notify.hooks import GreenApiHook, requests_session
from airflow_green_notify.protocol import call
from airflow_green_notify.protocol.calls import sending

SHORT = 0.05
MIB = 1024**2
LASTS = 20.0
"""Seconds after which an endless answer ends all the same, so that a test without bounds ends too."""

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def hook(make_hook: Any) -> GreenApiHook:
    return make_hook(max_attempts=1)


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's time is over after about a second."""
    monkeypatch.setattr(call, "READ_TIMEOUT", 1.0)


# --- too slow ---


def endless(piece: bytes, head: bytes = b"", pause: float = 0.0) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        ends = time.monotonic() + LASTS
        yield head
        while time.monotonic() < ends:
            yield piece
            time.sleep(pause)

    return pieces


SLOW: dict[str, Callable[[], Iterator[bytes]]] = {
    "a byte now and then": endless(b" ", b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", 0.1),
    "a byte of the status line": endless(b"H", pause=0.1),
    "a header now and then": endless(b"A: b\r\n", b"HTTP/1.1 200 OK\r\n", 0.1),
    "a chunk now and then": endless(b"1\r\n \r\n", CHUNKED, 0.1),
    "100 Continue now and then": endless(b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.1),
    "100 Continue for ever": endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000),
    "a trailer for ever": endless(b"A: b\r\n" * 10, CHUNKED + b"0\r\n", 0.1),
    "a refusal, byte by byte": endless(
        b"x", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 60000\r\n\r\n", 0.1
    ),
}


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("reply", SLOW.values(), ids=SLOW)
async def test_answer_that_never_ends_is_given_up(
    ask: Any, hook: Any, connect: Any, listen: Any, reply: Any
) -> None:
    """The time is for the whole answer, not for each byte of it."""
    connect(listen(reply).url)
    began = time.monotonic()
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)
    assert time.monotonic() - began < LASTS / 2


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that answers no attempt to connect, on every address of this machine."""
    with socket.socket() as deaf:
        deaf.bind(("", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", address[1]))
        yield address[1]
        for each in waiting:
            each.close()


@pytest.mark.usefixtures("_soon")
async def test_host_of_many_silent_addresses_is_given_up(
    ask: Any, hook: Any, connect: Any, deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time to connect is for all addresses of a name together."""
    monkeypatch.setattr(requests_session, "CONNECT_TIMEOUT", 1.0)
    monkeypatch.setattr(requests_session, "MIN_CONNECT_TIMEOUT", 0.2)
    look_up = socket.getaddrinfo

    def many(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "many.example.org":
            return look_up(host, port, *args, **kwargs)
        family, kind, protocol, _, _ = look_up("127.0.0.1", port, type=socket.SOCK_STREAM)[0]
        return [(family, kind, protocol, "", (f"127.0.1.{number}", deaf_port)) for number in range(1, 100)]

    monkeypatch.setattr(socket, "getaddrinfo", many)
    connect(f"http://many.example.org:{deaf_port}")
    began = time.monotonic()
    with pytest.raises(GreenApiTransportError, match=r"(?i)timeout"):
        await ask(hook, "receive_notification", SHORT)
    assert time.monotonic() - began < LASTS / 2


@pytest.mark.usefixtures("_soon")
async def test_upload_that_nobody_takes_is_given_up(
    ask: Any, hook: Any, connect: Any, listen: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that reads a file byte by byte doesn't hold the sender for days."""
    monkeypatch.setattr(sending, "FILE_HOLD", 0.0)
    monkeypatch.setattr(call, "SLOWEST_UPLOAD", 100 * MIB)

    def sip(connection: Any) -> None:
        ends = time.monotonic() + LASTS
        while time.monotonic() < ends and connection.rfile.read(1000):
            time.sleep(0.01)

    (tmp_path / "a.bin").write_bytes(bytes(50 * MIB))
    connect(listen(taker=sip).url)
    began = time.monotonic()
    with pytest.raises(GreenApiTransportError, match="may have had its effect"):
        await ask(hook, "send_file", "1@c.us", tmp_path / "a.bin")
    assert time.monotonic() - began < LASTS / 2


# --- too much ---


def spaces_in_gzip(mebibytes: int) -> bytes:
    return gzip.compress(b" " * MIB, 9) * mebibytes


def body_of(kind: bytes, head: str) -> Callable[[], Iterator[bytes]]:
    """An answer of a gibibyte, without a length."""

    def pieces() -> Iterator[bytes]:
        yield f"HTTP/1.1 {head}\r\n\r\n".encode()
        yield from itertools.repeat(kind * MIB, 1024)

    return pieces


def chunks() -> Iterator[bytes]:
    yield CHUNKED
    while True:
        yield b"100000\r\n" + b" " * MIB + b"\r\n"


def chunk_without_end() -> Iterator[bytes]:
    yield CHUNKED + b"1;"
    yield from itertools.repeat(b"x" * MIB, 1024)


def valid_json(mebibytes: int) -> bytes:
    entry = json.dumps({"typeWebhook": "incomingMessageReceived", "ids": [1, 2, 3, None, "text"]}).encode()
    entries = b",".join([entry] * (mebibytes * MIB // len(entry)))
    return b'{"receiptId": 1, "body": {"a": [' + entries + b"]}}"


@pytest.fixture(scope="module")
def huge(request: pytest.FixtureRequest) -> dict[str, Any]:
    packed = spaces_in_gzip(1024)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    json_48 = valid_json(48)
    return {
        "gzip of spaces": head + packed,
        "identity": body_of(b" ", "200 OK"),
        "chunks": chunks,
        "48 MB of JSON": f"HTTP/1.1 200 OK\r\nContent-Length: {len(json_48)}\r\n\r\n".encode() + json_48,
    }


HUGE = ("gzip of spaces", "identity", "chunks", "48 MB of JSON")


@pytest.mark.parametrize("kind", HUGE)
async def test_answer_of_a_size_that_no_gateway_sends_is_a_payload_error(
    ask: Any, hook: Any, connect: Any, listen: Any, huge: Any, kind: str
) -> None:
    """It is not read to its end, also if it came compressed."""
    connect(listen(huge[kind]).url)
    with pytest.raises(GreenApiPayloadError, match=r"more than (8 MiB|200,000 values).*host"):
        await ask(hook, "receive_notification", SHORT)


async def test_chunk_of_endless_description_is_a_transport_error(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands before a chunk is neither kept nor waited for."""
    monkeypatch.setattr(call, "READ_TIMEOUT", 5.0)
    connect(listen(chunk_without_end).url)
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)


@pytest.mark.parametrize("coding", ["", "\r\nContent-Encoding: gzip"], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("status", "words"),
    [("401 Unauthorized", "the token is wrong"), ("302 Found\r\nLocation: http://127.0.0.1:1/", "redirects")],
    ids=["401", "302"],
)
async def test_refusal_of_a_gibibyte_is_still_that_refusal(
    ask: Any, hook: Any, connect: Any, listen: Any, coding: str, status: str, words: str
) -> None:
    """Of a refusal, the first words are enough to tell which it is, and the rest isn't even waited for."""
    body = spaces_in_gzip(1024) if coding else b"x" * MIB
    reply = f"HTTP/1.1 {status}\r\nContent-Length: 1073741824{coding}\r\n\r\n".encode() + body
    listener = listen(reply, ...)
    connect(listener.url)
    with pytest.raises(GreenApiResponseError, match=words):
        await ask(hook, "receive_notification", SHORT)
    assert len(listener.requests) == 1


async def test_refusal_with_a_long_page_keeps_its_first_words(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """Beyond 64 KiB the rest of a refusal is left unread, and what was read counts."""
    text = b"instance in starting process try later" + b" " * 200_000
    connect(listen(listen.answer(text, "400 Bad Request")).url)
    with pytest.raises(GreenApiError, match="the instance is starting"):
        await ask(hook, "receive_notification", SHORT)


async def test_answer_of_too_many_values_is_a_payload_error(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """JSON grows when it is read: a few megabytes of brackets would take hundreds, and hold the thread."""
    body = b'{"receiptId":1,"body":[' + b"[]," * 2_000_000 + b"[]]}"
    connect(listen(listen.answer(body)).url)
    with pytest.raises(GreenApiPayloadError, match=r"more than 200,000 values"):
        await ask(hook, "receive_notification", SHORT)


@pytest.mark.parametrize("text", ["," * 65_536, "[" * 65_536, "я" * 2_000_000, '{"a":[1,2]},' * 20_000])
async def test_text_of_a_chat_is_never_too_much(
    ask: Any, hook: Any, connect: Any, listen: Any, text: str
) -> None:
    """Nothing that somebody writes into a chat makes an answer that is refused."""
    answer = {"receiptId": 1, "body": {"text": text, "caption": text}}
    connect(listen(listen.answer(json.dumps(answer, ensure_ascii=False).encode())).url)
    assert (await ask(hook, "receive_notification", SHORT)).body == answer["body"]


@pytest.mark.parametrize("method", ["last_incoming_messages", "show_messages_queue"])
async def test_list_of_many_messages_is_read(
    ask: Any, hook: Any, connect: Any, listen: Any, method: str
) -> None:
    """A day of a busy instance has more values and bytes than any notification."""
    entry = {"type": "incoming", "idMessage": "3EB0", "timestamp": 1790409607, "chatId": "1@c.us", "a": None}
    connect(listen(listen.answer(json.dumps([entry] * 80_000).encode())).url)
    assert len(await ask(hook, method)) == 80_000


# --- compression ---


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP", "deflate"])
async def test_compression_is_undone(ask: Any, hook: Any, connect: Any, listen: Any, name: str) -> None:
    """By each name that it goes by."""
    import zlib

    plain = json.dumps({"receiptId": 1, "body": {"a": "text " * 200_000}}).encode()
    packed = zlib.compress(plain) if name == "deflate" else gzip.compress(plain)
    connect(listen(listen.answer(packed, Content_Encoding=name)).url)
    assert (await ask(hook, "receive_notification", SHORT)).body == {"a": "text " * 200_000}


async def test_compression_in_several_members_is_undone(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """Members of gzip may follow each other, and zeros the last."""
    plain = json.dumps({"receiptId": 1, "body": {"a": "text " * 1000}}).encode()
    packed = b"".join(map(gzip.compress, pieces_of(plain, 100))) + bytes(512)
    connect(listen(listen.answer(packed, Content_Encoding="gzip")).url)
    assert (await ask(hook, "receive_notification", SHORT)).body == {"a": "text " * 1000}


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, gzip"])
async def test_compression_that_is_cut_or_was_not_asked_for_is_a_transport_error(
    ask: Any, hook: Any, connect: Any, listen: Any, coding: str
) -> None:
    """What can't be unpacked as a whole is an answer that didn't arrive."""
    packed = gzip.compress(b'{"receiptId":1,"body":{}}')[:-9]
    connect(listen(listen.answer(packed, Content_Encoding=coding)).url)
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)


async def test_empty_answer_may_be_said_to_be_compressed(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """Nothing stays nothing."""
    connect(listen(listen.answer(b"", Content_Encoding="gzip")).url)
    assert await ask(hook, "receive_notification", SHORT) is None


# --- memory, and the event loop ---

GROWTH = """
import asyncio, json, re, sys
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook, requests_session
from airflow_green_notify.hooks import aiohttp_transport, requests_transport
from airflow_green_notify.protocol import call

call.READ_TIMEOUT = 5.0

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

async def ask(side):
    async with GreenApiHook(max_attempts=1) as hook:
        try:
            if side == "async":
                await hook.areceive_notification(0.1)
            else:
                hook.receive_notification(0.1)
        except GreenApiError as error:
            return type(error).__name__
        finally:
            hook.close()

asyncio.run(ask(sys.argv[1]))
before = peak()
told = [asyncio.run(ask(sys.argv[1])) for _ in range(int(sys.argv[2]))]
print("\\n" + json.dumps({"grew": peak() - before, "told": told}))
"""


@pytest.mark.parametrize("side", ["sync", "async"])
@pytest.mark.slow
def test_gibibyte_takes_less_than_100_mib_of_memory(
    connect: Any, listen: Any, huge: dict[str, Any], side: str
) -> None:
    """In whichever way it is sent."""
    refusal = body_of(b"x", "502 Bad Gateway\r\nContent-Length: 1073741824")
    redirect = huge["gzip of spaces"].replace(b"200 OK", b"302 Found\r\nLocation: http://127.0.0.1:1/")
    connect(listen(listen.answer(), *huge.values(), refusal, redirect, chunk_without_end).url)
    ended = subprocess.run(
        [sys.executable, "-c", GROWTH, side, "7"], capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    refused = ["GreenApiUnavailableError", "GreenApiResponseError", "GreenApiTransportError"]
    assert seen["told"] == ["GreenApiPayloadError"] * 4 + refused
    assert seen["grew"] < 100


class Watchdog:
    """Measures for how long at most an event loop was kept from everything else, in seconds.

    Only while this process computes, that is: another one may have the processor for a while.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        last = self._clocks()
        while True:
            await asyncio.sleep(0.001)
            now = self._clocks()
            self.longest = max(self.longest, min(now[0] - last[0], now[1] - last[1]))
            last = now

    @staticmethod
    def _clocks() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def large_notification() -> bytes:
    """As large as is read, of which half is text, and as many values."""
    values = [{"id": number, "text": "я" * 14} for number in range(66_000)]
    body = {"values": values, "text": "x" * 4 * MIB}
    return json.dumps({"receiptId": 1, "body": body}, ensure_ascii=False).encode()


@pytest.mark.parametrize("count", [1, 5])
async def test_a_few_interim_answers_are_read_over(
    ask: Any, hook: Any, connect: Any, listen: Any, count: int
) -> None:
    """HTTP allows them before any answer, on one connection again and again."""
    interim = b"HTTP/1.1 100 Continue\r\nLink: </x>\r\n\r\n" * count
    listener = listen(interim + listen.answer(b'{"receiptId":1,"body":{}}'))
    connect(listener.url)
    for _ in range(20):
        assert (await ask(hook, "receive_notification", SHORT)).receipt_id == 1
    assert listener.connections == 1


async def test_flood_of_interim_answers_leaves_the_event_loop_free(
    hook: Any, connect: Any, listen: Any
) -> None:
    """It is cut short, not waited out."""
    connect(listen(SLOW["100 Continue for ever"]).url)
    began = time.monotonic()
    with pytest.raises(GreenApiTransportError):
        await hook.areceive_notification(SHORT)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", [*HUGE, "large notification"])
async def test_answer_of_any_size_leaves_the_event_loop_free(
    hook: Any, connect: Any, listen: Any, huge: dict[str, Any], kind: str
) -> None:
    """Reading, unpacking, parsing and hashing hold up the triggers beside it for no longer than a blink.

    Measured alone it is below 50 ms; the bound here is for a machine that does other things too.
    """
    reply = listen.answer(large_notification()) if kind == "large notification" else huge[kind]
    connect(listen(listen.answer(), reply).url)
    await hook.areceive_notification(SHORT)
    watchdog = Watchdog()
    watching = asyncio.create_task(watchdog.run())
    try:
        assert (await hook.areceive_notification(SHORT)).receipt_id == 1
    except GreenApiPayloadError:
        assert kind in HUGE
    watching.cancel()
    assert watchdog.longest < 1.0
