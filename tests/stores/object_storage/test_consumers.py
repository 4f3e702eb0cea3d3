"""How far consumers have read, saved by who knows the last version, whoever stands still meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.files.local import LocalFiles
from airflow_green_notify.stores.object_storage.consumers import FileConsumers
from airflow_green_notify.stores.stream import Consumer
from tests.stores.freezing_files import FreezingFiles


@pytest.fixture
def new_files(tmp_path: Path) -> Callable[[], LocalFiles]:
    numbers = itertools.count()

    def make() -> LocalFiles:
        files = LocalFiles(str(tmp_path / str(next(numbers))))
        files.prepare()
        return files

    return make


def saved(consumers: FileConsumers, times: int, name: str = "billing") -> Consumer:
    """Save a consumer, or save it on, and return it as it is then."""
    for _ in range(times):
        known = consumers.get(name) or Consumer(name, 0)
        assert consumers.save(replace(known, position=known.position + 1))
    found = consumers.get(name)
    assert found is not None
    return found


def test_any_name_is_a_consumer(new_files: Callable[[], LocalFiles]) -> None:
    """None leads elsewhere, and each is given back as it was."""
    consumers = FileConsumers(new_files())
    names = ["billing", "../../etc", "a/b", "a b", "\u043e\u0442\u0447\u0451\u0442", "0-0", "x" * 300]
    for name in names:
        assert consumers.save(Consumer(name, 3, 5, "me"))
    assert [each.name for each in consumers.all()] == sorted(names)
    assert [(each.position, each.page_end, each.reader) for each in consumers.all()] == [(3, 5, "me")] * 7


@pytest.mark.parametrize("times", [1, 2, 3, 7])
def test_save_that_stands_still_is_too_late(new_files: Callable[[], LocalFiles], times: int) -> None:
    """At whichever operation it stands still while others save, what they saved is what counts."""
    for operations in itertools.count():
        files = new_files()
        known = saved(FileConsumers(files), 5)

        def meanwhile(files: LocalFiles = files) -> None:
            saved(FileConsumers(files), times)

        freezing = FreezingFiles(files, operations, meanwhile)
        is_saved = FileConsumers(freezing).save(replace(known, position=100))
        last = FileConsumers(files).get("billing")
        assert last is not None
        if not freezing.froze:
            break
        # It came before all of the others, or not at all.
        assert last.position == (100 if is_saved else 5) + times
        assert last.version == 5 + is_saved + times
    assert operations > 3


def test_save_that_stands_still_brings_no_forgotten_one_back(new_files: Callable[[], LocalFiles]) -> None:
    """Nor does it touch the one that has its name by now."""
    for operations, begins_anew in itertools.product(range(8), (False, True)):
        files = new_files()
        known = saved(FileConsumers(files), 3)

        def meanwhile(files: LocalFiles = files, begins_anew: bool = begins_anew) -> None:
            assert FileConsumers(files).forget("billing")
            if begins_anew:
                saved(FileConsumers(files), 2)

        freezing = FreezingFiles(files, operations, meanwhile)
        FileConsumers(freezing).save(replace(known, position=100))
        if freezing.froze:
            found = FileConsumers(files).get("billing")
            assert (found and found.position) == (2 if begins_anew else None)


def test_save_whose_answer_was_lost_is_known_as_saved(new_files: Callable[[], LocalFiles]) -> None:
    """A bucket that is asked again says that the name is taken."""

    class Forgetful(LocalFiles):
        def create(self, name: str, chunks: Any) -> bool:
            return super().create(name, chunks) and False

    files = new_files()
    assert FileConsumers(Forgetful(files._root)).save(Consumer("billing", 7))
    assert not FileConsumers(Forgetful(files._root)).save(Consumer("billing", 8))


def test_of_many_that_save_the_same_version_one_does(new_files: Callable[[], LocalFiles]) -> None:
    """Each of eight threads adds one, ten times, and nothing is lost; no more than two files are left."""
    files = new_files()
    saved(FileConsumers(files), 1)
    failures: list[BaseException] = []

    def add() -> None:
        try:
            consumers, added = FileConsumers(files), 0
            while added < 10:
                known = consumers.get("billing")
                assert known is not None
                reader = f"{threading.current_thread().name} {added}"  # or two would save the same
                added += consumers.save(replace(known, position=known.position + 1, reader=reader))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    last = FileConsumers(files).get("billing")
    assert last is not None
    assert last.position == last.version
    assert last.position >= 81
    assert len(files.names("consumers/billing")) <= 3
