"""The jobs of a study: their specifications, results and freshness."""
