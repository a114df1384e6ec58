"""Shared by scenarios in which requests overlap: schedules of arrivals, and the search of rates."""
