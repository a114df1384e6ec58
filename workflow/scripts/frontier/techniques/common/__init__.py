"""Shared by several techniques."""
