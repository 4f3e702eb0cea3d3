"""A folder or a bucket as a store."""
