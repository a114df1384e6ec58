"""Quantizers: ways to make a checkpoint smaller. One class a file; the file's name is its `method`.

The fields of a class are the keys of its blocks in config/quantizations.yaml, each with the mark of
what it decides. It derives from `WhileLoading`, or from `Prepared` where a job makes a checkpoint
of its own (frontier/conversions). No engine and no tool is imported at a file's top, for the plan
asks it in the core's environment.

    class Halves(WhileLoading):
        weights: Annotated[Literal["float16"], Measure]

        def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
            return sizes.parameters * 2

        def load_model(self, load: Load) -> PreTrainedModel:
            return load().half()

        @classmethod
        def quantized_layers(cls, model: PreTrainedModel) -> int: ...

The transformers engine counts what a loaded model stores from its parameters and buffers; so
`load_model` registers as buffers the scales that a tool keeps elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, final

from pydantic import JsonValue

from frontier.blocks import Block, Label, Measure, Show
from frontier.chosen import explicit
from frontier.errors import Reason, UserError
from frontier.registry import Registry

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
HUB = "hub"
"""The format of a checkpoint in the hub's layout, in plain floating point."""

Load = Callable[..., "PreTrainedModel"]
"""`from_pretrained` with the engine's own arguments, to which further ones are given by name."""


@dataclass(frozen=True)
class EngineFacts:
    """What a quantizer may know of the engine that its checkpoint is for."""

    name: str
    """For reasons; nothing is decided by it."""
    dtypes: tuple[str, ...] = tuple(BYTES)
    """What it computes in, the preferred one first."""
    plain: str | None = HUB
    """The format in which it reads a model as it is; None: in none that can be written here."""
    environment: str | None = None
    """The engine's own (workflow/envs/NAME.txt), where a model is converted to `plain`."""


@dataclass(frozen=True)
class Target:
    """What a quantization is asked to do: a model's family, and where it is to run."""

    architecture: str | None
    accelerator: str
    engine: EngineFacts
    adapter: bool = False
    hidden: int | None = None
    """Length of the model's shortest rows; None where it is not given."""


@dataclass(frozen=True)
class Sizes:
    """How a model's parameters are spread, for the bytes that its weights take."""

    parameters: int
    embedding: int
    """Of the token embedding alone: vocabulary × hidden."""
    tied: bool
    """The head is the embedding: it is counted, and stored, once."""
    hidden: int = 4096
    """Length of most rows, for what is stored once a row."""

    @property
    def head(self) -> int:
        """Parameters of a head of its own."""
        return 0 if self.tied else self.embedding

    @property
    def layers(self) -> int:
        """All other parameters: the layers' matrices and their few norms and biases."""
        return self.parameters - self.embedding - self.head


@dataclass(frozen=True)
class Preparation:
    """A job that turns a model's checkpoint into another one."""

    conversion: str
    """frontier/conversions/CONVERSION.py."""
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    """The conversion's own keys."""
    environment: str | None = None
    """workflow/envs/ENVIRONMENT.txt; None: the core's own."""
    calibration: str | None = None
    """The id of the texts that it looks at."""


class Quantizer(Block, ABC):
    """The base of `WhileLoading` and `Prepared`, with the defaults."""

    ENVIRONMENT: ClassVar[str | None] = None
    """The pins (workflow/envs/NAME.txt) that loading needs besides the engine's own."""
    PUBLISHED: ClassVar[tuple[str, ...]] = ()
    """transformers' names of the methods whose published checkpoints `load_published` loads."""

    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    @property
    def method(self) -> str:
        """The name of its file, which a block gives as its `method`."""
        return QUANTIZERS.name_of(type(self))

    @property
    def calibrated_with(self) -> str | None:
        """The id of the texts that it looks at: its key `calibration`, where it has one."""
        texts: str | None = getattr(self, "calibration", None)
        return texts

    @abstractmethod
    def makes(self, engine: EngineFacts) -> str | None:
        """The format of the checkpoint that the engine loads; None: it quantizes while loading."""

    def unsupported(self, target: Target) -> Reason | None:
        """The reason, known beforehand, why it cannot be; by default nothing is refused."""
        return None

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """The precision of what is not quantized, where `native` is the model's own."""
        return native

    @abstractmethod
    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation | None:
        """The job that makes the checkpoint out of a model of that dtype; None where none does."""

    @abstractmethod
    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The bytes that the weights take, for the plan; `dtype` is of what is not quantized."""

    def expects_quantized(self) -> bool:
        """Whether layers must come out quantized, so that none is ever a silent copy."""
        return True

    def load_model(self, load: Load) -> PreTrainedModel:
        """The model as the transformers engine runs it."""
        return load()

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """A checkpoint that was published quantized by one of the methods PUBLISHED."""
        return load()

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int | None:
        """How many layers came out quantized; None: the job that made the checkpoint counted."""
        return None

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str | None:
        """What multiplies by the packed weights, in words, where that is known."""
        return None


class WhileLoading(Quantizer, ABC):
    """A quantizer that packs a checkpoint's weights while the transformers engine loads it."""

    @final
    def makes(self, engine: EngineFacts) -> str | None:
        """None: it quantizes while loading."""
        return None

    @final
    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation | None:
        """None: no job."""
        return None

    @abstractmethod
    def load_model(self, load: Load) -> PreTrainedModel:
        """The model, quantized. Raises UnsupportedError where a layer cannot be."""

    @classmethod
    @abstractmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """How many layers came out quantized."""


class Prepared(Quantizer, ABC):
    """A quantizer whose checkpoints a job makes."""

    FORMAT: ClassVar[str]
    """Of the checkpoint: it runs on the engines that read it (config/engines.yaml)."""

    def makes(self, engine: EngineFacts) -> str | None:
        """The same format for each engine."""
        return self.FORMAT

    @abstractmethod
    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job."""


QUANTIZERS: Registry[Quantizer] = Registry("quantizers", Quantizer, mark=Measure)


def block_of(quantizer: Quantizer) -> dict[str, JsonValue]:
    """All that decides a measurement, defaults included: what `quantizer_of` reads back."""
    return {"method": quantizer.method, **explicit(quantizer, Quantizer.model_fields)}


def quantizer_of(block: Mapping[str, JsonValue]) -> Quantizer:
    """The quantizer of a block that the catalogue has checked: `method` and the quantizer's keys.

    Raises UserError for an unknown method, pydantic's ValidationError for what was not checked.
    """
    keys = dict(block)
    return QUANTIZERS.load(str(keys.pop("method", ""))).model_validate(keys, strict=True)


def published_loaders() -> dict[str, type[Quantizer]]:
    """By the methods that checkpoints are published quantized by, the classes that load them.

    Raises UserError where two classes load the same.
    """
    found: dict[str, type[Quantizer]] = {}
    for name, quantizer in QUANTIZERS.all().items():
        for method in quantizer.PUBLISHED:
            if method in found:
                both = f"{QUANTIZERS.name_of(found[method])} and {name}"
                raise UserError(f"frontier/quantizers: {both} load what is published as {method}")
            found[method] = quantizer
    return found
