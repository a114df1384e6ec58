"""This machine: files, locks, leases, progress, Slurm. Decides neither an answer nor a time."""
