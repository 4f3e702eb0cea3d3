"""The store of files: where they lie, and what goes wrong there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_green_notify.errors import NotificationStoreError
from airflow_green_notify.files.place import files_at, place_of
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, read_batch
from airflow_green_notify.stores.row import ROW_COLUMNS
from tests.servers import BUCKET
from tests.stores.conftest import body, some
from tests.stores.cutting_proxy import CuttingProxy
from tests.stores.sql.test_store import file_size_limited

RUN = "dag/manual__2026-11-23T06:24:00+00:00/group.drain/3"


def filled(store: NotificationStore, count: int = 3) -> dict[str, object]:
    with store.open(RUN) as opened:
        for notification in some(count):
            opened.put(notification)
    return opened.close()


def test_batch_is_one_file_of_lines_in_a_folder_of_its_ids(tmp_path: Path) -> None:
    """Other tools find a batch by Dag, run, task and map index, as lines of JSON in queue order."""
    batch = filled(ObjectStorageStore(tmp_path))
    (path,) = tmp_path.glob("batches/dag/manual__2026-11-23T06_24_00_00_00~*/group.drain/3/*")
    assert path == Path(str(batch["path"])) / "batch.ndjson"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["key"] for line in lines] == [n.key for n in some(3)]
    assert {line["batch_id"] for line in lines} == {RUN}


def test_closed_batch_leaves_no_single_objects(tmp_path: Path) -> None:
    """After closing there are the batch and its index, and nothing of the drain."""
    filled(ObjectStorageStore(tmp_path))
    assert not list(tmp_path.glob("draining/*"))
    assert not list(tmp_path.glob("opened/*"))
    assert len(list(tmp_path.glob("keys/*/*.txt"))) == 1


def test_exception_leaves_objects_and_no_batch_file(tmp_path: Path) -> None:
    """What a task that failed had stored waits for its retry as a crash would leave it."""

    def fail() -> None:
        with ObjectStorageStore(tmp_path).open(RUN) as opened:
            opened.put(some(1)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(list(tmp_path.glob("draining/*.json"))) == 1
    assert not list(tmp_path.glob("batches/**/*.ndjson"))


def test_parquet_has_flat_columns_and_the_body_as_json(tmp_path: Path) -> None:
    """A Parquet batch is a table of as_row, with batch id and note, that other tools can query."""
    pq = pytest.importorskip("pyarrow.parquet")
    batch = filled(ObjectStorageStore(tmp_path, format="parquet"))
    table = pq.read_table(Path(str(batch["path"])) / "batch.parquet")
    assert tuple(table.column_names) == ROW_COLUMNS
    assert [json.loads(text) for text in table["body"].to_pylist()] == [n.body for n in some(3)]
    assert table["received_at"].type.tz == "UTC"


def test_parquet_of_more_than_one_row_group_is_read_back(tmp_path: Path) -> None:
    """A large batch is written and read in pieces, and stays in order."""
    pytest.importorskip("pyarrow")
    batch = filled(ObjectStorageStore(tmp_path, format="parquet"), count=1203)
    assert [n.key for n in read_batch(batch)] == [n.key for n in some(1203)]


def test_batch_whose_format_was_changed_is_read_as_a_whole(tmp_path: Path) -> None:
    """A task cleared after its store's format was changed adds to what is there."""
    pytest.importorskip("pyarrow")
    filled(ObjectStorageStore(tmp_path), count=2)
    batch = filled(ObjectStorageStore(tmp_path, format="parquet"), count=4)
    assert [n.key for n in read_batch(batch)] == [n.key for n in some(4)]


def test_batch_of_several_blocks_on_s3_is_one_object(
    make_store: Callable[[str], NotificationStore],
) -> None:
    """A batch above the size of an upload's part arrives whole."""
    given = [Notification(n, body(n, text=f"{n}" * 900_000)) for n in range(10, 34)]
    with make_store("s3").open(RUN) as opened:
        for notification in given:
            opened.put(notification)
    assert [n.body for n in read_batch(opened.close())] == [n.body for n in given]


def test_failure_while_a_batch_is_written_to_s3_leaves_no_fragment(
    make_store: Callable[[str], NotificationStore],
) -> None:
    """An upload that breaks off leaves the name free, however much was sent."""
    store = make_store("s3")
    filled(store, count=1)
    files = files_at(str(store.path), "store_s3")  # type: ignore[attr-defined]

    def failing():  # type: ignore[no-untyped-def]
        yield b"x" * 9_000_000
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        files.create("name", failing())
    assert "name" not in files.names("")
    assert files.create("name", iter([b"whole"]))
    assert files.create("name", iter([b"again"])) is False
    assert [content for _, content in files.read(["name", "absent"])] == [b"whole", None]


def test_file_url_is_the_local_folder(tmp_path: Path) -> None:
    """A ``file://`` URL names a folder, with the durability of one."""
    batch = filled(ObjectStorageStore(f"file://{tmp_path}/a"))
    assert len(list(tmp_path.glob("a/batches/**/batch.ndjson"))) == 1
    assert [n.key for n in read_batch(batch)] == [n.key for n in some(3)]


def test_description_of_a_relative_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next task may run in another folder."""
    monkeypatch.chdir(tmp_path)
    batch = filled(ObjectStorageStore("landing"))
    monkeypatch.chdir("/")
    assert len(read_batch(batch)) == 3


def test_object_storage_path_with_its_connection_is_accepted(
    make_store: Callable[[str], NotificationStore],
) -> None:
    """An ObjectStoragePath brings its connection along, and so does user info in a URL."""
    from airflow.sdk import ObjectStoragePath

    path = make_store("s3").path  # type: ignore[attr-defined]
    places = [ObjectStoragePath(path, conn_id="store_s3"), path.replace("s3://", "s3://store_s3@")]
    for given in places:
        assert filled(ObjectStorageStore(given))["count"] == 3


def test_removed_batch_is_an_error_when_read(tmp_path: Path) -> None:
    """A batch whose files somebody removed isn't taken for an empty one."""
    batch = filled(ObjectStorageStore(tmp_path))
    os.unlink(Path(str(batch["path"])) / "batch.ndjson")
    with pytest.raises(NotificationStoreError, match="was it removed"):
        list(read_batch(batch))


def test_format_that_is_unknown_is_refused_in_the_dag(tmp_path: Path) -> None:
    """A typing error shows when the Dag is parsed."""
    with pytest.raises(ValueError, match="ndjson, parquet"):
        ObjectStorageStore(tmp_path, format="avro")  # type: ignore[arg-type]


def test_path_that_is_a_file_says_so(tmp_path: Path) -> None:
    """A path that can't be a folder is an error of the store that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotificationStoreError, match="file") as raised:
        ObjectStorageStore(tmp_path / "file" / "store").open(RUN)
    assert raised.value.retryable


def test_full_disk_is_an_error_and_the_put_after_it_works(tmp_path: Path) -> None:
    """What didn't fit isn't said to be stored and leaves no fragment; once there is room, it is stored."""
    large = Notification(1, body(1, text="x" * 500_000))
    with ObjectStorageStore(tmp_path).open(RUN) as opened:
        with file_size_limited(300_000), pytest.raises(NotificationStoreError, match="disk"):
            opened.put(large)
        assert not list(tmp_path.glob("draining/*"))
        assert opened.put(large) is True
    assert [n.body for n in read_batch(opened.close())] == [large.body]


def test_bucket_that_is_missing_says_to_create_it(
    make_store: Callable[[str], NotificationStore],
) -> None:
    """The error names the path and what to do."""
    make_store("s3")
    with pytest.raises(NotificationStoreError, match=r"no-such-bucket.*Create the bucket"):
        filled(ObjectStorageStore("s3://no-such-bucket/x", conn_id="store_s3"))


def test_names_are_never_taken_from_a_cache(make_store: Callable[[str], NotificationStore]) -> None:
    """What another process puts into a bucket is seen, though this one has listed the folder before."""
    from airflow.sdk import ObjectStoragePath

    path = str(make_store("s3").path)  # type: ignore[attr-defined]
    files = files_at(path, "store_s3")
    files.create("folder/one", [b"1"])
    cached = ObjectStoragePath(path, conn_id="store_s3").fs
    assert len(cached.ls(f"{path}/folder")) == 1
    type(cached)(**cached.storage_options, skip_instance_cache=True).pipe_file(f"{path}/folder/two", b"2")
    assert sorted(files.names("folder")) == ["one", "two"]


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
@pytest.mark.parametrize("place", ["draining", "draining/{key}.json"])
def test_put_where_a_link_was_planted_is_an_error_and_nothing_is_written_behind_it(
    place: str, target: str, tmp_path: Path
) -> None:
    """Neither "stored" nor "there already": both would have the drain delete what nobody has."""
    (notification,) = some(1)
    root, link = tmp_path / "root", tmp_path / "root" / place.format(key=notification.key)
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / target)
    if target == "elsewhere":
        (tmp_path / target).mkdir()
    opened = ObjectStorageStore(root).open(RUN)
    with pytest.raises(NotificationStoreError, match=r"symbolic link.*no link is followed"):
        opened.put(notification)
    assert not list(tmp_path.glob(f"{target}/*"))
    link.unlink()
    assert opened.put(notification) is True


@pytest.mark.parametrize("name", ["../x", "/x", "a//x", "a\\x", "a\0x", "a/*", "[x", ".."])
def test_name_that_leads_out_of_the_path_of_a_bucket_is_refused(
    name: str, make_store: Callable[[str], NotificationStore]
) -> None:
    """The place itself stays below its root, whoever asks."""
    files = files_at(str(make_store("s3").path), "store_s3")  # type: ignore[attr-defined]
    for ask in (
        lambda: files.create(name, [b"x"]),
        lambda: list(files.read([name])),
        lambda: files.remove([name]),
        lambda: files.names(name),
        lambda: files.open(name),
    ):
        with pytest.raises((ValueError, NotificationStoreError), match=r"elsewhere|other names"):
            ask()


def test_path_with_wildcards_is_refused(make_store: Callable[[str], NotificationStore]) -> None:
    """A path that would stand for several is refused rather than read as something else."""
    make_store("s3")
    with pytest.raises(NotificationStoreError, match="stand for other names"):
        ObjectStorageStore(f"s3://{BUCKET}/x*", conn_id="store_s3").open(RUN)


def test_parquet_without_its_extra_fails_before_anything_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing library shows when the store is opened, not when the batch is closed."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "airflow_green_notify.stores.object_storage.parquet", raising=False)
    with pytest.raises(NotificationStoreError, match=r"airflow-green-notify\[parquet\]"):
        ObjectStorageStore(tmp_path, format="parquet").open(RUN)


def test_connection_that_is_missing_is_named() -> None:
    """A connection id with a typing error shows in the error."""
    with pytest.raises(NotificationStoreError, match="no_such_connection"):
        filled(ObjectStorageStore(f"s3://{BUCKET}/x", conn_id="no_such_connection"))


@pytest.mark.parametrize("cut", ["before", "after"])
def test_connection_to_s3_cut_during_put_is_stored_once(
    cut: str, s3_connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3's client repeats a request whose answer was cut; the put then finds its own object, as new."""
    connection = json.loads(s3_connection)
    url = connection["extra"]["endpoint_url"]
    proxy = CuttingProxy(int(url.rpartition(":")[2]))
    extra = connection["extra"] | {"endpoint_url": f"http://127.0.0.1:{proxy.port}"}
    monkeypatch.setenv(f"AIRFLOW_CONN_CUT_{cut.upper()}", json.dumps(connection | {"extra": extra}))
    with ObjectStorageStore(f"s3://{BUCKET}/cut-{cut}", conn_id=f"cut_{cut}").open(RUN) as opened:
        first, second = some(2)
        assert opened.put(first)
        proxy.cut = cut  # type: ignore[assignment]
        assert opened.put(second) is True
        assert opened.put(second) is False
    assert [n.key for n in read_batch(opened.close())] == [first.key, second.key]
    proxy.close()


@pytest.mark.parametrize(
    ("path", "conn_id", "place"),
    [
        ("s3://bucket/a b/", None, ("s3://bucket/a b", None)),
        ("s3://conn@bucket/x@y", None, ("s3://bucket/x@y", "conn")),
        ("s3://conn@bucket", "other", ("s3://bucket", "other")),
        ("file:///srv/x", None, ("file:///srv/x", None)),
        ("/srv/a@b", None, ("/srv/a@b", None)),
        ("~/x", None, (f"{os.path.expanduser('~')}/x", None)),
    ],
)
def test_place_of_a_path(path: str, conn_id: str | None, place: tuple[str, str | None]) -> None:
    """The connection may stand in the URL; the argument wins."""
    assert place_of(path, conn_id) == place


def test_bucket_that_is_away_is_not_asked_for_each_of_many(
    make_store: Callable[[str], NotificationStore],
) -> None:
    """Where none of some can be written, the rest fails with the same words."""
    store = make_store("s3")
    filled(store, count=1)
    path = str(store.path)  # type: ignore[attr-defined]
    files = files_at(path, "store_s3")
    assert files.create_all({"one": b"1", "two": b"2"}) == {"one": True, "two": True}
    assert files.create_all({"one": b"1", "three": b"4"}) == {"one": False, "three": True}
    nowhere = files_at(path.replace(BUCKET, "no-such-bucket"), "store_s3")
    failed = nowhere.create_all({f"name {number}": b"" for number in range(100)})
    assert len(failed) == 100
    assert all(isinstance(each, FileNotFoundError) for each in failed.values())
    assert len({id(each) for each in failed.values()}) == 32
