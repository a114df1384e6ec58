"""The safetensors files of a checkpoint: which there are, and what their headers tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from frontier.errors import UserError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_HEADER_BYTES = 100_000_000  # the format's own limit


class Tensor(NamedTuple):
    """What a header tells of a tensor; its bytes are `begin` to `end` of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, as its index lists them.

    Raises UserError where there are none or one of them is missing.
    """
    if (folder / INDEX).is_file():
        listed = json_object(folder / INDEX).get("weight_map")
        if not isinstance(listed, dict) or not listed:
            raise UserError(f"{folder / INDEX}: no 'weight_map'")
        found = [folder / name for name in sorted(set(map(str, listed.values())))]
        for path in found:
            if not path.is_file():
                raise UserError(f"{path}: missing, though {INDEX} lists it")
        return found
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    others = sorted(path.name for path in folder.glob("*.bin"))
    raise UserError(
        f"{folder}: no safetensors weights ({WEIGHTS})"
        + (f"; {others[0]} is a pickle, which may run code and is not loaded" if others else "")
    )


def header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    The format: 8 bytes with the header's length (little endian), the header as JSON, the data.
    Raises UserError where the file is truncated or no safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > MAX_HEADER_BYTES:
            raise UserError(f"{path}: not a safetensors file")
        raw = file.read(length)
    if len(raw) < length:
        raise UserError(f"{path}: truncated within its header ({size:,} bytes)")
    try:
        found = json.loads(raw)
        found.pop("__metadata__", None)
        tensors = {
            name: Tensor(
                str(told["dtype"]),
                tuple(map(int, told["shape"])),
                *(8 + length + int(at) for at in told["data_offsets"]),
            )
            for name, told in found.items()
        }
        end = max((tensor.end for tensor in tensors.values()), default=8 + length)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise UserError(f"{path}: not a safetensors file (its header cannot be read)") from None
    if size != end:
        state = "truncated" if size < end else "longer than its header tells"
        raise UserError(f"{path}: {state} ({size:,} bytes instead of {end:,})")
    return tensors


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises UserError where it is missing or none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value
