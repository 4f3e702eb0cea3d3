"""The index of closed keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.stores.object_storage import closed_keys
from airflow_green_notify.stores.object_storage.closed_keys import ClosedKeys
from tests.stores.dying_files import Died, DyingFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    files = LocalFiles(str(tmp_path))
    files.prepare()
    return files


def at(day: int, monkeypatch: pytest.MonkeyPatch) -> None:
    date = datetime.now(UTC).date() + timedelta(days=day)
    monkeypatch.setattr(closed_keys, "_today", lambda: date)


@pytest.mark.parametrize(("closed", "known"), [(0, True), (-1, True), (-2, True), (-3, False)])
def test_keys_of_the_last_three_dates_are_known(
    files: LocalFiles, closed: int, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway repeats nothing older than a day, so older closings need no look."""
    at(closed, monkeypatch)
    ClosedKeys(files).add(["a"])
    at(0, monkeypatch)
    assert ("a" in ClosedKeys(files)) is known


def test_drain_that_runs_over_midnight_sees_both_days(
    files: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others close after midnight is found by a drain that was opened before it."""
    at(-1, monkeypatch)
    keys = ClosedKeys(files)
    assert "a" not in keys
    at(0, monkeypatch)
    ClosedKeys(files).add(["a"])
    assert "a" not in keys
    keys.refresh()
    assert "a" in keys


def test_days_of_many_files_are_merged_without_losing_a_key(files: LocalFiles) -> None:
    """However many batches a day closes, the index stays a handful of files, and whole at any moment."""

    def close(number: int) -> None:
        keys = ClosedKeys(files)
        keys.add([f"key-{number}"])
        keys.refresh()
        assert f"key-{number}" in keys
        keys.merge()

    with ThreadPoolExecutor(3) as drains:
        list(drains.map(close, range(150)))
    keys = ClosedKeys(files)
    assert all(f"key-{number}" in keys for number in range(150))
    (day,) = files.names("keys")
    assert len(files.names(f"keys/{day}")) <= closed_keys._FILES_PER_DAY + 3


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
def test_merge_that_dies_at_any_operation_loses_no_key(
    tmp_path: Path, after_effect: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole is there before a piece goes."""
    monkeypatch.setattr(closed_keys, "_FILES_PER_DAY", 3)
    for operations in range(20):
        files = LocalFiles(str(tmp_path / str(operations)))
        files.prepare()
        for number in range(4):
            ClosedKeys(files).add([f"key-{number}"])
        with suppress(Died):
            ClosedKeys(DyingFiles(files, operations, after_effect)).merge()
        keys = ClosedKeys(files)
        assert all(f"key-{number}" in keys for number in range(4))


def test_day_merged_between_listing_and_reading_is_listed_again(files: LocalFiles, tmp_path: Path) -> None:
    """Who finds a listed piece gone, since another drain merged the day, looks for the whole."""
    for number in range(closed_keys._FILES_PER_DAY + 1):
        ClosedKeys(files).add([f"key-{number}"])

    class MergedMeanwhile(LocalFiles):
        merged = False

        def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
            if not self.merged:
                self.merged = True
                ClosedKeys(files).merge()
            return super().read(names)

    assert "key-7" in ClosedKeys(MergedMeanwhile(str(tmp_path)))


def test_index_is_read_only_when_a_key_is_asked_for(tmp_path: Path) -> None:
    """A drain of an empty queue costs no look at the index."""

    class Unreadable(LocalFiles):
        def names(self, folder: str) -> list[str]:
            raise AssertionError(folder)

    ClosedKeys(Unreadable(str(tmp_path)))
