"""Architectures without a key-value cache."""

from __future__ import annotations

STATES = ("mamba", "mamba2", "rwkv", "falcon_mamba")
"""transformers' model_type of those with a state of fixed size instead."""
