"""Samples of datasets, and calibration texts for quantizations."""
