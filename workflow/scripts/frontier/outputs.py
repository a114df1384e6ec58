"""What aggregate and render share: which cells they read, and the lock of what they wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from frontier.errors import UserError
from frontier.files import sha256, write_json


class Axes(BaseModel):
    """A study's cells: the cross product of its variants, devices and tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    variants: tuple[str, ...]
    devices: tuple[str, ...]
    tasks: tuple[str, ...]

    def paths(self, results: Path) -> list[Path]:
        """Where the cells lie below results/."""
        return [
            results / variant / device / f"{task}.json"
            for variant in self.variants
            for device in self.devices
            for task in self.tasks
        ]


def cell_paths(axes: Axes | None, results: Path, listed: Path | None) -> list[Path]:
    """The cells of the spec's study, or those in a file with one path a line."""
    if listed is None:
        if axes is None:
            raise UserError("no cells given: the spec names no study, and there is no --cells-from")
        return axes.paths(results)
    try:
        lines = listed.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{listed}: no such file") from None
    if paths := [Path(line.strip()) for line in lines if line.strip()]:
        return paths
    raise UserError(f"{listed}: names no cell")


def write_lock(path: Path, identity: Any, files: Iterable[Path], **made_of: Any) -> None:
    """Write the job's identity, each written file's hash by its name, and what they are made of."""
    hashes = {file.name: sha256(file) for file in files}
    write_json(path, {"identity": identity, "files": hashes, **made_of})
