"""From records to metrics: latencies, counts of corpus metrics."""
