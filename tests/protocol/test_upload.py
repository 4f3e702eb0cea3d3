"""The form in which a file is uploaded, read by a parser that isn't ours."""

from __future__ import annotations

import io
from email.parser import BytesParser
from email.policy import HTTP

import pytest

from airflow_green_notify.protocol.upload import Upload


def parts_of(upload: Upload, sent: bytes) -> list[tuple[str | None, str | None, bytes]]:
    head = f"Content-Type: {upload.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + sent)
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_upload_is_as_long_as_it_says(size: int) -> None:
    """``Content-Length`` is known beforehand and right, so the file can be streamed."""
    upload = Upload(io.BytesIO(b"x" * size), size, "a.bin", "application/octet-stream", {"a": "ä"}, "b" * 32)
    assert len(upload) == len(b"".join(upload))


def test_upload_is_multipart_with_its_fields_and_file() -> None:
    """A multipart parser finds the fields and the file as they were given."""
    content = bytes(range(256)) * 100
    fields = {"chatId": "1@c.us", "fileName": "отчёт.pdf", "caption": "line 1\r\nline 2"}
    upload = Upload(io.BytesIO(content), len(content), "отчёт.pdf", "application/pdf", fields, "b" * 32)
    parts = parts_of(upload, b"".join(upload))
    assert [(name, payload) for name, _, payload in parts[:3]] == [
        (name, value.encode()) for name, value in fields.items()
    ]
    assert parts[3][0] == "file"
    assert parts[3][2] == content


@pytest.mark.parametrize("name", ['a"; name="evil', "a\r\nX-Evil: 1", "a\\b", "\ud800"])
def test_upload_with_a_hostile_file_name_has_one_part_and_no_other_headers(name: str) -> None:
    """A file's name can't break out of its header."""
    upload = Upload(io.BytesIO(b"abc"), 3, name, "text/plain", {}, "b" * 32)
    sent = b"".join(upload)
    [(field, _, payload)] = parts_of(upload, sent)
    assert (field, payload) == ("file", b"abc")
    assert b"\nX-Evil" not in sent
    assert len(upload) == len(sent)
