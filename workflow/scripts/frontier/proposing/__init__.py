"""Proposals of blocks for the catalogue, from a checkpoint's or a table's own files."""
