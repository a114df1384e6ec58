"""The safetensors files of a checkpoint, and the tensors in their headers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from frontier.errors import UserError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_HEADER_BYTES = 100_000_000  # the format's own limit


class TensorHeader(NamedTuple):
    """A tensor's entry in a header; its bytes are `begin` to `end` of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Chosen:
    """The files that are a checkpoint's weights, by name, and the index that lists them."""

    index: str | None
    files: list[str]


def chosen(folder: Path, there: Collection[str] | None = None) -> Chosen:
    """The files of a checkpoint that are its weights; every reader asks this function.

    transformers' order: the file that config.json names as `transformers_weights`, else
    model.safetensors, else the files that its index lists. Nothing else is read: no index next to a
    whole file, no variant (model.fp16.safetensors), no consolidated.safetensors, no pickle.
    `there` are the names of all files, if only the small ones have been fetched yet.
    Raises UserError if there are none, one is missing, or an index is malformed or points outside
    the folder.
    """

    def has(name: str) -> bool:
        return (folder / name).is_file() if there is None else name in there

    named = json_object(folder / CONFIG).get("transformers_weights") if has(CONFIG) else None
    if named is not None:
        _check_name(folder / CONFIG, named, (".safetensors", ".safetensors.index.json"))
    elif not has(WEIGHTS) and not has(INDEX):
        found = there or [path.name for path in folder.iterdir()]
        raise UserError(f"{folder}: no safetensors weights ({WEIGHTS}){_others(found)}")
    first: str = named or (WEIGHTS if has(WEIGHTS) else INDEX)
    index = first if first.endswith(".json") else None
    names = _listed(folder / index) if index else [first]
    for name in names:
        if not has(name):
            raise UserError(f"{folder / name}: missing, though {index or CONFIG} lists it")
    return Chosen(index, names)


def _others(names: Collection[str]) -> str:
    """A note, for a message, on files that look like weights but are not read."""
    for name in sorted(names):
        if name.endswith(".safetensors") and "/" not in name:
            return f"; {name} is not read without a {INDEX} that lists it"
    for name in sorted(names):
        if name.endswith(".bin"):
            return f"; {name} is a pickle, which may run code and is not loaded"
    for name in sorted(names):
        if name.lower().endswith(".gguf"):
            return f"; {name} is a model of its own: name it in file, or as the path"
    return ""


def _listed(index: Path) -> list[str]:
    """The files that an index lists. Raises UserError if it is malformed."""
    value = json_object(index)
    listed = value.get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise UserError(f"{index}: no 'weight_map'")
    if not isinstance(value.get("metadata"), dict):
        raise UserError(f"{index}: no 'metadata', without which transformers does not read it")
    for name in listed.values():
        _check_name(index, name, (".safetensors",))
    return sorted(set(listed.values()))


def _check_name(where: Path, name: object, endings: tuple[str, ...]) -> None:
    """Raises UserError unless `name` is a safetensors file inside the folder."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if not isinstance(name, str) or not name.endswith(endings) or "\\" in name:
        raise UserError(f"{where}: {name!r} is not the name of a safetensors file")
    if PurePosixPath(name).is_absolute() or ".." in parts:
        raise UserError(f"{where}: {name!r} is outside the checkpoint's folder")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint. Raises UserError as `chosen` does."""
    return [folder / name for name in chosen(folder).files]


def headers(folder: Path) -> Iterator[tuple[Path, dict[str, TensorHeader]]]:
    """Each of a checkpoint's files with its tensors.

    Raises UserError as `chosen` and `header` do, and for a tensor in two files: readers differ in
    which one they use.
    """
    seen: dict[str, str] = {}
    for path in weight_files(folder):
        tensors = header(path)
        for name in tensors:
            if name in seen:
                raise UserError(f"{folder}: {name} is both in {seen[name]} and in {path.name}")
            seen[name] = path.name
        yield path, tensors


def header(path: Path) -> dict[str, TensorHeader]:
    """The tensors of a safetensors file by name.

    The format: 8 bytes with the header's length (little endian), the header as JSON, the data.
    Raises UserError if the file is truncated or not a safetensors file.
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
            name: TensorHeader(
                str(entry["dtype"]),
                tuple(map(int, entry["shape"])),
                *(8 + length + int(at) for at in entry["data_offsets"]),
            )
            for name, entry in found.items()
        }
        end = max((tensor.end for tensor in tensors.values()), default=8 + length)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise UserError(f"{path}: not a safetensors file (its header cannot be read)") from None
    if size != end:
        state = "truncated" if size < end else "longer than its header says"
        raise UserError(f"{path}: {state} ({size:,} bytes instead of {end:,})")
    return tensors


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError if it is missing or not an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value
