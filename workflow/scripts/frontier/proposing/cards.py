"""The metadata of a model's card: its licence, and its original model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

LICENCES = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "llama2": "Llama 2 Community License",
    "llama3": "Llama 3 Community License",
    "llama3.1": "Llama 3.1 Community License",
    "llama3.2": "Llama 3.2 Community License",
    "llama3.3": "Llama 3.3 Community License",
    "llama4": "Llama 4 Community License",
    "gemma": "Gemma Terms of Use",
}
"""The names of the hub's licence ids; others are named by their id."""


def of_folder(folder: Path) -> Mapping[str, Any]:
    """The metadata at the top of a folder's README.md; {} if there is none that can be read."""
    path = folder / "README.md"
    try:
        begin, mark, rest = path.read_text(encoding="utf-8").partition("---\n")
        text, end, _ = rest.partition("\n---")
        found = yaml.safe_load(text) if mark and end and not begin.strip() else {}
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def licence(card: Mapping[str, Any]) -> str | None:
    """The licence's name; None if the card gives none."""
    found, named = card.get("license"), card.get("license_name")
    if isinstance(found, list):
        found = found[0] if len(found) == 1 else None
    if found == "other" or not isinstance(found, str):
        return named if isinstance(named, str) else None
    return LICENCES.get(found, found)


def bases(card: Mapping[str, Any]) -> list[str]:
    """The hub ids of its original models."""
    found = card.get("base_model")
    several = found if isinstance(found, list) else [found]
    return [one for one in several if isinstance(one, str) and one]
