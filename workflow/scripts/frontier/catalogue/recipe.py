"""The recipes of grown models and adapters: with code and platform they determine the weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from frontier import templates
from frontier.errors import did_you_mean
from frontier.grammars import GRAMMARS
from frontier.quantizers.common.linears import why_not_quantizable
from frontier.quantizers.rounding import Rounding

TERNARY = "ternary"
PACKED_ROWS = 4  # rows of ternary weights in one of bytes

# Limits for small models, so that a typo does not train until the memory is full.
Count = Annotated[int, Field(ge=1, le=10**7)]
Width = Annotated[int, Field(ge=1, le=2**16)]
Method = Literal["lora", "ia3", "prompt", "bitfit"]


class Corpus(BaseModel):
    """The training examples of one grammar."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    prompt: str
    """Template that the model learns to continue, the same as its task's."""
    examples: Count
    """Number of different training examples, which are repeated in rounds."""
    rows: Count
    """Examples per training step."""
    by_length: bool = False
    """Examples of like length in each step, for corpora whose lengths differ much."""


def _check_corpora(corpora: dict[str, Corpus]) -> dict[str, Corpus]:
    """Raises ValueError for a grammar that does not exist, or a prompt that does not suit it."""
    for name, corpus in corpora.items():
        known = GRAMMARS.names()
        if name not in known:
            raise ValueError(f"there is no grammar {name!r}{did_you_mean(name, known)}")
        fields = GRAMMARS.load(name).FIELDS
        try:
            templates.check(corpus.prompt, fields)
        except ValueError as error:
            raise ValueError(f"{name}.prompt: {error}") from None
    return corpora


Corpora = Annotated[dict[str, Corpus], Field(min_length=1), AfterValidator(_check_corpora)]


class QuantizationAware(BaseModel):
    """Training with rounded weights; the gradient passes the rounding unchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["ternary"] | Rounding
    """`ternary`: BitNet b1.58, with activations of 8 bits; the checkpoint has the weights packed in
    2 bits, and its model's block says `published: bitnet`. Or the keys of a `rounding`
    quantization: the checkpoint has the rounded weights, in full precision, and a quantization with
    the same keys, if symmetric, changes none of them."""
    after: Annotated[float, Field(ge=0, le=0.99)] = 0
    """Share of the steps that come before, in full precision."""


class Recipe(BaseModel):
    """A small model, its corpora and its training."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    architecture: Literal["gpt2", "llama", "falcon"]
    """Transformers' name; falcon is the 7B's: one key-value head, parallel attention and MLP."""
    hidden: Width
    """Width of the residual stream: a multiple of twice `heads`, since positions rotate pairs."""
    layers: Annotated[int, Field(ge=1, le=1000)]
    heads: Width
    kv_heads: Width | None = None
    """Heads with keys and values of their own (llama; falcon has 1): by default all of them."""
    intermediate: Width
    """Width inside the MLP."""
    positions: Annotated[int, Field(ge=1, le=2**20)] = 512
    """The longest text, in tokens."""
    vocabulary: Annotated[int, Field(ge=300, le=10**6)] = 1024
    """Upper limit of the byte-level BPE tokenizer, which is trained on the same corpora."""
    corpora: Corpora
    """The corpora by the names of their grammars, modules of frontier/grammars."""
    steps: Annotated[int, Field(ge=0, le=10**7)]
    """0: the weights stay random; such a model is timed for its shape, and never scored."""
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    """Peak; it rises over the first twentieth of the steps, then falls to 1 % by cosine."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.01
    seed: int = 0
    quantization_aware: QuantizationAware | None = None
    """Train the layers with rounded weights."""

    @property
    def ternary(self) -> bool:
        """True if its checkpoint has ternary weights, packed as BitNet's."""
        return self.quantization_aware is not None and self.quantization_aware.weights == TERNARY

    @model_validator(mode="after")
    def _heads_divide(self) -> Recipe:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} is not a multiple of twice heads {self.heads}")
        return self

    @model_validator(mode="after")
    def _can_be_rounded(self) -> Recipe:
        asked = self.quantization_aware
        if asked and (reason := why_not_quantizable("quantization_aware", self.architecture)):
            raise ValueError(reason)
        if not self.ternary:
            return self
        if self.architecture != "llama":
            raise ValueError(f"ternary weights are for llama, not {self.architecture}")
        for key in ("hidden", "intermediate"):
            if getattr(self, key) % PACKED_ROWS:
                raise ValueError(f"{key}: ternary rows are packed in fours: a multiple of 4")
        if (rows := self.hidden // self.heads * self.cached_heads) % PACKED_ROWS:
            raise ValueError(f"kv_heads: ternary keys have {rows} rows, which is no multiple of 4")
        return self

    @model_validator(mode="after")
    def _heads_are_shared(self) -> Recipe:
        if self.kv_heads is not None and self.architecture != "llama":
            raise ValueError(f"kv_heads: only of llama; {self.architecture} fixes their number")
        if self.heads % self.cached_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        return self

    @property
    def cached_heads(self) -> int:
        """The heads with keys and values of their own."""
        return 1 if self.architecture == "falcon" else self.kv_heads or self.heads


class AdapterRecipe(BaseModel):
    """A small PEFT adapter on a grown model, its corpora and its training."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    method: Method
    """`lora`: low-rank matrices next to each linear layer; `ia3`: a factor for each key, value and
    inner activation of an MLP; `prompt`: trained tokens before each prompt; `bitfit`: a difference
    for each bias, of which only a grown GPT-2 has any."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    """LoRA's rank; its updates are scaled by 2, whatever the rank is."""
    virtual_tokens: Annotated[int, Field(ge=1, le=1024)] = 16
    """Number of trained tokens, with `method: prompt`."""
    corpora: Corpora
    """The corpora by the names of their grammars; the model need not know them."""
    steps: Annotated[int, Field(ge=1, le=10**7)]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    """Peak, by the schedule of a model's recipe; IA³ and trained tokens need more than LoRA."""
    seed: int = 0

    @model_validator(mode="after")
    def _keys_of_the_method(self) -> AdapterRecipe:
        for key, method in {"rank": "lora", "virtual_tokens": "prompt"}.items():
            default = type(self).model_fields[key].default
            if getattr(self, key) != default and self.method != method:
                raise ValueError(f"{key}: only with method: {method} (found {self.method!r})")
        return self
