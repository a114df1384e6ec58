"""This machine's hardware, and a job's share of it: recorded, or deciding an outcome."""
