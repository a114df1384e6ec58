"""Estimates with their intervals, and tests of differences."""
