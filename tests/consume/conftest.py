"""What tests of consumers share: the SQL stores."""

from __future__ import annotations

from tests.stores.conftest import make_store, sql_store

__all__ = ["make_store", "sql_store"]
