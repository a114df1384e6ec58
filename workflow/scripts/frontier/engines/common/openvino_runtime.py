"""OpenVINO's plugin for CPUs: its settings for a cell, and the cache that it has with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import openvino
from openvino import opset13
from openvino._offline_transformations import paged_attention_transformation

from frontier.engines import Settings
from frontier.errors import UnsupportedError, one_line

MODEL = "openvino_model.xml"
CACHE = "KV_CACHE_PRECISION"
BLOCK = 32
"""Tokens of a block of paged attention's cache on a CPU."""
ATTENTION = "PagedAttentionExtension"
WINDOW = 10
"""The place of the sliding window among an attention's inputs."""
HINTS = "runtime_options"
"""The settings that an exporter has written into a model."""


def properties(settings: Settings) -> dict[str, str]:
    """The plugin's settings: latency of one stream, in float32 on every CPU.

    By default it computes in bfloat16 if the CPU has AMX, so that a result would depend on the
    machine. A model that is not quantized also gets an unquantized key-value cache and activations:
    OpenVINO's defaults are float16 or 8 bits. Quantized models run with those defaults, as users
    run them. A technique may choose the cache.
    """
    asked = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(settings.threads),
        "INFERENCE_PRECISION_HINT": "f32",
        "CACHE_DIR": "",
    }
    if not settings.quantizer.expects_quantized():
        asked |= {CACHE: "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    for one in settings.techniques:
        if one.openvino_cache:
            asked[CACHE] = one.openvino_cache
    return asked


def check_cache(checkpoint: Path, settings: Settings, used: str) -> None:
    """Raises UnsupportedError if a technique chose a cache that it has anyway, or has not.

    `used`: the precision of its cache.
    """
    for one in settings.techniques:
        if one.openvino_cache is None:
            continue
        if used != one.openvino_cache:
            raise UnsupportedError(f"{one.kind} changed nothing: OpenVINO caches in {used}")
        plain = paged(checkpoint, properties(replace(settings, techniques=()))).precision
        if used == plain:
            raise UnsupportedError(
                f"{one.kind} changed nothing: OpenVINO caches in {plain} without it"
            )


def chosen(compiled: Any) -> tuple[str, str]:
    """The plugin's choices: the cache's precision, and a description of all of them."""
    names = ("INFERENCE_PRECISION_HINT", CACHE)
    compute, cache = (compiled.get_property(name).to_string() for name in names)
    group = compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE")
    devices = "/".join(compiled.get_property("EXECUTION_DEVICES"))
    activations = f"activations in groups of {group}" if group else "activations as they are"
    return cache, f"{devices} in {compute}, key-value cache in {cache}, {activations}"


class Paged(NamedTuple):
    """The cache of paged attention."""

    bytes_per_token: int
    """Keys and values, with the scales of a quantized cache."""
    precision: str
    """The format of its keys, as they are stored."""
    words: str
    """A description of all that the plugin has chosen."""
    windows: bool
    """Whether a layer attends to the last tokens only."""


def paged(checkpoint: Path, given: Mapping[str, str]) -> Paged:
    """The cache that a model has with these settings.

    OpenVINO GenAI shows neither its compiled model nor its cache. So the same transformation is
    applied here, and its first attention alone is compiled, which takes milliseconds. Raises
    UnsupportedError for a model without attention that can be paged.
    """
    core = openvino.Core()
    model = core.read_model(checkpoint / MODEL)
    try:
        paged_attention_transformation(model, allow_score_aggregation=True)
    except RuntimeError as error:
        reason = one_line(error)[:300]
        raise UnsupportedError(f"OpenVINO GenAI cannot page its attention: {reason}") from error
    layers = [node for node in model.get_ops() if node.get_type_name() == ATTENTION]
    if not layers:
        raise UnsupportedError("OpenVINO GenAI cannot page its attention: there is none")
    compiled = core.compile_model(_alone(model, layers[0]), "CPU", dict(given))
    caches = {
        kind: next(
            one for one in compiled.inputs if any(name.startswith(kind) for name in one.get_names())
        )
        for kind in ("key_cache.", "value_cache.")
    }
    block = sum(map(_block_bytes, caches.values()))
    every = sum(map(_numbers, layers)) / _numbers(layers[0])
    precision = caches["key_cache."].get_element_type().get_type_name()
    windows = any(map(_has_window, layers))
    return Paged(round(block / BLOCK * every), precision, chosen(compiled)[1], windows)


def _block_bytes(cache: Any) -> int:
    """The bytes of a block of keys or values."""
    sizes: list[int] = [size.get_length() for size in list(cache.get_partial_shape())[1:]]
    return math.prod(sizes) * int(cache.get_element_type().bitwidth) // 8


def _alone(model: Any, layer: Any) -> Any:
    """A model of nothing but one attention, with the settings that the exporter gave."""
    fed = []
    for one in layer.inputs():
        node = one.get_source_output().get_node()
        if node.get_type_name() == "Constant":
            continue
        if node.get_type_name() != "Parameter":
            node = opset13.parameter(one.get_partial_shape(), one.get_element_type())
            one.replace_source_output(node.output(0))
        fed.append(node)
    part = openvino.Model([layer.output(0)], fed)
    if model.has_rt_info(HINTS):
        part.set_rt_info(model.get_rt_info(HINTS).value, HINTS)
    return part


def _has_window(layer: Any) -> bool:
    """Whether an attention has a sliding window: no constant, or another one than 0."""
    node = layer.input_value(WINDOW).get_node()
    return node.get_type_name() != "Constant" or bool(node.data.any())


def _numbers(layer: Any) -> int:
    """The numbers of a token that an attention caches."""
    known = layer.get_rt_info()
    sizes = ("num_k_heads", "k_head_size", "num_v_heads", "v_head_size")
    heads, size, value_heads, value_size = (int(known[name].value) for name in sizes)
    return heads * size + value_heads * value_size
