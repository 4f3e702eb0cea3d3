"""Files of a local folder: whole or not there, and on the disk before anybody relies on them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_green_notify.files.local import LocalFiles


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

    def noted_link(source: str, target: str, **folders: int) -> None:
        calls.append(f"link {os.path.basename(target)}")
        link(source, target, **folders)

    def noted_unlink(path: str, **folder: int) -> None:
        calls.append(f"unlink {os.path.basename(path)}")
        unlink(path, **folder)

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


def test_what_is_created_is_for_its_own_user_alone(files: LocalFiles, tmp_path: Path) -> None:
    """Chats are nobody else's business, whatever the umask of the worker."""
    old = os.umask(0)
    try:
        LocalFiles(str(tmp_path / "new" / "root")).prepare()
        files.create("a/b/name", [b"content"])
    finally:
        os.umask(old)
    modes = {path.name: stat.filemode(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes.pop("name") == "-rw-------"
    assert modes.keys() == {"new", "root", "deep", "store", ".writing", "a", "b"}
    assert set(modes.values()) == {"drwx------"}


OUTSIDE = ["/victim", "../victim", "a/../../victim", "a/..", "..", ".", "a//b", "a/", "./a", "a\\b", "a\0b"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_name_that_leads_elsewhere_is_refused(files: LocalFiles, tmp_path: Path, name: str) -> None:
    """Whatever asks for it: the place itself stays below its root."""
    (tmp_path / "deep" / "victim").write_bytes(b"old")
    if name.startswith("/"):
        name = str(tmp_path / "deep" / "victim")
    for ask in (
        lambda: files.create(name, [b"new"]),
        lambda: files.names(name),
        lambda: list(files.read([name])),
        lambda: files.open(name),
        lambda: files.ages([name]),
        lambda: files.create_all({"fine": b"new", name: b"new"}),
        lambda: files.names_below(name, ["folder"]),
        lambda: files.modified_since(name, datetime.now(UTC)),
        lambda: files.remove([name]),
    ):
        with pytest.raises(ValueError, match="may lead elsewhere"):
            ask()
    assert (tmp_path / "deep" / "victim").read_bytes() == b"old"


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_link_in_the_place_of_a_folder_is_refused(files: LocalFiles, tmp_path: Path, target: str) -> None:
    """Nothing is written, listed, read or removed behind it, whether or not there is anything."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "name").write_bytes(b"old")
    (tmp_path / "deep" / "store" / "draining").symlink_to(tmp_path / target)
    for ask in (
        lambda: files.create("draining/new", [b"new"]),
        lambda: files.names("draining"),
        lambda: list(files.read(["draining/name"])),
        lambda: files.modified_since("draining", datetime.now(UTC)),
        lambda: files.remove(["draining/name"]),
    ):
        with pytest.raises(OSError, match="symbolic link"):
            ask()
    assert [path.name for path in elsewhere.iterdir()] == ["name"]


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_link_in_the_place_of_a_file_is_refused(files: LocalFiles, tmp_path: Path, target: str) -> None:
    """Its name is not taken for one that is there: nothing of ours is."""
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "deep" / "store" / "name").symlink_to(tmp_path / target)
    for ask in (lambda: files.create("name", [b"new"]), lambda: files.open("name")):
        with pytest.raises(OSError, match="symbolic link"):
            ask()
    files.remove(["name"])
    assert (tmp_path / "elsewhere").read_bytes() == b"old"
    assert files.create("name", [b"new"])


def test_pipe_in_the_place_of_a_file_holds_nobody_up(files: LocalFiles, tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for without end."""
    os.mkfifo(tmp_path / "deep" / "store" / "name")
    assert list(files.read(["name"])) == [("name", b"")]
    with pytest.raises(OSError, match="doesn't make"):
        files.create("name", [b"new"])


def test_root_may_be_a_link(files: LocalFiles, tmp_path: Path) -> None:
    """Whoever named it in a Dag knows where it leads."""
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "store")
    linked = LocalFiles(str(tmp_path / "link"))
    linked.prepare()
    assert linked.create("a/name", [b"content"])
    assert list(files.read(["a/name"])) == [("a/name", b"content")]


ENDLESS = """
import itertools, sys
from airflow_green_notify.files.local import LocalFiles
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


def test_files_written_together_are_told_of_each(files: LocalFiles, tmp_path: Path) -> None:
    """New, taken, and barred by something else: what fails keeps nothing else from being written."""
    files.create("a/taken", [b"old"])
    (tmp_path / "deep" / "store" / "a" / "barred").mkdir()
    (tmp_path / "deep" / "store" / "b").symlink_to(tmp_path)
    names = ("a/new", "a/taken", "a/barred", "b/behind a link", "c/new", "a/last")
    outcomes = files.create_all({name: name.encode() for name in names})
    assert list(outcomes) == ["a/new", "a/taken", "a/barred", "a/last", "b/behind a link", "c/new"]
    assert [each for each in outcomes.values() if isinstance(each, bool)] == [True, False, True, True]
    assert isinstance(outcomes["a/barred"], OSError)
    assert isinstance(outcomes["b/behind a link"], OSError)
    assert dict(files.read(["a/new", "a/taken", "c/new"])) == {
        "a/new": b"a/new",
        "a/taken": b"old",
        "c/new": b"c/new",
    }
