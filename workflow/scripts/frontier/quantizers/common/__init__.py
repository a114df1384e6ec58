"""Shared by quantizers."""
