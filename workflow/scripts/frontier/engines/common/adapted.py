"""Puts a PEFT adapter on a model and holds it to that: each tensor in its place, no place empty.

peft passes over tensors that fit nowhere, and starts what it does not find at nothing, so that the
answers would be the bare model's.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from frontier.checkpoints.weight_values import check_adapter_values
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.loading import reason, some
from frontier.errors import OutOfMemoryError, UserError, did_you_mean, one_line
from frontier.machine.limits import OutOfTimeError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with all of an adapter on its layers.

    Raises UserError where the adapter is unreadable or is not for this model, OutOfMemoryError.
    """
    import peft  # a second, which other variants need not wait for

    check_adapter_values(adapter / WEIGHTS)
    names = {name for name, _ in model.named_modules()}
    try:
        with out_of_memory(), warnings.catch_warnings(action="ignore"):  # they are refused below
            changed = peft.PeftModel.from_pretrained(model, adapter)
            # Once more, because the first says nothing of what it passed over; it is small.
            mapping = getattr(model, "_checkpoint_conversion_mapping", {})
            report = changed.load_adapter(adapter, "default", key_mapping=mapping)
    except (UserError, OutOfMemoryError, OutOfTimeError):
        raise
    except KeyError as error:  # of a whole layer that is to be replaced
        missing = one_line(error).strip("'\"")
        raise UserError(f"{adapter}: the adapter lacks {missing}, which {CONFIG} names") from error
    except Exception as error:
        # Whatever peft makes of a configuration that nobody has tried: no fault of ours.
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
    """Raise UserError for a layer by whose name the adapter's configuration finds none."""
    targets = getattr(config, "target_modules", None)
    ends = {name.rpartition(".")[2] for name in names}
    for target in sorted(targets) if isinstance(targets, set | list | tuple) else []:
        if target not in names and not any(name.endswith(f".{target}") for name in names):
            raise UserError(
                f"{adapter / CONFIG}: target_modules names {target!r}, and {kind} has no such "
                f"layer{did_you_mean(target, ends)}"
            )
