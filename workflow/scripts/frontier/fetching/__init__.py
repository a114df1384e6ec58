"""Downloads and builds of datasets, checkpoints and environments, pinned and checked."""
