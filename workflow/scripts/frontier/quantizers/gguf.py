"""GGUF: llama.cpp's own quantizations, as a separate checkpoint.

A type's name stands for a mixture: llama.cpp uses more bits for the head, some matrices of the
attention and the output matrices of the MLP.
"""

from __future__ import annotations

from typing import Annotated, Literal

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import EngineFacts, Preparation, Prepared, Sizes, Target

ARCHITECTURES = ("llama", "mistral", "mixtral", "qwen2", "gpt2", "falcon")

BITS = {
    "F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.5625, "Q5_K": 5.5, "Q4_K": 4.5,
    "Q3_K": 3.4375, "Q2_K": 2.625, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_0": 4.5,
}  # fmt: skip
"""Bits per weight, including the block's scales (llama.cpp's ggml-common.h)."""

K_BLOCK, BLOCK = 256, 32
"""Weights per block of the K types, and of the others: rows must be multiples."""

INSTEAD = {"Q6_K": "Q8_0", "Q5_K": "Q5_1", "Q4_K": "Q5_0", "Q3_K": "Q4_0", "Q2_K": "Q4_0"}
"""The type that llama.cpp uses if rows are not multiples of K_BLOCK."""

MIXTURES = {
    "Q5_K_M": {"Q5_K": 0.80, "Q6_K": 0.20},
    "Q4_K_M": {"Q4_K": 0.80, "Q6_K": 0.20},
    "Q3_K_M": {"Q3_K": 0.58, "Q4_K": 0.41, "Q5_K": 0.01},
    "Q2_K": {"Q2_K": 0.58, "Q3_K": 0.42},
}
"""Shares of the layers' weights (llama-quant.cpp, `llama_tensor_get_type_impl`), about right for
all the architectures: 0.3 of them are the MLP's output and 0.1 are values; Q4_K_M has half of both
in more bits."""

ENDING = 0.3
"""Share of the MLP's output matrices, whose rows are multiples of 256 except in toy models."""

VECTORS = 0.5
"""Norms and biases, which stay in float32, are VECTORS / hidden of the layers: 1/6 in Llama, 13/12
in GPT-2."""


FLOATS = ("F32", "F16", "BF16")


class Gguf(Prepared):
    """Keys of a `gguf` block."""

    FORMAT = "gguf"
    CONVERSION = "gguf"
    PUBLISHED = ("gguf",)  # a single file, which llama.cpp loads as it is

    type: Annotated[
        Literal["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"], Measure
    ]
    """llama.cpp's name for the mixture of types."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects architectures whose tensors the conversion does not know."""
        if target.architecture is not None and target.architecture not in ARCHITECTURES:
            return f"no conversion to GGUF for the architecture {target.architecture}"
        return None

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """float32: llama.cpp stores the parts that are not quantized in it."""
        return {"F16": "float16", "BF16": "bfloat16"}.get(self.type, "float32")

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that writes a GGUF file, in llama.cpp's environment."""
        return Preparation(self.CONVERSION, {"type": self.type}, environment="llama_cpp")

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Bytes of all tensors in llama.cpp's types, which depend on the length of rows.

        GPT-2's position embedding, which stays float32, is counted as one of the layers' matrices.
        """
        kind, hidden = self.type, sizes.hidden
        base = kind.removesuffix("_M")
        mixture = MIXTURES.get(kind, {kind: 1.0})
        of_hidden = sum(share * _bits(part, hidden) for part, share in mixture.items())
        ending = sum(share * _bits(part, K_BLOCK) for part, share in mixture.items())
        vectors = min(VECTORS / hidden, 1)
        matrices = (1 - ENDING) * of_hidden + ENDING * ending
        layers = sizes.layers * (vectors * BITS["F32"] + (1 - vectors) * matrices)
        head = base if kind in (*FLOATS, "Q8_0") else "Q6_K"
        if sizes.tied:
            return round((layers + sizes.embedding * _bits(head, hidden)) / 8)
        ends = sizes.embedding * _bits(base, hidden) + sizes.head * _bits(head, hidden)
        return round((layers + ends) / 8)

    def expects_quantized(self) -> bool:
        """True for all but the floating-point types."""
        return self.type not in FLOATS


def _bits(kind: str, row: int) -> float:
    """Bits per weight in rows of that length, in the type that llama.cpp falls back to."""
    if kind in FLOATS:
        return BITS[kind]
    if row % BLOCK:
        return BITS["F16"]
    return BITS[INSTEAD.get(kind, kind) if row % K_BLOCK else kind]
