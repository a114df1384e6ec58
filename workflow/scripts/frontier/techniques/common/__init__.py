"""Shared by techniques."""
