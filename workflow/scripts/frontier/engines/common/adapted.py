"""Applies an adapter to a model, and checks that every tensor has a place and none is missing.

peft ignores tensors that fit nowhere, and initialises missing ones to zero, so that the answers
would be the bare model's. An adapter that changes nothing is refused for the same reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from frontier.checkpoints.adapter_files import (
    BITFIT,
    CONFIG,
    PROMPT,
    TOKENS,
    WEIGHTS,
    changes_nothing,
    kind,
    why_not_merged,
)
from frontier.checkpoints.weight_values import check_adapter_values
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.loading import reason, some
from frontier.engines.common.prompting import Prompting
from frontier.errors import (
    OutOfMemoryError,
    Reason,
    UnsupportedError,
    UserError,
    did_you_mean,
    one_line,
)

CAUSAL = "CAUSAL_LM"
ALONE: Reason = "an adapter's tokens before each prompt were not tried with techniques"


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with all of an adapter on its layers.

    Raises UserError if the adapter is unreadable, for another model, or changes nothing;
    UnsupportedError for a kind that was not tried; OutOfMemoryError.
    """
    check_adapter_values(adapter / WEIGHTS)
    found = kind(adapter)
    tensors = load_file(adapter / WEIGHTS)
    if changes_nothing(found, tensors):
        raise UserError(
            f"{adapter}: the adapter changes nothing: {found} with factors or differences of zero, "
            "or factors of one, in every layer"
        )
    if found == BITFIT:
        return _with_differences(model, tensors, adapter)
    return _with_peft(model, adapter, found)


def check_tokens(model: Any, prompting: Prompting, *, alone: bool) -> None:
    """Takes positions away from prompts, for the tokens that an adapter puts before each.

    `alone`: no technique changes the model. Raises UnsupportedError for such tokens otherwise: a
    static cache has no room for them, and no technique was tried with them.
    """
    configs = getattr(model, "peft_config", None) or {}
    tokens = sum(getattr(one, "num_virtual_tokens", None) or 0 for one in configs.values())
    if tokens and not alone:
        raise UnsupportedError(ALONE)
    if prompting.positions:
        prompting.positions -= tokens


def merged(model: Any, adapter: Path) -> Any:
    """The model of `with_adapter`, its adapter added to its weights.

    Raises UserError if that is impossible.
    """
    if found := why_not_merged(kind(adapter)):
        raise UserError(f"{adapter}: {found}")
    if not hasattr(model, "peft_config"):
        return model
    try:
        with out_of_memory():
            return model.merge_and_unload(safe_merge=True)
    except OutOfMemoryError:
        raise
    except Exception as error:  # each kind of adapter fails in its own way
        raise UserError(f"{adapter}: the adapter cannot be merged: {reason(error)}") from error


def _with_differences(model: Any, tensors: Mapping[str, torch.Tensor], adapter: Path) -> Any:
    """The model with BitFit's differences added to its biases."""
    biases = {name: one for name, one in model.named_parameters() if name.endswith(".bias")}
    family = type(model).__name__
    if unknown := sorted(tensors.keys() - biases.keys()):
        hint = "" if biases else ": it has none"
        raise UserError(f"{adapter}: {family} has no bias {some(unknown)}{hint}")
    with torch.no_grad():
        for name, difference in tensors.items():
            if difference.shape != biases[name].shape:
                shapes = f"{tuple(difference.shape)}, not {tuple(biases[name].shape)}"
                raise UserError(f"{adapter}: {name} has the shape {shapes}")
            whole = biases[name].float() + difference.to(biases[name].device).float()
            biases[name].copy_(whole)
    return model.eval()


def _with_peft(model: Any, adapter: Path, found: str) -> Any:
    """The model in PEFT's, which computes the adapter next to it."""
    import peft  # takes a second, which other variants need not wait for

    if found in TOKENS - {PROMPT}:
        raise UnsupportedError(f"adapters of the kind {found} were not tried")
    names = {name for name, _ in model.named_modules()}
    try:
        with out_of_memory(), warnings.catch_warnings(action="ignore"):  # checked below
            changed = peft.PeftModel.from_pretrained(model, adapter)
            # Loaded again, because the first load does not report what it ignored; it is small.
            mapping = getattr(model, "_checkpoint_conversion_mapping", {})
            report = changed.load_adapter(adapter, "default", key_mapping=mapping)
    except (UserError, OutOfMemoryError):
        raise
    except KeyError as error:  # from a layer that the adapter replaces
        missing = one_line(error).strip("'\"")
        raise UserError(f"{adapter}: the adapter lacks {missing}, which {CONFIG} names") from error
    except Exception as error:
        # Any exception of peft's for an untested configuration.
        raise UserError(f"{adapter}: the adapter does not fit: {reason(error)}") from error
    if found == PROMPT:
        _check_tokens(changed, adapter)
    else:
        _check_report(report, changed, names, adapter, type(model).__name__)
    return changed.eval()


def _check_tokens(changed: Any, adapter: Path) -> None:
    """Raises UserError unless the trained tokens are those of the file, before each prompt."""
    task = changed.peft_config["default"].task_type
    if task != CAUSAL:  # peft would generate without them
        raise UserError(f"{adapter / CONFIG}: task_type must be {CAUSAL} (found {task!r})")
    tensors = load_file(adapter / WEIGHTS)
    trained = changed.prompt_encoder["default"].embedding.weight.detach().cpu().float()
    stored = tensors.pop("prompt_embeddings").float()
    if tensors:
        raise UserError(f"{adapter}: there is no place for the adapter's {some(sorted(tensors))}")
    if not torch.equal(trained, stored):
        raise UserError(f"{adapter}: the trained tokens were not loaded")


def _check_report(report: Any, changed: Any, names: set[str], adapter: Path, family: str) -> None:
    """Raises UserError for tensors without a place, and for layers without tensors."""
    if report.unexpected_keys:
        raise UserError(
            f"{adapter}: {family} has no place for the adapter's {some(report.unexpected_keys)}"
        )
    missing_keys = [name.replace(".default", "") for name in report.missing_keys]
    if missing_keys:
        raise UserError(
            f"{adapter}: the adapter lacks {some(missing_keys)}, a layer that {CONFIG} names"
        )
    _check_layers(changed.peft_config["default"], names, adapter, family)


def _check_layers(config: Any, names: set[str], adapter: Path, family: str) -> None:
    """Raises UserError for a layer in the adapter's configuration that the model lacks."""
    targets = getattr(config, "target_modules", None)
    ends = {name.rpartition(".")[2] for name in names}
    for target in sorted(targets) if isinstance(targets, set | list | tuple) else []:
        if target not in names and not any(name.endswith(f".{target}") for name in names):
            raise UserError(
                f"{adapter / CONFIG}: target_modules names {target!r}, and {family} has no such "
                f"layer{did_you_mean(target, ends)}"
            )
