"""A folder or a bucket, in which files are created once and never overwritten."""
