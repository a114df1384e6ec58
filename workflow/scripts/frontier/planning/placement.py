"""A variant on a device: checkpoint, precision, bytes, and whether it can run.

Depends only on the quantizer and the blocks of model, device and engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

from frontier.catalogue.devices import Device
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.models import Model
from frontier.checkpoints.gguf_header import METHOD
from frontier.checkpoints.published import Published, published
from frontier.checkpoints.safetensor_files import CONFIG
from frontier.conversions import plain_formats
from frontier.engine_block import EngineBlock
from frontier.engines import ENGINES, Engine
from frontier.errors import Reason
from frontier.planning.adapting import why_not_adapted
from frontier.quantizers import (
    BYTES,
    EngineFacts,
    Preparation,
    Quantizer,
    Sizes,
    Target,
    block_of,
    published_loaders,
)
from frontier.quantizers.common.published import refusal
from frontier.techniques import Technique

Ids = tuple[str, ...]
PROMPT_TOKENS = 1024  # room for a prompt in the cache


@cache
def _plain_formats() -> frozenset[str]:
    """The formats in which a model can be written as it is."""
    return frozenset(plain_formats())


def engine_facts(engine: EngineBlock) -> EngineFacts:
    """The facts about an engine for a quantizer."""
    plain = next((format for format in engine.reads if format in _plain_formats()), None)
    return EngineFacts(engine.kind, engine.dtypes, plain, engine.environment)


@dataclass(frozen=True)
class Placement:
    """A variant on a device, as its quantizer sees them."""

    quantizer: Quantizer
    model: Model
    device: Device
    engine: Engine
    served: str | None = None
    """The model's name at an endpoint that runs elsewhere; None: its checkpoint is loaded here."""
    techniques: tuple[Technique, ...] = ()

    @property
    def architecture(self) -> str | None:
        """transformers' model_type, if known before the checkpoint is fetched."""
        return self.model.grow.architecture if self.model.grow else self.model.architecture

    @property
    def dtype(self) -> str:
        """The precision of the parts that are not quantized; empty if an endpoint decides it."""
        if self.engine.remote:
            return ""
        native = self.device.dtype or self.model.dtype
        return self.quantizer.compute_dtype(native, self.facts)

    @cached_property
    def facts(self) -> EngineFacts:
        """The facts about the engine for the quantizer."""
        return engine_facts(self.engine)

    @cached_property
    def preparation(self) -> Preparation | None:
        """The job that produces the checkpoint to load; None if the model's own is loaded."""
        if self.engine.remote:
            return None
        return self.quantizer.preparation(self.facts, self.model.dtype)

    @cached_property
    def published(self) -> Published | None:
        """The model's published quantization: as declared for a hub's, as read from a folder."""
        if self.model.published or self.model.gguf:
            bits = self.model.published_bits
            return Published(self.model.published or METHOD, f"{bits} bits" if bits else "")
        path = self.model.path
        return published(path) if path and (path / CONFIG).is_file() else None

    @property
    def loader(self) -> type[Quantizer]:
        """The quantizer that loads the checkpoint: the published one's, if it has one."""
        own = type(self.quantizer)
        return published_loaders().get(self.published.method, own) if self.published else own

    @cached_property
    def environment(self) -> str | None:
        """The measurement's environment: the quantizer's, the engine's, or the core's (None)."""
        return self.loader.ENVIRONMENT or self.engine.environment

    @property
    def weight_bytes(self) -> int | None:
        """Estimated bytes of the stored weights; None if the number of parameters is not given.

        None at an endpoint too, which holds them elsewhere.
        """
        model = self.model
        if model.parameters is None or self.engine.remote:
            return None
        embedding = (model.vocabulary or 0) * (model.hidden or 0)
        sizes = Sizes(model.parameters, embedding, tied=model.tied)
        if model.hidden:
            sizes = replace(sizes, hidden=model.hidden)
        if model.published_bits and model.gguf:
            return model.parameters * model.published_bits // 8  # of the embedding too
        if model.published_bits:
            rest = (sizes.embedding + sizes.head) * BYTES[self.dtype]
            return sizes.layers * model.published_bits // 8 + rest
        return self.quantizer.stored_bytes(sizes, self.dtype, self.facts)

    @property
    def runs(self) -> bool:
        """True if the engine can load this quantization's output, or serves the model by a name."""
        if self._misplaced():
            return False
        if self.engine.remote:
            return True
        format_ = self.quantizer.makes(self.facts)
        if format_ is None:
            return self.engine.quantizes_by(block_of(self.quantizer))
        return format_ in self.engine.reads

    def unsupported(self) -> str | None:
        """The reason why this cannot run regardless of memory; None if it can."""
        engine = self.engine.kind
        if reason := self._misplaced():
            return reason
        if self.engine.remote:
            return self.engine.why_not(self.device.accelerator, self.dtype)
        if not self.runs:
            return self._not_read()
        if unfit := self._published_unfit():
            return unfit
        reason = self.engine.why_not(self.device.accelerator, self.dtype)
        if reason := reason or self.engine.why_not_architecture(self.architecture):
            return reason
        if self.dtype in self.device.unsupported_dtypes:
            return f"the device does not compute in {self.dtype}"
        prepares = self.preparation is not None
        if reason := why_not_adapted(self.model, self.engine, self.published, prepares=prepares):
            return reason
        other = self.preparation and self.preparation.environment
        if self.model.trust_remote_code and (other or not self.engine.own_code):
            where = f"in {other}'s environment" if other else f"on {engine}"
            return f"the checkpoint's own code (trust_remote_code) does not run {where}"
        target = Target(
            self.architecture,
            self.device.accelerator,
            self.facts,
            adapter=self.model.applied is not None,
            hidden=self.model.grow.hidden if self.model.grow else self.model.hidden,
        )
        return self.quantizer.unsupported(target)

    def _misplaced(self) -> Reason | None:
        """The reason why a model behind a name, or a checkpoint, is not for this engine."""
        if not self.engine.remote:
            return "has no checkpoint: only endpoints serve it" if self.model.served else None
        if self.served is None:
            named = "its endpoints are others" if self.model.served else "it needs a name there"
            return f"{self.device.engine} does not serve this model: {named} (serves: of a device)"
        if block_of(self.quantizer) != {"method": "native"}:
            return "an endpoint serves a model as it is: nothing can be quantized there"
        if self.model.adapter:
            return "an endpoint serves a model as it is: no adapter can be put on there"
        if self.model.template_arguments:
            return "an endpoint renders chats itself, without template_arguments"
        return None

    def _not_read(self) -> Reason:
        """The reason why the engine cannot load the quantizer's output, by its formats."""
        reads = f"{self.engine.kind} reads {' or '.join(self.engine.reads)}"
        format_ = self.quantizer.makes(self.facts)
        if format_:
            return f"{reads}; {self.quantizer.method} writes {format_}"
        able = [name for name, kind in ENGINES.all().items() if kind.runs_quantizers]
        by = f" by {' or '.join(able)}" if able else ""
        return f"{reads}; {self.quantizer.method} quantizes while loading{by}"

    def _published_unfit(self) -> str | None:
        """The reason why a checkpoint published quantized cannot be this variant here."""
        changed = bool(self.quantizer.expects_quantized() or self.preparation)
        if self.published:
            if reason := refusal(self.published, self.quantizer):
                return reason
            if self.preparation and self.preparation.conversion == self.published.method:
                changed = False  # the file that the engine reads is checked, and used as it is
            where, kind = self.device.accelerator, self.engine.kind
            if changed or self.published.method not in self.engine.reads:
                return f"published quantized: {self.published}, which {kind} does not read"
            if self.engine.runs_quantizers and where not in ("cpu", "cuda") and not self.model.gguf:
                return f"published quantized: {self.published}, which is not tested on {where}"
        elif self.model.published_bits and changed:
            bits = self.model.published_bits
            return f"its weights are published in {bits} bits and cannot be quantized again"
        return None


def placed(
    catalogue: Catalogue, model: str, quantization: str, device: str, techniques: Ids = ()
) -> Placement:
    """The placement for these ids."""
    quantizer, place = catalogue.quantizations[quantization], catalogue.devices[device]
    engine = catalogue.engines[place.engine]
    name = served_name(catalogue, model, device) if engine.remote else None
    ways = tuple(catalogue.techniques[one] for one in techniques)
    return Placement(quantizer, catalogue.models[model], place, engine, name, ways)


def served_name(catalogue: Catalogue, model: str, device: str) -> str | None:
    """The name of a model at a device's endpoint: the device's, or else the model's own there."""
    place, block = catalogue.devices[device], catalogue.models[model]
    if model in place.serves:
        return place.serves[model]
    everywhere = not block.endpoints or place.engine in block.endpoints
    return block.served if everywhere else None


def kv_cache_bytes(model: Model, engine: EngineBlock, dtype: str, new_tokens: int) -> int | None:
    """Estimated key-value cache of one request: tokens · layers · heads · head_dim · 2 · bytes.

    That is a key and a value per cached head, layer and token; None if the model's block lacks the
    sizes.
    """
    if model.layers is None or model.kv_heads is None or model.head_dim is None:
        return None
    every = model.heads or (model.hidden or 0) // model.head_dim or model.kv_heads
    heads = engine.cached_heads(model.architecture, model.kv_heads, every)
    per_token = model.layers * heads * model.head_dim * 2 * BYTES[dtype]
    return (PROMPT_TOKENS + new_tokens) * per_token
