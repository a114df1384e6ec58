"""An engine's block in the catalogue: formats, hardware and kinds of requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from frontier.blocks import (
    Accelerator,
    Derived,
    Dtype,
    Label,
    Name,
    Plan,
    Plugin,
    Score,
    Show,
    Stage,
    TokenPrices,
)
from frontier.errors import Reason

Asked = Literal["generate", "choose"]
Cached = Literal["grouped", "broadcast"]
Part = Literal["a system message", "shots as turns", "several turns", "a beginning of the answer"]
"""A part of a prompt other than the question."""
Formats = Annotated[tuple[Name, ...], Field(min_length=1), Plan]


class EngineKind(Plugin):
    """The class of an engine's block, which has its other keys."""

    kind: str
    """frontier/engines/KIND.py."""


class EngineBlock(Derived):
    """The keys of all engines; the class (frontier/engines/KIND.py) adds further ones."""

    environment: Annotated[Name | None, Plan] = None
    """workflow/envs/ENVIRONMENT.txt with its pins; without it, the engine runs in the core's.
    Its pins count, not its name: other pins repeat all measurements."""
    reads: Formats
    """Formats of checkpoints: `hub` (safetensors), `gptq`, `awq`, `compressed-tensors`, `gguf`,
    `onnx`, `onnx_genai`, `openvino`, `mlx`, or another method that checkpoints are published
    quantized by."""
    accelerators: Annotated[tuple[Accelerator, ...], Field(min_length=1), Plan]
    """Hardware that it computes on; `remote` alone for an endpoint that runs elsewhere."""
    dtypes: Annotated[tuple[Dtype, ...], Field(min_length=1), Plan] = (
        "float32",
        "bfloat16",
        "float16",
    )
    """Precisions that it computes in; other models are converted to the first one."""
    scenarios: Annotated[tuple[Name, ...], Field(min_length=1), Plan] = (
        "single-stream",
        "offline",
        "server",
    )
    """Scenarios in which it can be measured."""
    asks: Annotated[tuple[Asked, ...], Field(min_length=1), Plan] = ("generate",)
    """`generate`: continue a text; `choose`: the likelihood of each of several texts."""
    cache: Annotated[Cached | dict[Name, Cached], Plan] = "grouped"
    """Key-value heads in its cache: the model's own (`grouped`), or one per attention head
    (`broadcast`); a mapping gives it by architecture."""
    own_code: Annotated[bool, Plan] = False
    """Whether it can run a checkpoint's own Python modules (a model's `trust_remote_code`)."""
    adapters: Annotated[bool, Plan] = False
    """Whether it can apply a PEFT adapter to a model."""
    price_per_million_tokens: Annotated[TokenPrices | None, Score] = None
    """Prices of an endpoint's tokens, instead of those of its models."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    runs_quantizers: ClassVar[bool] = False
    """True if it loads through the quantizer's code, which can quantize while loading."""

    starts_servers: ClassVar[bool] = False
    """True if it starts a server for a checkpoint, unless an earlier cell has left the same."""
    drives_endpoints: ClassVar[bool] = False
    """True if it can ask an endpoint that runs elsewhere (`accelerators: [remote]`)."""
    caches_prefixes: ClassVar[bool] = False
    """True if it can answer from the cached prefix of earlier prompts (`prefix_cache`)."""

    @property
    def samples(self) -> bool:
        """True if it can choose tokens at random (a task's `samples`)."""
        return False

    @model_validator(mode="after")
    def _elsewhere_or_here(self) -> Self:
        if self.remote and not self.drives_endpoints:
            raise ValueError(f"accelerators: {self.kind} runs here, it drives no endpoint")
        if self.remote and len(self.accelerators) > 1:
            raise ValueError("accelerators: remote stands alone: an endpoint runs elsewhere")
        if self.price_per_million_tokens and not self.remote:
            raise ValueError(
                "price_per_million_tokens: only for accelerators: [remote]; hardware of your own "
                "costs by the hour: price_per_hour of a device"
            )
        return self

    @property
    def remote(self) -> bool:
        """True if it is an endpoint that runs elsewhere: it knows models by name only."""
        return "remote" in self.accelerators

    @property
    def renders_chats(self) -> bool:
        """True if a server's own chat template renders prompts, not the checkpoint's."""
        return False

    @property
    def kind(self) -> str:
        """The name of its class's file."""
        return type(self).__module__.rpartition(".")[2]

    def described(self) -> dict[str, Any]:
        """The values from which its class can be rebuilt, JSON-able."""
        keys = self.model_dump(mode="json", exclude={"like", "label"}, exclude_none=True)
        return {"kind": self.kind, "options": keys}

    def only(self, stage: Stage) -> Self:
        """A copy with only the keys that decide a stage, and those by which it is reached.

        Using any other key, which is in no identity, raises AttributeError.
        """
        copy, used = self.model_copy(), self.deciding(stage) | self.deciding("operate")
        for name in type(self).model_fields.keys() - used:
            del copy.__dict__[name]
        return copy

    def why_not(self, accelerator: str, dtype: str) -> Reason | None:
        """The reason why it cannot run on an accelerator or in a precision; None if it can.

        `dtype`: empty if it is an endpoint's own affair.
        """
        if accelerator not in self.accelerators:
            return f"{self.kind} runs on {' or '.join(self.accelerators)}, not on {accelerator}"
        if dtype and dtype not in self.dtypes:
            return f"{self.kind} computes in {' or '.join(self.dtypes)}, not in {dtype}"
        return None

    def why_not_architecture(self, architecture: str | None) -> Reason | None:
        """The reason why it cannot run a model of transformers' `model_type`; None if it may."""
        return None

    def require(self, name: str) -> None:
        """Raises UserError if the engine of that id lacks something here, such as a key."""

    def why_not_here(self, accelerator: str) -> Reason | None:
        """The reason why its library, as installed here, cannot compute on an accelerator.

        None if it can, or if that only shows while loading.
        """
        return None

    def threads_on(self, cores: int) -> int:
        """The number of threads where a device's `threads` are `auto`."""
        return cores

    def quantizes_by(self, quantization: Mapping[str, JsonValue]) -> bool:
        """True if it can quantize while loading, given all the keys of the quantization's block."""
        return self.runs_quantizers

    def runs_technique(self, technique: Mapping[str, JsonValue]) -> bool:
        """True if it runs a technique by its own settings, given all the keys of its block."""
        return False

    def why_not_cached(self) -> Reason | None:
        """The reason why it cannot answer from cached prefixes of prompts; None if it can."""
        return None if self.caches_prefixes else "runs no server, so there is no such cache"

    def prefix_cache(self, wanted: bool) -> bool | None:
        """Whether prompts are answered from cached prefixes of earlier ones; None if unknown.

        `wanted`: a device's `prefix_cache`.
        """
        return False

    def why_not_asked(self, style: str, parts: Collection[Part]) -> Reason | None:
        """The reason why it cannot be asked with a model's `prompt` style; None if it can.

        `parts`: those of a prompt other than the question. Only a chat has room for most of them.
        """
        for part in ("a system message", "shots as turns", "several turns"):
            if part in parts and style != "chat":
                needs = "needs" if part == "a system message" else "need"
                return f"{part} {needs} a model with prompt: chat"
        return None

    def cached_heads(self, architecture: str | None, kv_heads: int, heads: int) -> int:
        """The key-value heads in a model's cache here, given its `kv_heads` and all `heads`.

        The one head of multi-query attention is never broadcast.
        """
        cached = self.cache
        if isinstance(cached, dict):
            cached = cached.get(architecture or "", "grouped")
        return heads if cached == "broadcast" and kv_heads > 1 else kv_heads
