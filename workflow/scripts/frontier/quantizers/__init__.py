"""Quantizers: ways to make a checkpoint smaller. One class a file; the file's name is its `method`.

The fields of a class are the keys of its blocks in config/quantizations.yaml, each marked with the
stage that it decides. It derives from `WhileLoading`, or from `Prepared` if a job converts the
checkpoint (frontier/conversions). A file imports no engine and no tool at the top, since planning
reads it in the core's environment. `make new-quantizer NAME=…` writes one that works.

The transformers engine counts a loaded model's bytes from its parameters and buffers, so
`load_model` registers as buffers the scales that a tool stores elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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
"""`from_pretrained` with the engine's arguments; further ones can be given by name."""


@dataclass(frozen=True)
class EngineFacts:
    """The facts that a quantizer gets about the checkpoint's engine."""

    name: str
    """Used only in reasons."""
    dtypes: tuple[str, ...] = tuple(BYTES)
    """The precisions in which it computes, the preferred one first."""
    plain: str | None = HUB
    """The format of an unquantized model for it; None if none can be written here."""
    environment: str | None = None
    """The engine's environment (workflow/envs/NAME.txt)."""


@dataclass(frozen=True)
class Target:
    """The target of a quantization: a model's family, and where it will run."""

    architecture: str | None
    accelerator: str
    engine: EngineFacts
    adapter: bool = False
    hidden: int | None = None
    """Length of the model's shortest rows; None if not given."""


@dataclass(frozen=True)
class Sizes:
    """The distribution of a model's parameters, for the bytes of its weights."""

    parameters: int
    embedding: int
    """The token embedding's: vocabulary × hidden."""
    tied: bool
    """Whether the head shares the embedding, which is then counted and stored once."""
    hidden: int = 4096
    """Length of most rows, for values stored once per row."""

    @property
    def head(self) -> int:
        """Parameters of a separate head."""
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
    """The id of its calibration texts."""


class Quantizer(Block, ABC):
    """The base of `WhileLoading` and `Prepared`, with the defaults."""

    ENVIRONMENT: ClassVar[str | None] = None
    """The environment (workflow/envs/NAME.txt) that loading needs instead of the engine's."""
    PUBLISHED: ClassVar[tuple[str, ...]] = ()
    """transformers' names of the published methods that `load_published` loads."""

    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    @property
    def method(self) -> str:
        """The name of its file, the `method` of its blocks."""
        return QUANTIZERS.name_of(type(self))

    @property
    def calibrated_with(self) -> str | None:
        """The id of its calibration texts: its key `calibration`, if it has one."""
        return getattr(self, "calibration", None)

    @abstractmethod
    def makes(self, engine: EngineFacts) -> str | None:
        """The format of the checkpoint that the engine loads; None: it quantizes while loading."""

    def unsupported(self, target: Target) -> Reason | None:
        """The reason, known in advance, why it is impossible; None by default."""
        return None

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """The precision of the parts not quantized: the model's own, if the engine has it."""
        return native if native in engine.dtypes else engine.dtypes[0]

    @abstractmethod
    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation | None:
        """The job that produces the checkpoint from a model of that dtype; None if none."""

    @abstractmethod
    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The estimated bytes of the weights; `dtype` is that of the parts not quantized."""

    def expects_quantized(self) -> bool:
        """True if layers must be quantized after loading, to detect silent copies."""
        return True

    def load_model(self, load: Load) -> PreTrainedModel:
        """The model for the transformers engine."""
        return load()

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """The model of a checkpoint published quantized by one of the methods PUBLISHED."""
        return load()

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int | None:
        """The number of quantized layers; None if the checkpoint's job counted them."""
        return None

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str | None:
        """The kernel that multiplies by the packed weights, as text, if known."""
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
        """The number of quantized layers."""


class Prepared(Quantizer, ABC):
    """A quantizer whose checkpoints a job produces."""

    FORMAT: ClassVar[str]
    """The checkpoint's format: it runs on the engines that read it (config/engines.yaml)."""
    CONVERSION: ClassVar[str]
    """The job that produces it: frontier/conversions/CONVERSION.py."""

    def makes(self, engine: EngineFacts) -> str | None:
        """The same format for each engine."""
        return self.FORMAT

    @abstractmethod
    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that converts the checkpoint."""


QUANTIZERS: Registry[Quantizer] = Registry("quantizers", Quantizer, mark=Measure)


def block_of(quantizer: Quantizer) -> dict[str, JsonValue]:
    """All keys that decide a measurement, including defaults, as `quantizer_of` reads them."""
    return {"method": quantizer.method, **explicit(quantizer, Quantizer.model_fields)}


def quantizer_of(block: Mapping[str, JsonValue]) -> Quantizer:
    """The quantizer of a checked block: `method` and the quantizer's keys.

    Raises UserError for an unknown method, pydantic's ValidationError for unchecked keys.
    """
    keys = {name: value for name, value in block.items() if name != "method"}
    return QUANTIZERS.load(str(block.get("method", ""))).model_validate(keys, strict=True)


def usable() -> Iterator[type[Quantizer]]:
    """The classes that fit their contract: another is named once somebody asks for it."""
    for name in QUANTIZERS.names():
        with suppress(UserError):
            yield QUANTIZERS.load(name)


def formats() -> set[str]:
    """The formats of checkpoints that quantizers make or load as published, and the hub's own."""
    found = {HUB}
    for kind in usable():
        found |= {*kind.PUBLISHED, kind.FORMAT} if issubclass(kind, Prepared) else {*kind.PUBLISHED}
    return found


def published_loaders() -> dict[str, type[Quantizer]]:
    """The classes that load published quantizations, by transformers' name of the method.

    Raises UserError if two classes load the same method.
    """
    found: dict[str, type[Quantizer]] = {}
    for name, quantizer in QUANTIZERS.all().items():
        for method in quantizer.PUBLISHED:
            if method in found:
                both = f"{QUANTIZERS.name_of(found[method])} and {name}"
                raise UserError(f"frontier/quantizers: {both} load what is published as {method}")
            found[method] = quantizer
    return found
