"""Tells the faults of a checkpoint's own Python code from ours."""

from __future__ import annotations

import traceback
from pathlib import Path

OWN_CODE = "transformers_modules"
"""Where transformers copies a checkpoint's own modules to."""


def raised_by_own_code(error: Exception) -> bool:
    """Whether it comes through modules that transformers copied out of a checkpoint."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(OWN_CODE in Path(frame.filename).parts for frame in frames)
