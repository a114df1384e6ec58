"""Shared by conversions."""
