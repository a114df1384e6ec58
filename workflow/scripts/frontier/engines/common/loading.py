"""Loads a checkpoint through transformers and holds it to that: every tensor out of its files.

transformers fills what a checkpoint lacks with random numbers, passes over what it has no place
for, and only warns. Here each of them is an error that names the tensor, because a score of such a
model says nothing of the checkpoint.
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
from frontier.machine.limits import OutOfTimeError
from frontier.quantizers import Load, Quantizer

COMPUTED = (".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias")
"""Causal masks, which old files of GPT-2, GPT-Neo and GPT-NeoX hold, and which are computed now."""
BOTH_WAYS = ("ForMaskedLM", "ForPreTraining")
"""Ends of the names of classes whose tokens see those behind them."""
REASON = 300  # characters of a library's message


def check_causal(checkpoint: Path, *, trust_remote_code: bool = False) -> None:
    """Raise UnsupportedError where transformers has no causal language model for a checkpoint.

    Raises UserError where its configuration is unreadable.
    """
    settings = json_object(checkpoint / CONFIG)
    kind = settings.get("model_type")
    try:
        config = transformers.AutoConfig.from_pretrained(
            checkpoint, trust_remote_code=trust_remote_code
        )
    except Exception as error:
        # Of a class of configurations, which checks its own keys in any way it likes.
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
        raise UnsupportedError(f"{config.model_type} is no causal language model in transformers")
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedError(f"{config.model_type} is an encoder with a decoder, no causal model")
    names = getattr(config, "architectures", None)
    names = names if isinstance(names, list) else []
    if getattr(config, "is_decoder", True) is False and str(names[:1]).endswith(
        tuple(f"{end}']" for end in BOTH_WAYS)
    ):
        raise UnsupportedError(f"{names[0]} sees the tokens to come: it is no causal model")


def check_whole(checkpoint: Path, *, trust_remote_code: bool = False) -> None:
    """Raise UserError as `load_whole` for tensors by their names and shapes, without their numbers.

    Before loading, because sizes that are wrong may need any memory, and because what quantizes
    while loading does not compare shapes. Needs accelerate.
    """
    if published(checkpoint) is None:
        _load(checkpoint, {"device_map": "meta", "trust_remote_code": trust_remote_code})


def load_whole(checkpoint: Path, **arguments: Any) -> Any:
    """The causal language model of a checkpoint, each of its tensors read from the files.

    `arguments` are `from_pretrained`'s. Raises UserError that names a tensor which the files lack,
    the model has no place for, or of which they have another shape; UserError for an unreadable
    checkpoint; UnsupportedError where transformers cannot load what was published quantized;
    OutOfMemoryError.
    """
    check_unlocked(checkpoint)
    model = _load(checkpoint, arguments)
    _check_tied_head(checkpoint, model)
    return model


def _load(checkpoint: Path, arguments: dict[str, Any]) -> Any:
    """The model, by transformers' own report whole."""
    for _ in headers(checkpoint):
        pass  # so that what is wrong with the files is said with their names
    try:
        with out_of_memory(), _quiet():
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                checkpoint,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are reported, and refused below
                **arguments,
            )
    except (UnsupportedError, UserError, OutOfMemoryError, OutOfTimeError):
        raise
    except Exception as error:
        # Whatever modelling code makes of a configuration that nobody has tried: no fault of ours.
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
    """The model of a checkpoint published quantized, through the quantizer that loads such.

    What is unpacked while loading is cast to `dtype`. Raises as `load_whole`, and UnsupportedError
    for what its kernels cannot do.
    """
    what = f"published quantized: {published(checkpoint)}"
    try:
        with no_way(what):
            model = quantizer.load_published(load)
            return model if quantizer.quantized_layers(model) else model.to(dtype)
    except UnsupportedError as error:
        if isinstance(error.__cause__, ImportError) and quantizer.ENVIRONMENT:
            raise UnsupportedError(
                f"{what}: it runs in the environment {quantizer.ENVIRONMENT}"
            ) from error
        raise


@contextmanager
def no_way(what: str) -> Iterator[None]:
    """Raises UnsupportedError, `what` first, for any fault of a tool that works on a model.

    Each fails in its own way at an architecture that it does not know. Memory, time and the disk
    are not the tool's.
    """
    try:
        with out_of_memory():
            yield
    except (UnsupportedError, UserError, OutOfMemoryError, OutOfTimeError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnsupportedError(f"{what}: {reason(error)}") from error


def check_range(model: Any) -> None:
    """Raise UnsupportedError where a weight that the files hold is beyond the range of float16."""
    if model.dtype != torch.float16:
        return  # bfloat16 and float32 reach as far as what checkpoints are stored in
    for name, weight in model.named_parameters():
        if weight.dtype == torch.float16 and not bool(weight.detach().isfinite().all()):
            raise UnsupportedError(f"{name} has weights beyond the range of float16")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' warnings: its table of what it found is refused in one line."""
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity(before)


def unreadable(checkpoint: Path, error: Exception) -> UserError:
    """The one line for a checkpoint that transformers could not read."""
    return UserError(f"{checkpoint}: unreadable checkpoint: {reason(error)}")


def reason(error: Exception) -> Reason:
    """A library's message, shortened; with its class where that says more."""
    message: Reason = one_line(error)[:REASON]
    plain = isinstance(error, OSError | ValueError | safetensors.SafetensorError)
    return message if plain else f"{type(error).__name__}: {message}"


def _check_report(checkpoint: Path, model: Any, report: dict[str, Any]) -> None:
    """Raise UserError for what transformers reports of loading, beyond what is harmless."""
    kind = type(model).__name__
    for found in sorted(report["mismatched_keys"])[:1]:
        if isinstance(found, str):  # transformers 4 gives only the names
            found = (found, _stored_shape(checkpoint, found), model.state_dict()[found].shape)
        name, *shapes = found
        stored, wanted = (" x ".join(map(str, shape)) for shape in shapes)
        raise UserError(f"{checkpoint}: {name} is {stored} in the files, and {wanted} by {CONFIG}")
    foreign = [name for name in report["unexpected_keys"] if not name.endswith(COMPUTED)]
    missing = report["missing_keys"]
    if missing:
        instead = f"; they have {some(foreign)}, which it has no place for" if foreign else ""
        raise UserError(f"{checkpoint}: the files lack {some(missing)} of {kind}{instead}")
    if foreign:
        raise UserError(f"{checkpoint}: {kind} has no place for {some(foreign)} of the files")


def _stored_shape(checkpoint: Path, name: str) -> tuple[int, ...]:
    """The shape of a tensor in the files, which may leave the name's prefix out."""
    found = {
        key: tensor.shape for _, tensors in headers(checkpoint) for key, tensor in tensors.items()
    }
    return found.get(name) or found[name.partition(".")[2]]


def some(names: Iterable[str]) -> str:
    """The first of some tensors' names, and how many more there are."""
    # Weights first: what a quantizer keeps beside them is not in the files.
    first, *rest = sorted(names, key=lambda name: (not name.endswith(".weight"), name))
    return f"{first} and {len(rest)} more" if rest else first


def _check_tied_head(checkpoint: Path, model: Any) -> None:
    """Raise UserError where the files have a head of its own that the configuration ties.

    Releases of transformers differ in which of the two they then use.
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
            f"{checkpoint}: {' and '.join(names)} differ, and {CONFIG} says that they are one "
            "(tie_word_embeddings)"
        )
