"""Rules for ids, which name folders and files below results/ on any file system."""

from __future__ import annotations

import re
from collections.abc import Iterable

from frontier.errors import UserError
from frontier.text import visible

PATTERN = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
# A task's, which a scenario may follow: TASK.offline.json.
UNDOTTED = r"[a-z0-9]+(?:[_-][a-z0-9]+)*"
SINGLE_STREAM = "single-stream"
"""The scenario that is meant where none is named."""
ID = re.compile(PATTERN)
SEPARATOR = "--"
"""Joins ids to one name; occurs in none."""
# A variant's name has two ids; file systems allow 255 bytes, with suffixes and temporary names.
LONGEST = 48
# Suffixes of a cell's or a table's files: a task `a.json` would collide with a task `a`.
ENDINGS = (".json", ".jsonl", ".parquet", ".csv", ".html", ".svg", ".png", ".lock", ".tmp")
# Folders next to the variants' (frontier/results/layout.py).
FOLDERS = ("added", "charts")


def check(name: str, section: str, dots: bool = True) -> None:
    """Raises UserError where a name of a section's block is no id; `dots`: it may have some."""
    where = f"{section}.{visible(name, 80)}"
    if "+" in name:
        raise UserError(
            f"{where}: '+' joins a variant and its techniques, so an id cannot have one"
        )
    if "." in name and not dots:
        raise UserError(
            f"{where}: a task's id cannot have a '.', which precedes a scenario "
            "(TASK.offline.json): use '-' or '_'"
        )
    if not ID.fullmatch(name):
        raise UserError(
            f"{where}: an id consists of lower-case letters and digits, with single '.', '_' or "
            "'-' between them"
        )
    if len(name) > LONGEST:
        raise UserError(
            f"{where}: an id can have at most {LONGEST} characters, this has {len(name)}"
        )
    if name in FOLDERS or name.endswith(ENDINGS):
        raise UserError(f"{where}: results/ has files or folders of such names; choose another id")


def check_variants(models: Iterable[str], quantizations: Iterable[str]) -> None:
    """Raises UserError if two pairs of model and quantization give the same variant."""
    quantizations = list(quantizations)
    variants: dict[str, tuple[str, str]] = {}
    for model in models:
        for quantization in quantizations:
            pair = (model, quantization)
            variant = model if quantization == "native" else f"{model}-{quantization}"
            if variants.setdefault(variant, pair) != pair:
                raise UserError(
                    f"config/models.yaml: models.{model}: variant {variant!r} could be "
                    f"{' + '.join(variants[variant])} or {model} + {quantization}; rename one"
                )
