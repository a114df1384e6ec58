"""What this machine is, what a job may use of it: values that are recorded or decide an outcome."""
