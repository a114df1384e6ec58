"""llama.cpp's error messages, collected instead of printed; its other output is dropped."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp

from frontier.errors import Reason

ERROR = 4  # ggml.h's GGML_LOG_LEVEL_ERROR

errors: list[str] = []


def _keep(level: int, text: bytes, _data: Any) -> None:
    if level == ERROR:
        errors.append(text.decode(errors="replace").strip())


_callback = llama_cpp.llama_log_callback(_keep)  # referenced here, since C holds no reference


def listen() -> None:
    """Starts collecting errors in `errors`, the latest last."""
    errors.clear()
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


def last() -> Reason:
    """The latest error, shortened."""
    return errors[-1][:300] if errors else "llama.cpp gave no reason"
