"""The specification of measure.py: the catalogue's keys that decide a cell's answers and times.

These are the keys marked in the catalogue (checked by tests/unit/test_specs.py); a plug-in's keys
are those of its class.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import JsonValue, PlainSerializer, PlainValidator, ValidationError

from frontier.blocks import Accelerator, Dtype
from frontier.catalogue.devices import Warmup
from frontier.engines import AnyEngine
from frontier.errors import UserError
from frontier.quantizers import Quantizer, block_of, quantizer_of
from frontier.results.key import Key, MeasureIdentity
from frontier.specs import Spec
from frontier.values import first_fault


def _quantizer(value: object) -> Quantizer:
    """The quantizer for a block with its method. Raises ValueError for an invalid one."""
    if isinstance(value, Quantizer):
        return value
    try:
        return quantizer_of(value if isinstance(value, dict) else {})
    except UserError as error:
        raise ValueError(str(error)) from None
    except ValidationError as invalid:
        raise ValueError(first_fault(invalid)) from None


AnyQuantizer = Annotated[Quantizer, PlainValidator(_quantizer), PlainSerializer(block_of)]
"""A block of config/quantizations.yaml as JSON, with the defaults of all keys."""


class MeasuredModel(Spec):
    """A model's keys (config/models.yaml)."""

    dtype: Dtype
    prompt: str
    trust_remote_code: bool
    template_arguments: dict[str, JsonValue]
    template_date: date
    published: str | None = None


class MeasuredDevice(Spec):
    """A device's keys (config/devices.yaml)."""

    accelerator: Accelerator
    gpu: str | None = None
    gpus: int
    threads: int | Literal["auto"]
    dtype: Dtype | None = None
    warmup: Warmup


class MeasuredTask(Spec):
    """A task's keys (config/tasks.yaml)."""

    prompt: str
    max_new_tokens: int
    stop: tuple[str, ...]


class MeasureSpec(Spec):
    """A cell to be measured."""

    cell: Key
    memory_bytes: int | None = None
    """The device's memory, if known while planning."""
    environment: str | None = None
    """workflow/envs/ENVIRONMENT.txt in which it runs; None: the core's own."""
    max_background_cores: float
    model: MeasuredModel
    quantization: AnyQuantizer
    device: MeasuredDevice
    engine: AnyEngine
    engine_id: str
    dtype: str
    """The precision of the parts that are not quantized."""
    task: MeasuredTask
    references: tuple[str, ...] = ()
    """The code's references outside the project, whose packages' versions sessions record."""
    identity: MeasureIdentity | None = None

    @property
    def digest(self) -> str:
        """Its identity; "" for a specification by hand."""
        return self.identity.digest if self.identity else ""

    @property
    def request(self) -> str | None:
        """The identity of its requests; None for a specification by hand."""
        return self.identity.request if self.identity else None
