"""Metrics from records: latencies, counts of corpus metrics."""
