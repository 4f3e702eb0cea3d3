"""The file of a batch as Parquet."""

from __future__ import annotations

import io
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_green_notify.files.names import safe_name
from airflow_green_notify.stores.entry import Entry
from airflow_green_notify.stores.row import ROW_COLUMNS, TIME_COLUMNS, from_row, to_row

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SCHEMA = pa.schema(
    [(name, pa.timestamp("us", tz="UTC") if name in TIME_COLUMNS else pa.string()) for name in ROW_COLUMNS]
)
_ROWS_AT_ONCE = 500


def encoded(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield a Parquet file of the columns of ``row.py``, as bytes in pieces."""
    sink = _Sink()
    rows = map(to_row, entries)
    with pq.ParquetWriter(sink, _SCHEMA) as writer:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_batch(pa.RecordBatch.from_pylist(some, schema=_SCHEMA))
            yield sink.take()
    yield sink.take()


def decoded(stream: BinaryIO, wanted: Container[str] | None = None) -> Iterator[Entry]:
    """Yield the entries of a Parquet file, or only those with such keys."""
    for batch in pq.ParquetFile(stream).iter_batches(_ROWS_AT_ONCE):
        if wanted is not None:
            keys = batch.column("key").to_pylist()
            batch = batch.take(
                pa.array([n for n, key in enumerate(keys) if safe_name(key) in wanted], "int64")
            )
        yield from map(from_row, batch.to_pylist())


class _Sink(io.RawIOBase):
    """Keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._position = 0
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, piece: ReadableBuffer, /) -> int:
        self._pieces.append(bytes(piece))
        self._position += len(self._pieces[-1])
        return len(self._pieces[-1])

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
