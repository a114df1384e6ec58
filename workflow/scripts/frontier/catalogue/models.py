"""A model's entry in the catalogue: a checkpoint's origin, or a name that an endpoint serves."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from frontier import templates
from frontier.blocks import (
    Arguments,
    Count,
    Dtype,
    Entry,
    Fetch,
    Label,
    Measure,
    Name,
    Plan,
    Score,
    Show,
    Text,
    TokenPrices,
)
from frontier.catalogue.adapters import Adapter
from frontier.catalogue.origins import GgufFile, HubId, LocalPath, Revision
from frontier.catalogue.recipe import Recipe
from frontier.checkpoints.gguf_header import ENDING, METHOD

ORIGINS = ("hub", "path", "grow", "served")
OF_CHECKPOINTS = (
    "adapter", "trust_remote_code", "dtype", "template_arguments", "template_date", "published",
    "published_bits", "gated",
)  # fmt: skip
"""Keys that say something of a checkpoint's files."""
WITH_BIASES = "gpt2"
"""The only architecture that is grown with biases."""
OF_NAMES = ("endpoints", "shutdown")
"""Keys that only a model behind a name has."""


class Model(Entry):
    """A checkpoint at its native precision, from a hub, a folder, or grown here; or a name."""

    hub: Annotated[HubId | None, Fetch] = None
    """Hub id, such as tiiuae/falcon-7b-instruct."""
    revision: Annotated[Revision | None, Fetch] = None
    """Full commit hash; a branch or tag is resolved at the first fetch and recorded in the lock."""
    file: Annotated[GgufFile | None, Fetch] = None
    """A single GGUF file of the hub's repository, which is the model, with its own tokenizer."""
    path: LocalPath | None = None
    """Local checkpoint folder, or a single GGUF file (~ is your home). The content that is read
    counts, not its place."""
    grow: Annotated[Recipe | None, Fetch] = None
    """Recipe to train it here from scratch."""
    served: Annotated[Label | None, Measure] = None
    """Name by which an endpoint serves it, such as gpt-4o-2024-08-06: there is no checkpoint."""
    endpoints: Annotated[tuple[str, ...], Plan] = ()
    """Ids of the engines.yaml that serve it by that name; none: every endpoint."""
    shutdown: Annotated[date | None, Plan] = None
    """Date from which it is no longer served, as published; the plan says when it is near."""
    adapter: Adapter | None = None
    """A PEFT adapter to apply; it is fetched, read from a folder, or grown, like the model."""
    trust_remote_code: Annotated[bool, Measure] = False
    """Fetch the checkpoint's own Python modules too, and run them while loading."""
    dtype: Annotated[Dtype, Measure] = "float32"
    """The precision of the native variant."""
    prompt: Annotated[str, AfterValidator(templates.style), Measure] = "plain"
    """`plain`, `chat` (the tokenizer's chat template), or a template with {prompt} in it."""
    system: Annotated[Text | None, Measure] = None
    """Text of the system message before each prompt, with `prompt: chat`; a task's replaces it."""
    template_arguments: Annotated[Arguments, Measure] = Field(default_factory=dict)
    """Arguments of the chat template, such as {enable_thinking: false}."""
    template_date: Annotated[date, Measure] = templates.TODAY
    """Date that chat templates get as today's, so that prompts stay the same."""
    parameters: Annotated[Count | None, Score] = None
    """Number of parameters, for MFU; with vocabulary, hidden and tied for the weights' memory."""
    vocabulary: Annotated[Count | None, Plan] = None
    """Rows of the embedding, which most quantizations do not change."""
    hidden: Annotated[Count | None, Plan] = None
    """Width of the embedding."""
    tied: Annotated[bool, Plan] = False
    """The output head shares the embedding, which is stored once."""
    published: Annotated[str | None, Measure] = None
    """Method by which a hub's checkpoint is published quantized, as its config.json names it (gptq,
    awq, bitsandbytes, compressed-tensors, …); for a local folder it is read from there, and a
    GGUF file is `gguf`."""
    published_bits: Annotated[Annotated[int, Field(gt=0, le=16)] | None, Plan] = None
    """Bits per weight of a checkpoint published quantized (BitNet b1.58: 2)."""
    head_of: Annotated[Name | None, Plan] = None
    """Id of the model whose drafts it writes as a head (EAGLE): it is no model of its own, and only
    a `draft_head` technique loads it."""
    base: Annotated[Name | None, Show] = None
    """Id of its original, as of a checkpoint that was published quantized: its native variant is
    compared with that one's on the same device."""
    layers: Annotated[Count | None, Plan] = None
    """Layers; with kv_heads and head_dim they give the size of the KV cache."""
    heads: Annotated[Count | None, Plan] = None
    """Attention heads; by default hidden / head_dim."""
    kv_heads: Annotated[Count | None, Plan] = None
    """Key-value heads; fewer than the attention heads if these share them."""
    head_dim: Annotated[Count | None, Plan] = None
    """Width of a head."""
    architecture: Annotated[Name | None, Plan] = None
    """transformers' model_type; quantizations declare those that they cannot quantize."""
    active_parameters: Annotated[Count | None, Score] = None
    """Parameters read per token, if not all of them (mixture of experts)."""
    price_per_million_tokens: Annotated[TokenPrices | None, Score] = None
    """Prices of its tokens at endpoints without prices of their own."""
    label: Annotated[Label | None, Show] = None
    """Its name in the report."""
    licence: Annotated[Label | None, Show] = None
    """The weights' licence, by its name."""
    gated: Annotated[bool, Show] = False
    """The hub requires an accepted licence and a token (HF_TOKEN)."""

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        origins = [name for name in ORIGINS if getattr(self, name) is not None]
        if len(origins) != 1:
            known = ", ".join(ORIGINS)
            raise ValueError(f"give exactly one of {known} (found {origins or 'none'})")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision go together")
        return self

    @property
    def applied(self) -> Adapter | None:
        """The adapter to be applied while loading; None if it is merged into the checkpoint."""
        return None if self.adapter and self.adapter.merged else self.adapter

    @property
    def gguf(self) -> bool:
        """True if its checkpoint is a single GGUF file."""
        local = self.path is not None and self.path.suffix.lower() == ENDING
        return self.file is not None or local

    @property
    def attention_heads(self) -> dict[str, int]:
        """Its attention heads, and those with keys and values of their own; none if unknown."""
        if self.grow:
            return {"heads": self.grow.heads, "kv_heads": self.grow.cached_heads}
        heads = self.heads or (self.hidden or 0) // (self.head_dim or 1)
        return {"heads": heads, "kv_heads": self.kv_heads} if heads and self.kv_heads else {}

    @model_validator(mode="after")
    def _keys_of_a_file(self) -> Model:
        if self.file and not self.hub:
            raise ValueError("file: only with hub; give a file of this machine as path")
        if (self.published == METHOD) > self.gguf:
            raise ValueError("published: gguf is a single file: name it in file, or path")
        if self.gguf and self.published not in (None, METHOD):
            raise ValueError(f"published: a GGUF file is not published as {self.published}")
        if self.gguf and self.trust_remote_code:
            raise ValueError("trust_remote_code: a GGUF file has no code")
        return self

    @model_validator(mode="after")
    def _keys_of_its_origin(self) -> Model:
        for name in OF_CHECKPOINTS if self.served else OF_NAMES:
            if self.says(name):
                what = "a model with `served` has no checkpoint" if self.served else "needs served"
                raise ValueError(f"{name}: {what}")
        return self

    @model_validator(mode="after")
    def _adapter_suits(self) -> Model:
        grown = self.adapter and self.adapter.grow
        if grown and not self.grow:
            raise ValueError("adapter.grow: only on a model that is grown too")
        family = self.grow.architecture if self.grow else WITH_BIASES
        if grown and grown.method == "bitfit" and family != WITH_BIASES:
            raise ValueError(f"adapter.grow.method: a {family} that is grown here has no biases")
        return self

    @model_validator(mode="after")
    def _grown_is_published_as_it_is_written(self) -> Model:
        written = "bitnet" if self.grow and self.grow.ternary else None
        if self.grow and self.published != written:
            if written:
                raise ValueError("published: a model with ternary weights says `published: bitnet`")
            raise ValueError(f"published: this recipe writes no {self.published} weights")
        return self

    @model_validator(mode="after")
    def _parts_of_the_parameters(self) -> Model:
        if self.parameters is None:
            return self
        outside = (self.vocabulary or 0) * (self.hidden or 0) * (1 if self.tied else 2)
        if max(outside, self.active_parameters or 0) > self.parameters:
            raise ValueError(
                f"parameters: {self.parameters} are fewer than the model's parts have, "
                "according to active_parameters, or to vocabulary, hidden and tied"
            )
        return self

    @model_validator(mode="after")
    def _template_is_used(self) -> Model:
        for key in ("system", "template_arguments", "template_date"):
            if self.says(key) and self.prompt != "chat":
                raise ValueError(f"{key}: only with prompt: chat (found prompt: {self.prompt!r})")
        return self
