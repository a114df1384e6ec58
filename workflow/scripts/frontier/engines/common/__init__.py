"""Shared by engines: loading of checkpoints, prompts, stop texts, generation."""
