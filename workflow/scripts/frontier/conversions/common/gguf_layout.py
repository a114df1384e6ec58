"""Reordering of numbers for llama.cpp, and the additional ones that it needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from frontier.conversions.common.weights import Array, Tensor


def stacked(parts: list[Tensor]) -> Array:
    """The same matrix of all experts, stacked."""
    return np.stack([part.read() for part in parts])


def interleaved(rows: Array, heads: int) -> Array:
    """Reorders rows of q or k from the halves that transformers rotates to neighbouring pairs."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def ungrouped(rows: Array, heads: int, groups: int) -> Array:
    """Reorders Falcon's groups, of queries with their key and value, to all q, all k, all v."""
    grouped = rows.reshape(groups, heads // groups + 2, -1, rows.shape[1])
    parts = (grouped[:, :-2], grouped[:, -2:-1], grouped[:, -1:])
    return np.concatenate([part.reshape(-1, rows.shape[1]) for part in parts])


def llama3_factors(config: Any) -> Array:
    """Llama 3.1's divisor of each rotary frequency: `factor` for long waves, 1 for short ones.

    As in its reference implementation (meta-llama/llama-models, `apply_scaling`).
    """
    rope, dim = config.rope_parameters, config.head_dim
    waves = 2 * np.pi * rope["rope_theta"] ** (np.arange(0, dim, 2) / dim)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] / waves
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    factors: Array = (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)
    return factors
