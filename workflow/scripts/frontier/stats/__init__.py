"""Estimates with confidence intervals, and tests of differences."""
