"""A file on its way to the gateway."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import pytest

from airflow_green_notify.errors import GreenApiTransportError
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


async def test_async_sending_of_a_file_that_is_not_there_says_so(make_hook: Any, tmp_path: Path) -> None:
    """The error of opening comes through."""
    with pytest.raises(FileNotFoundError):
        await make_hook().asend_file(CHAT, tmp_path / "missing")
