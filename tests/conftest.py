"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; tests that need it skip, and say so, where it is absent."""
    folder = Path(os.environ.get("LLM_FRONTIER_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder} (set LLM_FRONTIER_TEST_DATA)")
    return folder
