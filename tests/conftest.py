"""What several tests share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.fetching import environments

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; tests that need it skip, and say so, where it is absent."""
    folder = Path(os.environ.get("LLM_FRONTIER_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder} (set LLM_FRONTIER_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def environment() -> Callable[[str], Path]:
    """Gives the python of the environment that workflow/envs/NAME.txt pins, built if need be."""

    def python(name: str) -> Path:
        with contextlib.chdir(ROOT):
            return environments.python(name)

    return python
