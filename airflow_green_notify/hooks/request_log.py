"""What urllib3 may log of a request: neither a token nor a link to a file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_green_notify.protocol.redaction import redact


class _LogFilter(logging.Filter):
    """Keeps secrets out of urllib3's own log lines, which hold the path of every request at DEBUG."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()
        self.this_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(self.this_thread, "hides_paths", False) and isinstance(record.args, tuple):
            record.args = tuple("***" if "/" in str(arg) else arg for arg in record.args)
        message = record.getMessage()
        for token in sorted(self.tokens, key=len, reverse=True):  # one may be part of another
            message = redact(message, token)
        record.msg, record.args = message, ()
        return True


_log_filter = _LogFilter()
logging.getLogger("urllib3.connectionpool").addFilter(_log_filter)


def keep_out_of_log(token: str) -> None:
    """Replace a token in what urllib3 logs, from now on."""
    _log_filter.tokens.add(token)


@contextmanager
def paths_out_of_log() -> Iterator[None]:
    """Log requests without what follows the host: whoever holds a link to a file can read the file."""
    _log_filter.this_thread.hides_paths = True
    try:
        yield
    finally:
        _log_filter.this_thread.hides_paths = False
