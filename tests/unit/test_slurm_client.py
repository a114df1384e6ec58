"""What a Slurm client says when there is no cluster, or none that answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontier import slurm
from frontier.errors import UserError


def client(folder: Path, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a squeue on the PATH that fails with these words."""
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\necho '{error}' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_client_without_a_cluster_stops_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its packages are installed, and nothing else of Slurm is."""
    client(tmp_path, "squeue: fatal: Could not establish a configuration source", monkeypatch)
    assert slurm.cancel_orphans(tmp_path) == []


def test_a_cluster_that_does_not_answer_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of a killed run may still write there."""
    client(tmp_path, "squeue: error: Unable to contact slurm controller", monkeypatch)
    with pytest.raises(UserError, match="Unable to contact"):
        slurm.cancel_orphans(tmp_path)
