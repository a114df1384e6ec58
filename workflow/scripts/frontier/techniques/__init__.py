"""Techniques: ways to run a variant faster or longer. A file each: `class PromptLookup(Technique)`.

The fields of a class are the keys of its blocks in config/techniques.yaml, each marked with the
stage that it decides. A variant names the blocks that it runs with, behind a +, and is compared
with the one without the last of them. An engine of this process runs a technique by the methods
below that begin with its kind (ENGINES says for which there are some); a server by its own
settings, which its block has under `techniques`.

A technique that changed nothing must not be measured: `idle_in_transformers` says why it did not.
A file imports no engine at the top, since planning reads it in the core's environment.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import JsonValue, ValidationError

from frontier.blocks import Block, Label, Measure, Plugin, Show
from frontier.chosen import explicit
from frontier.engine_block import Asked
from frontier.errors import Reason, UserError
from frontier.registry import Registry
from frontier.values import first_fault


class TechniqueKind(Plugin):
    """The class of a technique's block, which has its other keys."""

    kind: str
    """frontier/techniques/KIND.py."""


@dataclass(frozen=True)
class Context:
    """The cell in which a technique is to run, as far as the plan knows it."""

    engine: str
    """The kind of the engine."""
    accelerator: str
    dtype: str
    quantizer: str
    """The method of the quantization."""
    architecture: str | None = None
    """transformers' model_type; None if unknown before the checkpoint is fetched."""
    head_dim: int | None = None
    """The size of an attention head; None likewise."""
    asks: Asked = "generate"
    scenario: str = "single-stream"
    samples: bool = False
    """Whether tokens are chosen at random."""
    environment: str | None = None
    """workflow/envs/ENVIRONMENT.txt in which the engine runs; None: the core's own."""
    experts: bool = False
    """Whether the model is a mixture of experts, as far as the catalogue says."""


class Technique(Block, ABC):
    """The base of all techniques, with the defaults."""

    ENGINES: ClassVar[tuple[str, ...]] = ()
    """The kinds of engines of this process for which it has methods."""
    CHOOSES: ClassVar[bool] = True
    """Whether it changes how the likelihood of a text is computed; else it only generates."""
    SCENARIOS: ClassVar[tuple[str, ...]] = ("single-stream", "offline", "server")
    """The scenarios in which engines of this process run it."""

    OWN_CACHE: ClassVar[bool] = False
    """Whether it replaces transformers' key-value cache; at most one of a variant's can."""
    SPECULATES: ClassVar[bool] = False
    """Whether it takes rejected tokens back, which only a cache that grows can do."""
    DRAFTS_BY_A_HEAD: ClassVar[bool] = False
    """Whether its `draft` is a head of the variant's model, which is no model of its own."""
    COMPILES: ClassVar[bool] = False
    """Whether transformers' models are compiled, which engines/loaded/compiled.py does."""
    OFFLOADS: ClassVar[bool] = False
    """Whether a part of the weights stays in the host's memory, on a device with its own."""
    CONTINUES: ClassVar[bool] = False
    """Whether requests join a running batch, which engines/loaded/continuous.py computes."""

    label: Annotated[Label | None, Show] = None
    """Its name in the report."""

    @property
    def kind(self) -> str:
        """The name of its file, the `kind` of its blocks."""
        return TECHNIQUES.name_of(type(self))

    @property
    def draft_model(self) -> str | None:
        """The id of a second model whose checkpoint it loads: its key `draft`, if it has that."""
        return getattr(self, DRAFT, None)

    @property
    def cached_tokens(self) -> int | None:
        """The most tokens that its key-value cache holds; None if it grows with each."""
        return None

    def simulates(self, architecture: str | None) -> bool:
        """True if it only shows the cost in accuracy, so that times say nothing; by default not."""
        return False

    def pointless(self, context: Context) -> Reason | None:
        """The reason why it would change nothing, by whichever engine runs it; None by default."""
        return None

    def unsupported(self, context: Context) -> Reason | None:
        """The reason, known in advance, why it is impossible in this process; None by default."""
        return None

    def clashes(self, other: Technique) -> Reason | None:
        """The reason why it cannot run together with another one; None by default."""
        return None

    @property
    def llama_cpp_cache(self) -> str | None:
        """The type of llama.cpp's key-value cache, as ggml names it; None: its own choice."""
        return None

    @property
    def genai_guidance(self) -> tuple[str, str] | None:
        """The kind and the text of ONNX Runtime GenAI's guidance; None: it has none."""
        return None

    @property
    def openvino_cache(self) -> str | None:
        """The precision of OpenVINO's key-value cache, as OpenVINO names it; None: its choice."""
        return None

    def openvino_genai_loading(self, draft: Path | None) -> dict[str, Any]:
        """Further properties of OpenVINO GenAI's pipeline.

        `draft`: the folder of the `draft_model` as a pipeline reads it, None without one.
        """
        return {}

    def openvino_genai_scheduling(self) -> dict[str, Any]:
        """Further keys of OpenVINO GenAI's `SchedulerConfig`."""
        return {}

    def openvino_genai_generating(self) -> dict[str, Any]:
        """Further keys of OpenVINO GenAI's `GenerationConfig`, for each request."""
        return {}

    def transformers_loading(self) -> dict[str, Any]:
        """Further arguments of transformers' `from_pretrained`."""
        return {}

    def change_transformers(self, model: Any) -> None:
        """Changes the loaded model in place. Raises UnsupportedError where it has no effect."""

    def change_transformers_draft(self, draft: Any) -> None:
        """Changes the loaded `draft_model` in place."""

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """Further arguments of transformers' `generate`, for each request.

        `draft`: the loaded `draft_model`, None without one.
        """
        return {}

    def transformers_processing(self, prompting: Any, vocabulary: int) -> Callable[[], Any] | None:
        """A function that makes a logits processor of `generate` for each request; None: no such.

        `prompting`: the checkpoint's tokenizer and ends; `vocabulary`: the number of logits.
        """
        return None

    def read_share(self, model: Any) -> float | None:
        """The share of a model's parameters that a token needs with it; None: it leaves none out.

        `model`: transformers', after `change_transformers`.
        """
        return None

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """The reason why a first request shows that it changed nothing; None if it did.

        `cache`: the key-value cache of that request, None where `generate` returns none.
        """
        return None

    def seen_in_transformers(
        self, model: Any, prompt: Sequence[int], tokens: Sequence[int]
    ) -> Mapping[str, Any]:
        """Its traces in an answer, as fields of a `Generation`; computed after the clock is read.

        `prompt`, `tokens`: the ids of the prompt and the answer.
        """
        return {}


DRAFT = "draft"
"""The key with the id of a technique's draft model."""
TECHNIQUES: Registry[Technique] = Registry("techniques", Technique, mark=Measure)


def block_of(technique: Technique) -> dict[str, JsonValue]:
    """All keys that decide a measurement, including defaults, as `technique_of` reads them."""
    return {"kind": technique.kind, **explicit(technique, Technique.model_fields)}


def check_keys(block: Mapping[str, JsonValue]) -> None:
    """Raises UserError for keys or values that no block of the kind has; some may be missing."""
    keys = {name: value for name, value in block.items() if name != "kind"}
    try:
        TECHNIQUES.load(str(block.get("kind", ""))).model_validate(keys, strict=True)
    except ValidationError as invalid:
        if any(one["loc"] and one["type"] != "missing" for one in invalid.errors()):
            raise UserError(first_fault(invalid)) from None


def identity_of(technique: Technique) -> dict[str, JsonValue]:
    """All keys that decide a measurement, but for a draft's id: its weights decide, by any name."""
    return {name: one for name, one in block_of(technique).items() if name != DRAFT}


def technique_of(block: Mapping[str, JsonValue]) -> Technique:
    """The technique of a block: `kind` and the technique's keys. Raises UserError."""
    keys = {name: value for name, value in block.items() if name != "kind"}
    kind = TECHNIQUES.load(str(block.get("kind", "")))
    try:
        return kind.model_validate(keys, strict=True)
    except ValidationError as invalid:
        raise UserError(first_fault(invalid)) from None
