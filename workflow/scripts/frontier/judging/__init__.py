"""Judges: models that rate or compare other models' answers. Requests to them, and verdicts."""
