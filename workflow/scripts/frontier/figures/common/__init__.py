"""Shared by figures: statistics of a time per request, and conditions."""
