"""Shared by techniques, in the environments of their engines."""
