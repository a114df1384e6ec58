"""The rest of the table of changes through the real Snakemake; see test_changes."""

from __future__ import annotations

import pytest
from test_changes import BY_SNAKEMAKE, CHANGES

from workspace import Workspace


@pytest.mark.parametrize("change", sorted(CHANGES.keys() - set(BY_SNAKEMAKE)))
def test_change(place: Workspace, change: str) -> None:
    """Exactly the expected jobs would run."""
    make, expected = CHANGES[change]
    make(place)
    assert place.jobs() == expected
