"""The measurement of one cell: sessions, background load, pauses, reuse of earlier answers."""
