"""The files of a PEFT adapter."""

from __future__ import annotations

from pathlib import Path

from frontier.checkpoints.adapter_files import CONFIG, WEIGHTS
from frontier.errors import UserError

READ = (CONFIG, WEIGHTS)


def read_files(folder: Path) -> tuple[str, ...]:
    """The names of the files that loading reads. Raises UserError if one is missing."""
    if not folder.is_dir():
        raise UserError(f"{folder}: {'a file, not a' if folder.exists() else 'no such'} folder")
    for name in READ:
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no {name}, so this is not a PEFT adapter in safetensors")
    return READ
