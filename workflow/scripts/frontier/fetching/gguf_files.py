"""A single GGUF file as a checkpoint's folder, with its settings as transformers' files."""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from frontier.checkpoints import gguf_header
from frontier.checkpoints.gguf_header import FLOATS, WEIGHTS, GgufHeader
from frontier.checkpoints.safetensor_files import CONFIG
from frontier.errors import UserError
from frontier.fetching import checkpoints, contents, gguf_settings, gguf_tokenizer
from frontier.host import files

PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


def write(path: Path, folder: Path) -> dict[str, Any]:
    """Links the file into a folder with its settings; returns the facts for the lock.

    Raises UserError if it is not a whole GGUF file of a language model that is known here.
    """
    header = checked(path)
    files.link(path, folder / WEIGHTS)
    try:
        settings = json.dumps(gguf_settings.config(header), indent=1)
        (folder / CONFIG).write_text(settings, encoding="utf-8")
        gguf_tokenizer.write(header, folder)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return _facts(header, folder)


def checked(path: Path) -> GgufHeader:
    """The header of a whole file of a language model and a tokenizer that are known here.

    Raises UserError in one line for any other.
    """
    if PART.search(path.name):
        raise UserError(f"{path}: one of several parts; join them with llama-gguf-split --merge")
    if not path.is_file():
        raise UserError(f"{path}: {'not a' if path.exists() else 'no such'} file")
    state = path.stat()
    return _checked(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _checked(path: Path, *_stamp: int) -> GgufHeader:
    """Reads a header once, until the file changes: planning asks for it again and again."""
    header = gguf_header.read(path)
    try:
        gguf_settings.config(header)
        gguf_tokenizer.check(header)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return header


def _facts(header: GgufHeader, folder: Path) -> dict[str, Any]:
    """The facts of a lock, as `checkpoints.describe` gives those of the hub's layout."""
    shas = {path.name: contents.digest(path) for path in sorted(folder.iterdir())}
    return {
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha}
            for name, sha in shas.items()
        },
        "weights_sha256": shas[WEIGHTS],
        "weights_bytes": (folder / WEIGHTS).stat().st_size,
        "parameters": header.parameters(),
        "dtype": FLOATS.get(header.mostly, header.mostly.lower()),
        "architecture": checkpoints.architecture(gguf_settings.config(header)),
        "tokenizer_sha256": contents.folder_digest(
            {name: sha for name, sha in shas.items() if name.startswith("tokenizer")}
        ),
        "chat_template_sha256": _template(header),
    }


def _template(header: GgufHeader) -> str | None:
    """The hash of the chat template's text."""
    text = gguf_tokenizer.settings(header).get("chat_template")
    return hashlib.sha256(text.encode()).hexdigest() if text else None
