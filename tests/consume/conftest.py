"""Stores that are filled, for those who read them."""

from tests.stores.conftest import make_store, sql_store

__all__ = ["make_store", "sql_store"]
