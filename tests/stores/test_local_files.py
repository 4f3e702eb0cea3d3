"""Files of a local folder: whole or not there, and on the disk before anybody relies on them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_green_notify.stores.local_files import LocalFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    files = LocalFiles(str(tmp_path / "deep" / "store"))
    files.prepare()
    return files


@pytest.fixture
def disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the disk, in order; each call is really made."""
    calls: list[str] = []
    sync, link, unlink = os.fsync, os.link, os.unlink

    def noted_sync(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        calls.append(f"sync {'folder' if os.path.isdir(path) else 'file'} {os.path.basename(path)}")
        sync(handle)

    def noted_link(source: str, target: str) -> None:
        calls.append(f"link {os.path.basename(target)}")
        link(source, target)

    def noted_unlink(path: str) -> None:
        calls.append(f"unlink {os.path.basename(path)}")
        unlink(path)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "link", noted_link)
    monkeypatch.setattr(os, "unlink", noted_unlink)
    return calls


def test_create_hands_content_and_name_to_the_disk_in_that_order(
    files: LocalFiles, disk_calls: list[str]
) -> None:
    """The content is on the disk before the name appears, and the name is before create returns."""
    files.create("draining/first", [b"1"])
    disk_calls.clear()
    assert files.create("draining/name", [b"content"])
    temporary = disk_calls[0].rpartition(" ")[2]
    assert disk_calls == [
        f"sync file {temporary}",
        "link name",
        f"unlink {temporary}",
        "sync folder draining",
    ]


def test_create_new_folders_are_on_the_disk_too(files: LocalFiles, disk_calls: list[str]) -> None:
    """Each new folder is durable in the one above it before something is put into it."""
    files.create("a/b/name", [b""])
    assert disk_calls[:2] == ["sync folder store", "sync folder a"]
    assert disk_calls[-1] == "sync folder b"


def test_create_taken_name_leaves_the_file_and_makes_it_durable(
    files: LocalFiles, disk_calls: list[str]
) -> None:
    """Who relies on another's file makes sure that it doesn't vanish in a power cut."""
    files.create("name", [b"first"])
    disk_calls.clear()
    assert files.create("name", [b"second"]) is False
    assert disk_calls == ["sync folder store"]
    assert list(files.read(["name"])) == [("name", b"first")]


def test_create_that_fails_leaves_nothing(files: LocalFiles) -> None:
    """A failure in the middle of a file leaves neither the name nor a fragment, and the name stays free."""

    def failing() -> Iterator[bytes]:
        yield b"half"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        files.create("name", failing())
    assert files.names("") == [".writing"]
    assert files.names(".writing") == []
    assert files.create("name", [b"whole"])


def test_prepare_removes_only_old_fragments(files: LocalFiles, tmp_path: Path) -> None:
    """What a process killed a day ago left half-written goes; what another one may be writing stays."""
    fragments = tmp_path / "deep" / "store" / ".writing"
    for name, age in (("old", 90_000), ("new", 60)):
        (fragments / name).write_bytes(b"half")
        os.utime(fragments / name, (time.time() - age,) * 2)
    files.prepare()
    assert files.names(".writing") == ["new"]


def test_missing_files_and_folders_are_no_error(files: LocalFiles) -> None:
    """Reading says None, listing is empty, removing does nothing."""
    assert list(files.read(["nothing"])) == [("nothing", None)]
    assert files.names("nowhere") == []
    files.remove(["nothing"])


ENDLESS = """
import itertools, sys
from airflow_green_notify.stores.local_files import LocalFiles
files = LocalFiles(sys.argv[1])
files.prepare()
print("ready", flush=True)
for number in itertools.count():
    files.create(f"draining/{number}", [b"x" * 5000, b"end"])
"""


def test_killed_process_leaves_whole_files_only(tmp_path: Path) -> None:
    """Killed at any moment, a process leaves each name with its whole content or not at all."""
    for life in (0.05, 0.11, 0.23):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(life)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    files = LocalFiles(str(tmp_path))
    contents = [content for _, content in files.read(f"draining/{name}" for name in files.names("draining"))]
    assert contents
    assert set(contents) == {b"x" * 5000 + b"end"}
