"""Checkpoints with their own code, which runs only if the user trusts it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from frontier.checkpoints.safetensor_files import CONFIG, json_object
from frontier.errors import UserError

TOKENIZER_CONFIG = "tokenizer_config.json"
USED = ("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer")
GENERATE = "custom_generate/generate.py"


def check(folder: Path, trusted: bool, has: Callable[[str], bool]) -> None:
    """Raises UserError if a checkpoint cannot be loaded with, or without, its own code.

    `has` says whether the checkpoint has a file of that name. Code of another repository is
    rejected: no revision pins it.
    """
    if not trusted:
        _check_known(folder)
        return
    for where, reference in _references(folder):
        repository, _, name = reference.rpartition("--")
        if repository:
            raise UserError(
                f"{where}: auto_map names code of another repository, {repository}, which no "
                "revision pins; put its modules into a local copy of the checkpoint"
            )
        module, _, kind = name.partition(".")
        if not module.isidentifier() or not kind.isidentifier():
            raise UserError(f"{where}: auto_map: {reference!r} is not MODULE.CLASS")
        if not has(f"{module}.py"):
            raise UserError(
                f"{folder / module}.py: missing, though auto_map of {where.name} names it"
            )
    if has(GENERATE):
        raise UserError(
            f"{folder / GENERATE}: generates by a loop of its own, which cannot be measured here"
        )


def _check_known(folder: Path) -> None:
    """Raises UserError for an architecture that only the checkpoint's own code implements."""
    config = json_object(folder / CONFIG)
    kind, own = config.get("model_type"), _map(config).get("AutoModelForCausalLM")
    if own is not None and isinstance(kind, str) and not in_transformers(kind):
        raise UserError(
            f"{folder / CONFIG}: {kind!r} is computed by the checkpoint's own code ({own}); read "
            "it, and if you trust it, give the model trust_remote_code: true in config/models.yaml"
        )


def in_transformers(kind: str) -> bool:
    """True if transformers has a causal language model of that model_type."""
    home = importlib.util.find_spec("transformers")
    if (
        home
        and home.origin
        and (Path(home.origin).parent / "models" / kind.replace("-", "_")).is_dir()
    ):
        return True  # most of them; saves the seconds that importing the list takes
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def _references(folder: Path) -> Iterator[tuple[Path, str]]:
    """The checkpoint's own classes that loading uses, each with the file that names it."""
    for name in (CONFIG, TOKENIZER_CONFIG):
        if (folder / name).is_file():
            own = _map(json_object(folder / name))
            for used in USED:
                found = own.get(used)
                for reference in found if isinstance(found, list) else [found]:
                    if reference is not None:
                        yield folder / name, str(reference)


def _map(config: dict[str, Any]) -> dict[str, Any]:
    """A file's auto_map; the older form of tokenizers has only the tokenizer's classes."""
    found = config.get("auto_map") or {}
    if isinstance(found, list | tuple):
        return {"AutoTokenizer": list(found)}
    return found if isinstance(found, dict) else {}
