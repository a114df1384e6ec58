"""An engine's block in the catalogue: what it reads, where it runs, and what it can be asked."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from frontier.blocks import Accelerator, Derived, Dtype, Label, Name, Plan, Plugin, Show, Stage
from frontier.errors import Reason

Asked = Literal["generate", "choose"]
Cached = Literal["grouped", "broadcast"]
Formats = Annotated[tuple[Name, ...], Field(min_length=1), Plan]


class EngineKind(Plugin):
    """Which class an engine's block is for; its other keys are that class's."""

    kind: str
    """frontier/engines/KIND.py."""


class EngineBlock(Derived):
    """The keys of every engine; its class (frontier/engines/KIND.py) has further ones."""

    environment: Annotated[Name | None, Plan] = None
    """workflow/envs/ENVIRONMENT.txt, which pins its packages; without it, it runs in the core's.
    Its pins decide, not its name: with others, all is measured again."""
    reads: Formats
    """Formats of checkpoints: `hub` (safetensors), `gptq`, `awq`, `compressed-tensors`, `gguf`,
    `onnx`, `openvino`, or another method that checkpoints are published quantized by."""
    accelerators: Annotated[tuple[Accelerator, ...], Field(min_length=1), Plan]
    """What it computes on."""
    dtypes: Annotated[tuple[Dtype, ...], Field(min_length=1), Plan] = (
        "float32",
        "bfloat16",
        "float16",
    )
    """Precisions that it computes in; a model of another one is converted to the first."""
    scenarios: Annotated[tuple[Name, ...], Field(min_length=1), Plan] = ("single-stream",)
    """How requests may reach it."""
    asks: Annotated[tuple[Asked, ...], Field(min_length=1), Plan] = ("generate",)
    """`generate`: a text that goes on; `choose`: how likely each of several texts is."""
    cache: Annotated[Cached | dict[Name, Cached], Plan] = "grouped"
    """Key-value heads that its cache holds: the model's own (`grouped`), or one for each head of
    the attention (`broadcast`); a block says it by architecture."""
    own_code: Annotated[bool, Plan] = False
    """It can run a checkpoint's own Python modules (a model's `trust_remote_code`)."""
    adapters: Annotated[bool, Plan] = False
    """It can put a PEFT adapter on a model."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    runs_quantizers: ClassVar[bool] = False
    """It loads through the quantizer's own code, which may so quantize while loading."""

    @property
    def kind(self) -> str:
        """The name of its class's file."""
        return type(self).__module__.rpartition(".")[2]

    def described(self) -> dict[str, Any]:
        """All that its class needs to be built again, as JSON-able values."""
        keys = self.model_dump(mode="json", exclude={"like", "label"}, exclude_none=True)
        return {"kind": self.kind, "options": keys}

    def only(self, stage: Stage) -> Self:
        """A copy that has the keys which decide a stage and no others.

        What is in no identity can so change no result: to use it is an AttributeError.
        """
        copy = self.model_copy()
        for name in type(self).model_fields.keys() - self.deciding(stage):
            del copy.__dict__[name]
        return copy

    def why_not(self, accelerator: str, dtype: str) -> Reason | None:
        """Why it cannot run on that accelerator, or compute in that precision, if it cannot."""
        if accelerator not in self.accelerators:
            return f"{self.kind} runs on {' or '.join(self.accelerators)}, not on {accelerator}"
        if dtype not in self.dtypes:
            return f"{self.kind} computes in {' or '.join(self.dtypes)}, not in {dtype}"
        return None

    def cached_heads(self, architecture: str | None, kv_heads: int, heads: int) -> int:
        """Key-value heads that a model's cache holds here, of its own `kv_heads` and all `heads`.

        The one head of multi-query attention is never broadcast.
        """
        cached = self.cache
        if isinstance(cached, dict):
            cached = cached.get(architecture or "", "grouped")
        return heads if cached == "broadcast" and kv_heads > 1 else kv_heads
