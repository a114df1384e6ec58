"""Bringing datasets, checkpoints and environments here, pinned and checked."""
