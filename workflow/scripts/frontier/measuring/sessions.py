"""A session: a process that works on a measurement, and what it is known by from its start."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from frontier.machine import hardware

RECORDED_PACKAGES = (
    "torch", "transformers", "tokenizers", "accelerate", "peft", "optimum", "optimum-quanto",
    "bitsandbytes", "torchao", "hqq", "gptqmodel", "compressed-tensors", "llama_cpp_python",
    "onnxruntime", "optimum-onnx", "openvino", "optimum-intel", "nncf",
)  # fmt: skip


def here(request: str | None, weights_sha256: str | None) -> dict[str, Any]:
    """When this process began, what its requests depend on, its weights, machine and packages.

    What a job makes twice from the same need not be the same, so the weights have a digest as well.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="microseconds"),
        "request": request,
        "weights_sha256": weights_sha256,
        "hardware": hardware.describe(),
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that a measurement should name."""
    installed = {}
    for package in RECORDED_PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed
