"""AMD SMI: the library of ROCm that reads GPUs' counters, by its own package amdsmi.

The package belongs to the library's version, so it comes with ROCm (/opt/rocm/share/amd_smi) or
from PyPI, and is no requirement here. The programs amd-smi and rocm-smi take most of a second for
an answer, whose form changes from release to release.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _opened() -> Any:
    """The package with its library open, or the reason why it is not.

    It stays open: the library counts no users, so closing it would end those of torch and of others
    in this process.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that there is no library
            library = importlib.import_module("amdsmi")
        library.amdsmi_init()
    except ImportError:
        return "the package amdsmi is not installed"
    except Exception as error:
        return f"amdsmi: {type(error).__name__}: {' '.join(str(error).split())}"
    return library


def library() -> Any:
    """The package amdsmi, ready to use. Raises LookupError with the reason."""
    found = _opened()
    if isinstance(found, str):
        raise LookupError(found)
    return found


def asked(name: str, *arguments: Any) -> Any:
    """The answer of one of the library's functions; None if it has none, or no such function."""
    found = library()
    try:
        return getattr(found, name)(*arguments)
    except (AttributeError, found.AmdSmiException):
        return None


def number(value: Any) -> float | None:
    """A number that the library gave; None for its N/A, and for what is not there."""
    return float(value) if isinstance(value, int | float) else None
