"""Why a job would run again, and taking what an earlier release measured."""
