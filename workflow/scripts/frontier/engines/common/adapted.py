"""Applies a PEFT adapter to a model, and checks that every tensor has a place and none is missing.

peft ignores tensors that fit nowhere, and initialises missing ones to zero, so that the answers
would be the bare model's.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from frontier.checkpoints.weight_values import check_adapter_values
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.loading import reason, some
from frontier.errors import OutOfMemoryError, UserError, did_you_mean, one_line

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with all of an adapter on its layers.

    Raises UserError if the adapter is unreadable or for another model, OutOfMemoryError.
    """
    import peft  # takes a second, which other variants need not wait for

    check_adapter_values(adapter / WEIGHTS)
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
    kind = type(model).__name__
    if report.unexpected_keys:
        raise UserError(
            f"{adapter}: {kind} has no place for the adapter's {some(report.unexpected_keys)}"
        )
    missing_keys = [name.replace(".default", "") for name in report.missing_keys]
    if missing_keys:
        raise UserError(
            f"{adapter}: the adapter lacks {some(missing_keys)}, a layer that {CONFIG} names"
        )
    _check_layers(changed.peft_config["default"], names, adapter, kind)
    return changed.eval()


def _check_layers(config: Any, names: set[str], adapter: Path, kind: str) -> None:
    """Raises UserError for a layer in the adapter's configuration that the model lacks."""
    targets = getattr(config, "target_modules", None)
    ends = {name.rpartition(".")[2] for name in names}
    for target in sorted(targets) if isinstance(targets, set | list | tuple) else []:
        if target not in names and not any(name.endswith(f".{target}") for name in names):
            raise UserError(
                f"{adapter / CONFIG}: target_modules names {target!r}, and {kind} has no such "
                f"layer{did_you_mean(target, ends)}"
            )
