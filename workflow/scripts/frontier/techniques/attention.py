"""Attention: which of transformers' implementations computes it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique

OF_CUDA = ("flash_attention_2", "flash_attention_3", "flash_attention_4")


class Attention(Technique):
    """Keys of an `attention` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)

    implementation: Annotated[
        Literal[
            "eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3",
            "flash_attention_4",
        ],
        Measure,
    ]  # fmt: skip
    """transformers' `attn_implementation`. By default it is sdpa for architectures that have it."""

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects FlashAttention where there is none."""
        if self.implementation in OF_CUDA and context.accelerator not in ("cuda", "rocm"):
            return f"{self.implementation} has kernels for CUDA only, not for {context.accelerator}"
        if self.implementation in OF_CUDA and context.dtype == "float32":
            return f"{self.implementation} computes in float16 or bfloat16, not in float32"
        return None

    def transformers_loading(self) -> dict[str, Any]:
        """The argument that chooses it."""
        return {"attn_implementation": self.implementation}

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects the implementation that this architecture has without the technique."""
        used = model.config._attn_implementation
        if used != self.implementation:
            return f"transformers uses {used} instead of {self.implementation}"
        default = "sdpa" if model._supports_sdpa else "eager"
        return f"{default} is the default of {type(model).__name__}" if used == default else None
