"""Servers that a job starts, watches and stops, so that none outlives it."""
