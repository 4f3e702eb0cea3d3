"""Stores that are filled, for those who read them."""

from tests.stores.conftest import file_store, make_store, quick_store, sql_store, store

__all__ = ["file_store", "make_store", "quick_store", "sql_store", "store"]
