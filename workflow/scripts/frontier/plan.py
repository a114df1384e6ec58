"""Catalogue × study -> cells, each planned or left out with a reason. Pure: it runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from frontier.catalogue import Catalogue, Device, Model
from frontier.configuration import check, one_of, plugin
from frontier.errors import UserError, nearest
from frontier.quantizers import BYTES

MARGIN_BYTES = 1_000_000_000  # activations, workspaces and the runtime's own context
PROMPT_TOKENS = 1024  # room in the cache for a prompt

HostMemory = Callable[[str, int], int | None]


@dataclass(frozen=True, order=True)
class Cell:
    """One variant on one device at one task, and whether it can be measured at all."""

    variant: str
    model: str
    quantization: str
    device: str
    task: str
    outcome: str = "planned"
    reason: str | None = None

    @property
    def name(self) -> str:
        """VARIANT/DEVICE/TASK, the cell's place below results/."""
        return f"{self.variant}/{self.device}/{self.task}"

    @property
    def planned(self) -> bool:
        """Whether it is to be measured."""
        return self.outcome == "planned"


def variant_id(model: str, quantization: str) -> str:
    """`model` for the native variant, else `model-quantization`."""
    return model if quantization == "native" else f"{model}-{quantization}"


def variants(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """Every variant id of the catalogue with its model and quantization."""
    return {
        variant_id(model, quantization): (model, quantization)
        for model in catalogue.models
        for quantization in catalogue.quantizations
    }


def dtype_of(catalogue: Catalogue, model: str, quantization: str, device: str) -> str:
    """The precision of what is not quantized, on that device."""
    block = catalogue.quantizations[quantization]
    quantizer = plugin("quantizers", block.method, "config/quantizations.yaml")
    options = quantizer.Options(**block.options)
    native = catalogue.devices[device].dtype or catalogue.models[model].dtype
    dtype: str = quantizer.compute_dtype(options, native)
    return dtype


def weight_bytes(catalogue: Catalogue, model: str, quantization: str, device: str) -> int | None:
    """Estimated bytes of a variant's stored weights; None where parameters are not given."""
    parameters = catalogue.models[model].parameters
    if parameters is None:
        return None
    block = catalogue.quantizations[quantization]
    quantizer = plugin("quantizers", block.method, "config/quantizations.yaml")
    dtype = dtype_of(catalogue, model, quantization, device)
    width: float = quantizer.bytes_per_parameter(quantizer.Options(**block.options), dtype)
    return round(parameters * width)


def kv_cache_bytes(model: Model, dtype: str, new_tokens: int) -> int | None:
    """Estimated key-value cache of one request: tokens · layers · kv_heads · head_dim · 2 · bytes.

    That is a key and a value for each head of each layer and token; None where not given.
    """
    if model.layers is None or model.kv_heads is None or model.head_dim is None:
        return None
    per_token = model.layers * model.kv_heads * model.head_dim * 2 * BYTES[dtype]
    return (PROMPT_TOKENS + new_tokens) * per_token


def device_bytes(device: Device, host_memory: HostMemory) -> int | None:
    """A device's memory; None where it is to be asked of a host that has not the device."""
    if device.memory_gb == "auto":
        return host_memory(device.accelerator, device.gpus)
    return round(device.memory_gb * 1e9)


def cell(
    catalogue: Catalogue, variant: str, device: str, task: str, host_memory: HostMemory
) -> Cell:
    """The cell of those ids. Raises UserError with the nearest name for an id unknown."""
    known = variants(catalogue)
    if variant not in known:
        raise UserError(f"unknown variant {variant!r}{nearest(variant, known)}")
    one_of(device, catalogue.devices, "device")
    one_of(task, catalogue.tasks, "task")
    model, quantization = known[variant]
    names = (variant, model, quantization, device, task)
    entry, place = catalogue.models[model], catalogue.devices[device]

    block = catalogue.quantizations[quantization]
    where = f"config/quantizations.yaml: quantizations.{quantization}"
    quantizer = plugin("quantizers", block.method, where)
    options = check(quantizer.Options, block.options, where)
    architecture = entry.grow.architecture if entry.grow else entry.architecture
    reason = quantizer.unsupported(options, architecture, place.accelerator)
    if reason:
        return Cell(*names, "unsupported", reason)

    weights = weight_bytes(catalogue, model, quantization, device)
    cache = kv_cache_bytes(
        entry,
        dtype_of(catalogue, model, quantization, device),
        catalogue.tasks[task].max_new_tokens,
    )
    memory = device_bytes(place, host_memory)
    if weights is not None and memory is not None:
        needed = weights + (cache or 0) + MARGIN_BYTES
        if needed > memory:
            reason = f"needs {needed / 1e9:.1f} GB, device has {memory / 1e9:.1f} GB"
            return Cell(*names, "does-not-fit", reason)
    return Cell(*names)
