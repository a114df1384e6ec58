"""Loads a checkpoint through transformers, and checks that every tensor comes from its files.

transformers fills missing tensors with random numbers, ignores those that it has no place for, and
only warns. Here each is an error naming the tensor, because such a model's score says nothing about
the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers

from frontier.checkpoints.own_code import raised_by_own_code
from frontier.checkpoints.published import published
from frontier.checkpoints.safetensor_files import CONFIG, headers, json_object
from frontier.checkpoints.weight_values import check_unlocked, same_bytes
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.prompting import UNTRUSTED
from frontier.errors import OutOfMemoryError, Reason, UnsupportedError, UserError, one_line
from frontier.quantizers import Load, Quantizer

COMPUTED = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias")
"""Causal masks in old files of GPT-2, GPT-Neo and GPT-NeoX, which are now computed."""
BOTH_WAYS = ("ForMaskedLM", "ForPreTraining")
"""Suffixes of the names of classes whose tokens attend to later ones."""
REASON = 300  # characters of a library's message


def check_causal(checkpoint: Path, *, trust_remote_code: bool = False) -> None:
    """Raises UnsupportedError if transformers has no causal language model for a checkpoint.

    Raises UserError if its configuration is unreadable.
    """
    settings = json_object(checkpoint / CONFIG)
    kind = settings.get("model_type")
    try:
        config = transformers.AutoConfig.from_pretrained(
            checkpoint, trust_remote_code=trust_remote_code
        )
    except OutOfMemoryError:
        raise
    except Exception as error:  # from a configuration's class, which may check keys in any way
        if "trust_remote_code" in str(error):
            raise UserError(f"{checkpoint}: {UNTRUSTED}") from error
        known = "auto_map" in settings or kind in transformers.CONFIG_MAPPING
        if isinstance(kind, str) and not known:
            version = transformers.__version__
            raise UnsupportedError(
                f"transformers {version} does not know the architecture {kind[:40]!r}"
            ) from error
        raise unreadable(checkpoint, error) from error
    own_code = trust_remote_code and "AutoModelForCausalLM" in (
        getattr(config, "auto_map", None) or {}
    )
    if not own_code and type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UnsupportedError(f"transformers has no causal model of type {config.model_type}")
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedError(f"{config.model_type} is an encoder-decoder, not a causal model")
    names = getattr(config, "architectures", None)
    names = names if isinstance(names, list) else []
    if getattr(config, "is_decoder", True) is False and str(names[:1]).endswith(
        tuple(f"{end}']" for end in BOTH_WAYS)
    ):
        raise UnsupportedError(f"{names[0]} attends to later tokens: it is not a causal model")


def check_complete(checkpoint: Path, *, trust_remote_code: bool = False) -> None:
    """Raises UserError as `load_whole`, for tensors by names and shapes, without their numbers.

    Before loading, because wrong sizes may need any amount of memory, and because quantizing while
    loading does not compare shapes. Needs accelerate.
    """
    if published(checkpoint) is None:
        _load(checkpoint, {"device_map": "meta", "trust_remote_code": trust_remote_code})


def load_whole(checkpoint: Path, **arguments: Any) -> Any:
    """The causal language model of a checkpoint, each of its tensors read from the files.

    `arguments` are `from_pretrained`'s. Raises UserError naming a tensor that the files lack, that
    the model has no place for, or that has another shape; UserError for an unreadable checkpoint;
    UnsupportedError if transformers cannot load a published quantization; OutOfMemoryError.
    """
    check_unlocked(checkpoint)
    model = _load(checkpoint, arguments)
    _check_tied_head(checkpoint, model)
    return model


def _load(checkpoint: Path, arguments: dict[str, Any]) -> Any:
    """The model, complete according to transformers' own report."""
    for _ in headers(checkpoint):
        pass  # so that the error is reported with the names of the files
    try:
        with out_of_memory(), _quiet():
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                checkpoint,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported and rejected below
                **arguments,
            )
    except (UnsupportedError, UserError, OutOfMemoryError):
        raise
    except Exception as error:
        # Any exception of modelling code for an untested configuration.
        if raised_by_own_code(error):
            raise
        found = published(checkpoint)
        broken = isinstance(error, OSError | safetensors.SafetensorError)
        if found and not broken:
            raise UnsupportedError(f"published quantized: {found}: {reason(error)}") from error
        raise unreadable(checkpoint, error) from error
    _check_report(checkpoint, model, report)
    return model


def load_published(
    checkpoint: Path, quantizer: type[Quantizer], load: Load, dtype: torch.dtype
) -> Any:
    """The model of a checkpoint published quantized, through the quantizer for its method.

    Weights unpacked while loading are cast to `dtype`. Raises as `load_whole`, and UnsupportedError
    if the kernels cannot run it.
    """
    what = f"published quantized: {published(checkpoint)}"
    try:
        with no_way(what):
            model = quantizer.load_published(load)
            return model if quantizer.quantized_layers(model) else model.to(dtype)
    except UnsupportedError as error:
        if isinstance(error.__cause__, ImportError) and quantizer.ENVIRONMENT:
            raise UnsupportedError(
                f"{what}: it only runs in the environment {quantizer.ENVIRONMENT}"
            ) from error
        raise


@contextmanager
def no_way(what: str) -> Iterator[None]:
    """Raises UnsupportedError, starting with `what`, for any error of a tool that works on a model.

    Each tool fails in its own way for an unknown architecture. Errors of memory, time and disk pass
    through.
    """
    try:
        with out_of_memory():
            yield
    except (UnsupportedError, UserError, OutOfMemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnsupportedError(f"{what}: {reason(error)}") from error


def check_range(model: Any) -> None:
    """Raises UnsupportedError if a weight in the files is beyond the range of float16."""
    if model.dtype != torch.float16:
        return  # bfloat16 and float32 have the range of all stored types
    for name, weight in model.named_parameters():
        if weight.dtype == torch.float16 and not bool(weight.detach().isfinite().all()):
            raise UnsupportedError(f"{name} has weights beyond the range of float16")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences transformers' warnings; our one-line errors replace its table."""
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity(before)


def unreadable(checkpoint: Path, error: Exception) -> UserError:
    """The one-line error for a checkpoint that transformers could not read."""
    return UserError(f"{checkpoint}: unreadable checkpoint: {reason(error)}")


def reason(error: Exception) -> Reason:
    """A library's message, shortened, with the exception's class if that says more."""
    message: Reason = one_line(error)[:REASON]
    plain = isinstance(error, OSError | ValueError | safetensors.SafetensorError)
    return message if plain else f"{type(error).__name__}: {message}"


def _check_report(checkpoint: Path, model: Any, report: dict[str, Any]) -> None:
    """Raises UserError for problems in transformers' report on loading, except harmless ones."""
    kind = type(model).__name__
    for found in sorted(report["mismatched_keys"])[:1]:
        if isinstance(found, str):  # transformers 4 gives only the names
            found = (found, _stored_shape(checkpoint, found), model.state_dict()[found].shape)
        name, *shapes = found
        stored, wanted = (" x ".join(map(str, shape)) for shape in shapes)
        raise UserError(
            f"{checkpoint}: {name} is {stored} in the files, and {wanted} according to {CONFIG}"
        )
    foreign = [name for name in report["unexpected_keys"] if not name.endswith(COMPUTED)]
    missing = report["missing_keys"]
    if missing:
        instead = f"; they have {some(foreign)}, which it has no place for" if foreign else ""
        raise UserError(f"{checkpoint}: the files lack {some(missing)} of {kind}{instead}")
    if foreign:
        raise UserError(f"{checkpoint}: {kind} has no place for {some(foreign)} of the files")


def _stored_shape(checkpoint: Path, name: str) -> tuple[int, ...]:
    """The shape of a tensor in the files, whose names may lack the prefix."""
    found = {
        key: tensor.shape for _, tensors in headers(checkpoint) for key, tensor in tensors.items()
    }
    return found.get(name) or found[name.partition(".")[2]]


def some(names: Iterable[str]) -> str:
    """The first of some tensors' names, and the number of others."""
    # Weights first: a quantizer's further tensors are not in the files.
    first, *rest = sorted(names, key=lambda name: (not name.endswith(".weight"), name))
    return f"{first} and {len(rest)} more" if rest else first


def _check_tied_head(checkpoint: Path, model: Any) -> None:
    """Raises UserError if the files have a separate head that the configuration ties.

    Releases of transformers differ in which of the two they use.
    """
    if not getattr(model.config.get_text_config(), "tie_word_embeddings", False):
        return
    ends = (model.get_output_embeddings(), model.get_input_embeddings())
    found = {
        name: (path, tensor)
        for path, tensors in headers(checkpoint)
        for name, tensor in tensors.items()
    }
    names = [f"{name}.weight" for name, part in model.named_modules() if part in ends]
    both = [found[name] for name in names if name in found]
    if len(both) == 2 and not same_bytes(*both):
        raise UserError(
            f"{checkpoint}: {' and '.join(names)} differ, and {CONFIG} says that they are the same "
            "(tie_word_embeddings)"
        )
