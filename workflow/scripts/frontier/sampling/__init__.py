"""Samples of datasets, and the texts that calibrate quantizations."""
