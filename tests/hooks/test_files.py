"""A file on its way to the gateway."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec import AbstractFileSystem

from airflow_green_notify.errors import GreenApiConfigError, GreenApiTransportError
from airflow_green_notify.hooks import GreenApiHook

CHAT = "12025550101@c.us"


class WatchedPath(type(Path())):  # type: ignore[misc]
    """Notes whether an event loop stood still while it was looked at, opened or closed."""

    in_loop: list[str] = []  # noqa: RUF012 (for the test to read)
    opened: list[IO[bytes]] = []  # noqa: RUF012

    def _note(self, what: str) -> None:
        if asyncio._get_running_loop() is not None:
            self.in_loop.append(what)

    def open(self, *args: Any, **kwargs: Any) -> IO[Any]:
        self._note("open")
        stream = super().open(*args, **kwargs)
        self.opened.append(stream)
        return stream

    def stat(self, *args: Any, **kwargs: Any) -> Any:
        self._note("stat")
        return super().stat(*args, **kwargs)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WatchedPath:
    (tmp_path / "a.txt").write_text("content")
    monkeypatch.setattr(WatchedPath, "in_loop", [])
    monkeypatch.setattr(WatchedPath, "opened", [])
    return WatchedPath(tmp_path / "a.txt")


@pytest.mark.parametrize("fault", [None, "cut_before"])
async def test_async_sending_opens_and_closes_the_file_beside_the_event_loop(
    make_hook: Any, gateway: Any, path: WatchedPath, fault: str | None
) -> None:
    """A folder on a network, or a bucket, would hold up every other trigger."""
    hook: GreenApiHook = make_hook(max_attempts=1)
    if fault:
        gateway.fault(fault)
    with pytest.raises(GreenApiTransportError) if fault else nullcontext():
        await hook.asend_file(CHAT, path)
    assert [item["size"] for item in gateway.sent()] == ([] if fault else [7])
    assert path.in_loop == []
    assert [stream.closed for stream in path.opened] == [True]


class Heart:
    """Beats in an event loop."""

    def __init__(self) -> None:
        self._beat = threading.Event()
        self.stops: list[str] = []

    def wait_for_beat(self, what: str) -> None:
        """Return at the next beat; an event loop that waits here has no next one."""
        self._beat.clear()
        if asyncio._get_running_loop() is not None or not self._beat.wait(10):
            self.stops.append(what)

    async def beat(self) -> None:
        while True:
            self._beat.set()
            await asyncio.sleep(0.01)


class SlowFile(io.BytesIO):
    """Takes until the next beat for each piece, and for its end."""

    def __init__(self, heart: Heart) -> None:
        super().__init__(b"content" * 20_000)
        self._heart = heart

    def read(self, size: int | None = -1, /) -> bytes:
        self._heart.wait_for_beat("read")
        return super().read(size)

    def close(self) -> None:
        if not self.closed:
            self._heart.wait_for_beat("close")
        super().close()


class SlowBucket(AbstractFileSystem):
    """A bucket at the end of a line so long that an event loop beats before anything is answered."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.heart = Heart()
        self.opened: list[SlowFile] = []

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        self.heart.wait_for_beat("info")
        return {"name": path, "size": 140_000, "type": "file"}

    def open(self, path: str, *args: Any, **kwargs: Any) -> SlowFile:
        self.heart.wait_for_beat("open")
        self.opened.append(SlowFile(self.heart))
        return self.opened[-1]


async def test_async_sending_from_a_slow_bucket_lets_the_event_loop_beat(
    make_hook: Any, gateway: Any
) -> None:
    """Other triggers go on while a bucket takes its time to look up, open, read and close a file."""
    bucket = SlowBucket()
    attach("memory", "slow", fs=bucket)
    beating = asyncio.create_task(bucket.heart.beat())
    await make_hook().asend_file(CHAT, ObjectStoragePath("memory:///a.txt", conn_id="slow"))
    beating.cancel()
    assert [item["size"] for item in gateway.sent()] == [140_000]
    assert bucket.heart.stops == []
    assert [file.closed for file in bucket.opened] == [True]


async def test_async_sending_of_a_file_that_is_not_there_says_so(make_hook: Any, tmp_path: Path) -> None:
    """The error of opening comes through."""
    with pytest.raises(FileNotFoundError):
        await make_hook().asend_file(CHAT, tmp_path / "missing")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_sending_what_is_no_file_is_refused_before_it_is_opened(
    ask: Any, make_hook: Any, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Nobody waits for ever for the writer of a pipe."""
    make(tmp_path / "odd")
    with pytest.raises(GreenApiConfigError, match="odd is not a regular file"):
        await ask(make_hook(), "send_file", CHAT, tmp_path / "odd")
