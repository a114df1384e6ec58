"""Shared by protocols: the fields of requests, streams, counts of tokens, errors."""
