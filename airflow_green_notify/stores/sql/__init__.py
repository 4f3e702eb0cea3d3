"""A table of a SQL database as a store."""
