"""The recipe of a grown model: with the code and the platform it determines the checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frontier import templates
from frontier.errors import did_you_mean
from frontier.grammars import GRAMMARS

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

    @model_validator(mode="after")
    def _heads_divide(self) -> Recipe:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} is not a multiple of twice heads {self.heads}")
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
