"""The files of a finished batch: one line of JSON, or one row, for each notification."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain, count
from typing import TYPE_CHECKING, BinaryIO

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.json_text import to_text
from airflow_green_notify.notification import Notification
from airflow_green_notify.portable_json import from_members, to_members
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.row import ROW_COLUMNS, TIME_COLUMNS

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_green_notify.files.place import Files

FORMATS = ("ndjson", "parquet")

_MEMBERS = {
    "key": "string",
    "receipt_id": "integer",
    "received_at": "string",
    "body": "object",
    "body_text": "string",
    "batch_id": "string",
    "note": "object",
    "note_text": "string",
}
"""What a line of JSON may have, with the types of JSON."""

_SEQUENCE = re.compile(rb', "sequence": \d+\}\n\Z')
_REVISION = re.compile(rf"~(\d+)(?=\.(?:{'|'.join(FORMATS)})\Z)")
_KEY = re.compile(rb'\{"key": "([0-9a-f]{32})"')


def columns_of(form: str) -> dict[str, str]:
    """Return the columns of the files of a format, or the members of their lines, with their types."""
    if form == "ndjson":
        return dict(_MEMBERS)
    return {name: "timestamp" if name in TIME_COLUMNS else "string" for name in ROW_COLUMNS}


def to_json(entry: Entry) -> bytes:
    """Return the line of an entry: :meth:`Notification.as_dict`, its batch, and the note in the same form."""
    value = entry.notification.as_dict() | {"batch_id": entry.batch_id}
    if entry.note is not None:
        value |= to_members("note", entry.note)
    if entry.sequence is not None:
        value["sequence"] = entry.sequence
    return to_text(value).encode() + b"\n"


def without_sequence(line: bytes) -> bytes:
    """Return a line of :func:`to_json` as it stands in the file of a batch, where the lines are in order."""
    return _SEQUENCE.sub(b"}\n", line)


def from_json(line: bytes) -> Entry:
    """Return the entry that :func:`to_json` wrote."""
    value = json.loads(line)
    note = from_members(value, "note") if "note" in value else None
    notification = Notification.from_dict(value, trusted=True)
    return Entry(notification, value["batch_id"], note, value.get("sequence"))


def part_names(files: Files, folder: str) -> list[str]:
    """Return the files of a batch: ``batch.ndjson``, then ``batch-2.ndjson`` if it was finished again.

    Of a file from which something was erased that is ``batch~1.ndjson``, and so on, in its place.
    """
    names = sorted(newest(filter(is_part, files.names(folder))), key=_part_number)
    return [f"{folder}/{name}" if folder else name for name in names]


def newest(names: Iterable[str]) -> list[str]:
    """Return the names without those of files that were written anew."""
    return [*{unrevised(name): name for name in sorted(names, key=revision_of)}.values()]


def unrevised(name: str) -> str:
    """Return the name under which a file was first written."""
    return _REVISION.sub("", name)


def revision_of(name: str) -> int:
    """Return how often something was erased from a file."""
    found = _REVISION.search(name)
    return int(found[1]) if found else 0


def next_revision(name: str) -> str:
    """Return what a file is called when something more was erased from it."""
    stem, _, form = unrevised(name).rpartition(".")
    return f"{stem}~{revision_of(name) + 1}.{form}"


def there_of(files: Files, parts: Iterable[str], *, newest_only: bool = True) -> list[str]:
    """Return which of some files are there, each under the name that it has by now, in the same order.

    :param newest_only: Whether to leave out what was written anew and is not removed yet.
    """
    wanted = dict.fromkeys(map(unrevised, parts))
    folders = dict.fromkeys(part.rpartition("/")[0] for part in wanted)
    there: dict[str, list[str]] = {part: [] for part in wanted}
    for folder in folders:
        for name in sorted(filter(is_part, files.names(folder)), key=revision_of):
            there.get(unrevised(f"{folder}/{name}"), []).append(f"{folder}/{name}")
    return [name for names in there.values() for name in (names[-1:] if newest_only else names)]


def write_revision(files: Files, name: str, entries: Callable[[], Iterable[Entry]]) -> bool:
    """Write a file anew, with these entries, unless somebody else did; the old one is left as it is."""
    lines = map(to_json, entries())
    return files.create(next_revision(name), _encoded(lines, name.rpartition(".")[2]))


def _part_number(name: str) -> int:
    number = unrevised(name).partition(".")[0].removeprefix("batch-")
    return int(number) if number.isdigit() else 1


def is_part(name: str) -> bool:
    """Tell whether a file belongs to a finished batch."""
    return name.rpartition("/")[2].startswith("batch") and name.endswith(tuple(f".{end}" for end in FORMATS))


def write_part(
    files: Files,
    folder: str,
    file_format: str,
    lines: Callable[[], Iterable[bytes]],
    taken: Container[str] = (),
) -> str:
    """Write the next file of a batch, and return its name; files of it that are there are left as they are.

    :param lines: Gives the lines of :func:`to_json`; called again if the name was taken meanwhile.
    :param taken: Names that another batch removes the files of; one it removed already is not used again.
    """
    for number in count(len(part_names(files, folder)) + 1):
        name = f"{folder}/{'batch' if number == 1 else f'batch-{number}'}.{file_format}"
        if name not in taken and files.create(name, _encoded(lines(), file_format)):
            return name
    raise AssertionError("there is always a next name")


def read_parts(files: Files, names: list[str]) -> Iterator[Entry]:
    """Yield the entries of these files one after the other, each once: the order of the puts."""
    if len(names) == 1:
        yield from _read_part(files, names[0])
        return
    seen: set[str] = set()
    for entry in chain.from_iterable(_read_part(files, name) for name in names):
        if entry.notification.key not in seen:
            seen.add(entry.notification.key)
            yield entry


def entries_since(files: Files, since: datetime) -> Iterator[Entry]:
    """Yield the entries of all files that were written since then."""
    for name in filter(is_part, files.modified_since("batches", since)):
        yield from read_parts(files, [name])


def rows_of(stream: BinaryIO, name: str, wanted: Container[str]) -> Iterator[tuple[str, Entry]]:
    """Yield some lines of a file, each with what its key is called; the others are hardly looked at."""
    for entry in _decoded(stream, name, wanted):
        if (key := safe_name(entry.notification.key)) in wanted:
            yield key, entry


def _encoded(lines: Iterable[bytes], file_format: str) -> Iterable[bytes]:
    if file_format == "parquet":
        from airflow_green_notify.stores.object_storage.parquet import encoded

        return encoded(map(from_json, lines))
    return lines


def _read_part(files: Files, name: str) -> Iterator[Entry]:
    with files.open(name) as stream:
        yield from _decoded(stream, name)


def _decoded(stream: BinaryIO, name: str, wanted: Container[str] | None = None) -> Iterator[Entry]:
    """Yield the entries of a file, without most of those that aren't wanted."""
    if name.endswith(".parquet"):
        from airflow_green_notify.stores.object_storage.parquet import decoded

        return decoded(stream, wanted)
    return (from_json(line) for line in stream if wanted is None or _may_be_in(wanted, line))


def _may_be_in(wanted: Container[str], line: bytes) -> bool:
    key = _KEY.match(line)
    return key is None or key[1].decode() in wanted
