"""The architectures that ONNX Runtime GenAI runs here: those of its builder that are tested."""

from __future__ import annotations

from frontier.errors import Reason

FAMILIES = (
    "ernie4_5", "gemma", "gemma2", "granite", "llama", "mistral", "phi3", "qwen2", "qwen3",
)  # fmt: skip
"""The architectures whose answers are tested to be those of transformers."""


def unreadable(architecture: str | None) -> Reason | None:
    """The reason why a model of that architecture does not run; None if it does, or is unknown."""
    if architecture is None or architecture in FAMILIES:
        return None
    return (
        f"ONNX Runtime GenAI's {architecture} is not tested, or its builder has none: it runs "
        f"{', '.join(FAMILIES)}"
    )
