"""The header of a GGUF file: its keys, and the types and shapes of its tensors.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: magic, version, number of tensors and of
keys; the keys; each tensor's name, shape, type and offset; the data, aligned. gguf's own reader is
in llama.cpp's environment only, and reads no file whose weights are not there yet.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from frontier.errors import UserError

ENDING = ".gguf"
WEIGHTS = "model.gguf"
METHOD = "gguf"
"""The method by which a single file is published, and the format that engines read."""
MAGIC = b"GGUF"
VERSIONS = (2, 3)
NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
U32, TEXT, ARRAY, U64 = 4, 8, 9, 10
MOST = 10**7
"""Entries of a file's list, or bytes of its longest text, beyond which it is no real file."""
SIDES = 4
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
"""ggml's types: name, weights per block, bytes per block (gguf-py's GGML_QUANT_SIZES)."""
FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
ROTARY = "rope_freqs.weight"  # factors of positions, which are no parameters


@dataclass(frozen=True)
class GgufTensor:
    """A tensor's entry in a header."""

    type: str
    shape: tuple[int, ...]
    """Outputs before inputs, as in the hub's layout."""
    bytes: int


@dataclass(frozen=True)
class GgufHeader:
    """A GGUF file's keys and tensors, and the bytes that the whole file has at least."""

    keys: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]
    size: int

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the family; '' without one."""
        found = self.keys.get("general.architecture")
        return found if isinstance(found, str) else ""

    def of_family(self, name: str) -> Any:
        """The value of a key of the family, such as `block_count`; None without one."""
        return self.keys.get(f"{self.architecture}.{name}")

    def parameters(self, part: str = "") -> int:
        """The number of weights, of tensors with `part` in their names."""
        tensors = self.tensors.items()
        return sum(math.prod(one.shape) for name, one in tensors if part in name and name != ROTARY)

    @property
    def mostly(self) -> str:
        """The type of most weights."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors.values():
            counts[tensor.type] += math.prod(tensor.shape)
        return counts.most_common(1)[0][0] if counts else ""

    @property
    def bits(self) -> float:
        """Bits per weight, scales included."""
        return 8 * sum(one.bytes for one in self.tensors.values()) / max(1, self.parameters())

    @property
    def quantized(self) -> int:
        """The number of tensors that are not in plain floating point."""
        return sum(one.type not in FLOATS for one in self.tensors.values())


def read(path: Path) -> GgufHeader:
    """A file's header. Raises UserError in one line if it is not GGUF, or not whole."""
    try:
        found = read_begun(path)
    except EOFError:
        raise UserError(f"{path}: truncated within its header") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    size = path.stat().st_size
    if size < found.size:
        raise UserError(f"{path}: truncated ({size:,} bytes instead of {found.size:,})")
    return found


def read_begun(path: Path) -> GgufHeader:
    """The header of a file of which the rest may be missing.

    Raises UserError if it is not GGUF, EOFError if it ends within the header.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UserError(f"{path}: not a GGUF file")
        try:
            return _Reader(file).header()
        except (ValueError, KeyError, OverflowError, RecursionError) as error:
            raise UserError(f"{path}: not a GGUF file that can be read ({error})") from None


class _Reader:
    """Reads values one after another."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def header(self) -> GgufHeader:
        version = self.number(U32)
        if version not in VERSIONS:
            raise ValueError(f"version {version}")
        tensors, keys = self.count(), self.count()
        values = {}
        for _ in range(keys):
            name = self.text()
            values[name] = self.value(self.number(U32))
        found = {}
        end = 0
        for _ in range(tensors):
            name = self.text()
            found[name], offset = self.tensor()
            end = max(end, offset + found[name].bytes)
        step = values.get("general.alignment", 32)
        if not isinstance(step, int) or step <= 0:
            raise ValueError(f"general.alignment {step!r}")
        at = self.file.tell()
        return GgufHeader(values, found, -(-at // step) * step + end if found else at)

    def tensor(self) -> tuple[GgufTensor, int]:
        """A tensor's entry and the place of its data."""
        sides = self.number(U32)
        if sides > SIDES:
            raise ValueError(f"a tensor with {sides:,} sides")
        shape = tuple(self.number(U64) for _ in range(sides))
        number = self.number(U32)
        if number not in TYPES:
            raise ValueError(f"a tensor of the unknown type {number}")
        kind, per_block, width = TYPES[number]
        stored = math.prod(shape) // per_block * width
        return GgufTensor(kind, shape[::-1], stored), self.number(U64)

    def number(self, kind: int) -> Any:
        if kind not in NUMBERS:
            raise ValueError(f"a value of the unknown type {kind}")
        form = NUMBERS[kind]
        return struct.unpack(form, self.bytes(struct.calcsize(form)))[0]

    def count(self) -> int:
        found = int(self.number(U64))
        if found > MOST:
            raise ValueError(f"{found:,} entries")
        return found

    def text(self) -> str:
        return self.bytes(self.count()).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == TEXT:
            return self.text()
        if kind != ARRAY:
            return self.number(kind)
        inside, count = self.number(U32), self.count()
        if inside in NUMBERS:
            many = f"<{count}{NUMBERS[inside][1]}"
            return list(struct.unpack(many, self.bytes(struct.calcsize(many))))
        return [self.value(inside) for _ in range(count)]

    def bytes(self, length: int) -> bytes:
        found = self.file.read(length)
        if len(found) < length:
            raise EOFError
        return found
