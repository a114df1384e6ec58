"""Distinguishes errors in a checkpoint's own Python code from ours."""

from __future__ import annotations

import traceback
from pathlib import Path

OWN_CODE = "transformers_modules"
"""The package to which transformers copies a checkpoint's own modules."""


def raised_by_own_code(error: Exception) -> bool:
    """True if the error passed through modules that transformers copied from a checkpoint."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(OWN_CODE in Path(frame.filename).parts for frame in frames)
