"""The recipe of a grown model: with the code and the platform it determines the checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class Corpus(BaseModel):
    """The training examples of one grammar."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    prompt: str
    """Template that the model learns to continue, the same as its task's."""
    examples: Count
    """Number of different training examples, which are repeated in rounds."""
    rows: Count
    """Examples per training step."""


class QuantizationAware(BaseModel):
    """Training with rounded weights; the gradient passes the rounding unchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["ternary"] | Rounding
    """`ternary`: BitNet b1.58, with activations of 8 bits; the checkpoint has the weights packed in
    2 bits, and its model's block says `published: bitnet`. Or the keys of a `rounding`
    quantization: the checkpoint has the rounded weights, in full precision, and a quantization with
    the same keys, if symmetric, changes none of them."""
    after: Annotated[float, Field(ge=0, lt=1)] = 0
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
    intermediate: Width
    """Width inside the MLP."""
    positions: Annotated[int, Field(ge=1, le=2**20)] = 512
    """The longest text, in tokens."""
    vocabulary: Annotated[int, Field(ge=300, le=10**6)] = 1024
    """Upper limit of the byte-level BPE tokenizer, which is trained on the same corpora."""
    corpora: Annotated[dict[str, Corpus], Field(min_length=1)]
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
        return self

    @model_validator(mode="after")
    def _corpora_exist(self) -> Recipe:
        for name, corpus in self.corpora.items():
            known = GRAMMARS.names()
            if name not in known:
                raise ValueError(
                    f"corpora: there is no grammar {name!r}{did_you_mean(name, known)}"
                )
            fields = GRAMMARS.load(name).FIELDS
            try:
                templates.check(corpus.prompt, fields)
            except ValueError as error:
                raise ValueError(f"corpora.{name}.prompt: {error}") from None
        return self
