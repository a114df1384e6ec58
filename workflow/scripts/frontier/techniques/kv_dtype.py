"""The number format of the key-value cache, by the name that an engine has for it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique
from frontier.techniques.common import quantized_cache
from frontier.techniques.common.states import STATES

HERE = {
    "transformers": ("fp8_e4m3",),
    "llama_cpp": ("q8_0", "q5_1", "q4_0"),
    "openvino": ("u8",),
    "openvino_genai": ("u8",),  # its u4 writes beyond a cache that grows, as of 2026.4.1
}
"""The formats that engines of this process have."""


BLOCK = 32
"""Numbers with a scale of their own in llama.cpp's formats."""


class KvDtype(Technique):
    """Keys of a `kv_dtype` block."""

    ENGINES: ClassVar[tuple[str, ...]] = tuple(HERE)
    OWN_CACHE: ClassVar[bool] = True

    dtype: Annotated[
        Literal["fp8_e4m3", "fp8_e5m2", "q8_0", "q5_1", "q4_0", "int8", "int4", "u8"],
        Measure,
    ]
    """FP8 in transformers (e4m3), vLLM, SGLang, TGI and TensorRT-LLM (e4m3); llama.cpp's q8_0, q5_1
    and q4_0; LMDeploy's int8 and int4; OpenVINO's u8."""

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects formats that the engine does not have, and architectures without such a cache."""
        formats = HERE[context.engine]
        if self.dtype not in formats:
            return f"{context.engine} caches in {' or '.join(formats)}, not in {self.dtype}"
        if context.architecture in STATES:
            return f"{context.architecture} has no key-value cache that grows with each token"
        if context.engine in ("transformers", "openvino") and context.asks == "choose":
            return f"{context.engine} gives the likelihood of a text without a cache"
        if context.engine == "llama_cpp" and context.head_dim and context.head_dim % BLOCK:
            return f"a head has {context.head_dim} numbers, which blocks of {BLOCK} do not divide"
        return None

    @property
    def llama_cpp_cache(self) -> str | None:
        """ggml's name of the format."""
        return self.dtype.upper()

    @property
    def openvino_cache(self) -> str | None:
        """OpenVINO's name of the format."""
        return self.dtype

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """transformers' own FP8 cache: a scale for each layer, from the first prompt's numbers."""
        return {"cache_implementation": "quantized", "cache_config": {"backend": "fp8"}}

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects a cache that is no smaller."""
        return quantized_cache.idle(cache)
