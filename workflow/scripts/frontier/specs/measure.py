"""What measure.py is given: the keys of the catalogue that decide a cell's answers and times.

Which those are, the catalogue's marks say (tests/unit/test_specs.py holds that they are the same);
a plug-in's keys are its own class's.
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
from frontier.results.key import Key
from frontier.specs import Identity, Spec
from frontier.values import first_fault


def _quantizer(value: object) -> Quantizer:
    """The quantizer of a block with its method. Raises ValueError for what is none."""
    if isinstance(value, Quantizer):
        return value
    try:
        return quantizer_of(value if isinstance(value, dict) else {})
    except UserError as error:
        raise ValueError(str(error)) from None
    except ValidationError as invalid:
        raise ValueError(first_fault(invalid)) from None


AnyQuantizer = Annotated[Quantizer, PlainValidator(_quantizer), PlainSerializer(block_of)]
"""In JSON a block of config/quantizations.yaml, with the defaults of all keys."""


class MeasuredModel(Spec):
    """A model's (config/models.yaml)."""

    dtype: Dtype
    prompt: str
    trust_remote_code: bool
    template_arguments: dict[str, JsonValue]
    template_date: date
    published: str | None = None


class MeasuredDevice(Spec):
    """A device's (config/devices.yaml)."""

    accelerator: Accelerator
    gpu: str | None = None
    gpus: int
    threads: int | Literal["auto"]
    dtype: Dtype | None = None
    warmup: Warmup


class MeasuredTask(Spec):
    """A task's (config/tasks.yaml)."""

    prompt: str
    max_new_tokens: int
    stop: tuple[str, ...]


class MeasureIdentity(Identity):
    """What a measurement depends on."""

    request: str | None = None
    """What of it each request's answer and time do, but for its prompt."""


class MeasureSpec(Spec):
    """A cell to be measured."""

    cell: Key
    memory_bytes: int | None = None
    """Of the device, where that is known while planning."""
    environment: str | None = None
    """workflow/envs/ENVIRONMENT.txt that it runs in; None: the core's own."""
    max_background_cores: float
    model: MeasuredModel
    quantization: AnyQuantizer
    device: MeasuredDevice
    engine: AnyEngine
    engine_id: str
    dtype: str
    """The precision of what is not quantized."""
    task: MeasuredTask
    references: tuple[str, ...] = ()
    """What its code refers to outside the project: the session names these packages' versions."""
    identity: MeasureIdentity | None = None

    @property
    def digest(self) -> str:
        """Its identity; "" for a specification by hand."""
        return self.identity.digest if self.identity else ""

    @property
    def request(self) -> str | None:
        """The identity of its requests; None for a specification by hand."""
        return self.identity.request if self.identity else None
