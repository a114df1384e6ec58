"""Checkpoints of a hub as far as their headers: the small files, and weights without their numbers.

A skeleton is a folder in a checkpoint's layout whose weights are sparse files: their headers can be
read, and they take no room on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.checkpoints import gguf_header, safetensor_files
from frontier.checkpoints.gguf_header import GgufHeader
from frontier.errors import UserError, did_you_mean
from frontier.fetching import checkpoints, gguf_files, hub
from frontier.host import files

CARD = "README.md"
FIRST_BYTES = 1 << 17


@dataclass(frozen=True)
class Record:
    """A hub's own facts about a repository at a commit."""

    commit: str
    gated: bool
    """A licence must be accepted, and a token is needed."""
    card: Mapping[str, Any]
    """The metadata of its card, such as license and base_model."""
    sizes: Mapping[str, int]
    """The bytes of all its files, by their names."""


def record(repo: str, revision: str) -> Record:
    """The hub's record of a model. Raises UserError if there is no such model or revision."""
    import huggingface_hub as hf  # takes half a second, which local folders need not wait for

    try:
        api = hf.HfApi(token=_token())
        found = api.model_info(repo, revision=revision, files_metadata=True, timeout=hub.TIMEOUT_S)
        card = dict(vars(found.card_data)) if found.card_data else {}
        sizes = {one.rfilename: one.size or 0 for one in found.siblings or ()}
        return Record(str(found.sha), bool(found.gated), card, sizes)
    except Exception as error:
        raise hub.user_error(error, repo, revision, "model", "") from None


def skeleton(repo: str, known: Record, folder: Path, trusted: bool = False) -> None:
    """Writes a model's small files, and its weights' headers in sparse files.

    `trusted`: its own code is fetched too. Raises UserError as `hub.snapshot` does, and without
    weights that can be read.
    """
    small = (*checkpoints.settings_globs(trusted), safetensor_files.INDEX)
    found = hub.snapshot(repo, known.commit, "model", small, exclude=("*/*",), gated=known.gated)
    for name, path in found.files.items():
        files.link(path, folder / name)
    for name in safetensor_files.chosen(folder, found.listed).files:
        _sparse(repo, known, name, folder / name)


def _sparse(repo: str, known: Record, name: str, path: Path) -> None:
    """Writes a safetensors file of the right size that has only the header."""
    size = known.sizes.get(name, 0)
    begun = head(repo, known.commit, name, FIRST_BYTES)
    length = 8 + int.from_bytes(begun[:8], "little")
    if length > min(size, safetensor_files.MAX_HEADER_BYTES):
        raise UserError(f"{repo} at {known.commit}: {name}: not a safetensors file")
    if length > len(begun):
        begun = head(repo, known.commit, name, length)
    write_sparse(path, begun[:length], size)


def gguf(repo: str, known: Record, name: str, folder: Path) -> GgufHeader:
    """The header of a single GGUF file. Raises UserError as `gguf_files.checked` does."""
    if name not in known.sizes:
        files = [one for one in known.sizes if one.lower().endswith(gguf_header.ENDING)]
        where = f"{repo} at {known.commit}"
        raise UserError(f"{where} has no file {name}{did_you_mean(name, files)}")
    path, size, length = folder / Path(name).name, known.sizes[name], FIRST_BYTES
    while length < size:
        write_sparse(path, head(repo, known.commit, name, length), length)
        try:
            gguf_header.read_begun(path)
            break
        except EOFError:
            length *= 4
    length = min(length, size)
    write_sparse(path, head(repo, known.commit, name, length), size)
    return gguf_files.checked(path)


def write_sparse(path: Path, begun: bytes, size: int) -> None:
    """Writes a file of that size which begins with these bytes, and has zeros after them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(begun)
    os.truncate(path, size)


def head(repo: str, commit: str, name: str, length: int) -> bytes:
    """The first bytes of a file on the hub. Raises UserError if they cannot be had."""
    import huggingface_hub as hf
    from huggingface_hub import utils

    # Documented, but not in __all__.
    headers = utils.build_hf_headers(token=_token())  # type: ignore[attr-defined]
    headers["Range"] = f"bytes=0-{length - 1}"
    try:
        url = hf.hf_hub_url(repo, name, revision=commit)
        answer = utils.get_session().get(url, headers=headers, timeout=hub.TIMEOUT_S)  # type: ignore[attr-defined]
        utils.hf_raise_for_status(answer)  # type: ignore[attr-defined]
        return bytes(answer.content[:length])
    except Exception as error:
        raise hub.user_error(error, repo, commit, "model", "") from None


def _token() -> str | bool:
    return os.environ.get("HF_TOKEN", "").strip() or False
