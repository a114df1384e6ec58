"""What llama.cpp says of its errors, kept instead of printed with all else that it has to say."""

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


_callback = llama_cpp.llama_log_callback(_keep)  # held here, for C holds no reference


def listen() -> None:
    """From now on keep errors, the latest last in `errors`, and begin with none."""
    errors.clear()
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


def last() -> Reason:
    """The latest error, shortened."""
    return errors[-1][:300] if errors else "llama.cpp gave no reason"
