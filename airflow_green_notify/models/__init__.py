"""Models: SQL views over the table of a store, for those who work with tables and not with JSON."""
