"""The facts that an ONNX graph on the disk shows: its weights and products."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import onnx

PACKED = "MatMulNBits"
"""A product with weights that are packed in blocks."""
MULTIPLYING = ("MatMul", "Gemm", "MatMulInteger", PACKED)
"""Kinds of matrix products."""
TABLES = ("cos_cache", "sin_cache")
"""The ends of the names of tables of rotary positions, which are no weights."""
ACTIVATIONS = {4: "activations of 8 bits"}
"""The products' own `accuracy_level`, where it rounds activations."""


class Stored(NamedTuple):
    """The facts about a graph."""

    weights_bytes: int
    products: str
    """The kinds of its matrix products with weights."""


def stored(path: Path) -> Stored:
    """The facts about a graph, whose external data are not read."""
    graph = onnx.load(path, load_external_data=False).graph
    names = {tensor.name for tensor in graph.initializer}
    size = sum(
        math.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in graph.initializer
        if not tensor.name.endswith(TABLES)
    )
    used = [node for node in graph.node if names.intersection(node.input)]
    products = {
        _product(node): None for name in MULTIPLYING for node in used if node.op_type == name
    }
    return Stored(size, "/".join(products))


def packed(path: Path) -> int:
    """The number of matrices that are packed in blocks."""
    graph = onnx.load(path, load_external_data=False).graph
    return sum(node.op_type in (PACKED, "GatherBlockQuantized") for node in graph.node)


def _product(node: Any) -> str:
    """A kind of product, with the width of packed weights."""
    keys = {one.name: one.i for one in node.attribute}
    if "bits" not in keys:
        return str(node.op_type)
    rounded = ACTIVATIONS.get(keys.get("accuracy_level", 0))
    return f"{node.op_type} of {keys['bits']} bits" + (f", {rounded}" if rounded else "")
