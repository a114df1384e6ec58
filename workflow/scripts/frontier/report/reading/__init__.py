"""The tables and cells that the report shows, read."""
