"""Reasons why jobs would run again, and adoption of an earlier release's measurements."""
