"""From records to metrics: latencies, gates, counts of corpus metrics."""
