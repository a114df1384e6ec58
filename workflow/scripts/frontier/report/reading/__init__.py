"""Readers of the tables and cells that the report shows."""
