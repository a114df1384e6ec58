"""Checkpoints loaded by mlx-lm, each of its tensors from the files."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import transformers
from mlx.utils import tree_flatten, tree_map_with_path
from mlx_lm import utils

from frontier.checkpoints import mlx_settings
from frontier.checkpoints.published import published
from frontier.checkpoints.safetensor_files import CONFIG, headers, json_object, weight_files
from frontier.checkpoints.weight_values import check_unlocked, same_bytes
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError, one_line

OUT_OF_MEMORY = (
    "Unable to allocate",
    "maximum allowed buffer size",
    "maximum Metal buffer size",
    "Insufficient Memory",
)
"""Words of Metal's and the CPU's allocators."""
PACKED = "quantization"
"""The key of config.json by which mlx-lm finds how layers are packed."""
COMPUTED = (".attn.bias", ".attn.masked_bias")
"""Causal masks in old files of GPT-2, which are now computed."""
HEADS, EMBEDDINGS = ("lm_head.weight",), ("embed_tokens.weight", "wte.weight")
SHOWN = 300  # characters of a library's message


class Whole(NamedTuple):
    """A model, each tensor of it from the files."""

    model: Any
    window: int | None
    """The longest text for which it has the model's attention; None if for any."""


def load_whole(checkpoint: Path, dtype: str) -> Whole:
    """The model of a checkpoint, its weights to be read when they are used.

    Those in floating point are cast to `dtype`. Raises UserError for a checkpoint that is
    unreadable or incomplete, UnsupportedError for one that mlx-lm would compute differently,
    OutOfMemoryError.
    """
    known = _config(checkpoint)
    _check_files(checkpoint, known)
    window = None

    def classes(config: dict[str, Any]) -> tuple[type, type]:
        nonlocal window
        kind, arguments = utils._get_classes(config)
        read = inspect.signature(arguments).parameters
        mlx_settings.check(known, read)
        window = mlx_settings.window_of(known, read)
        return _named(kind), arguments

    settings = mlx_settings.settings_of(known)
    try:
        with out_of_memory():
            model, _ = utils.load_model(
                checkpoint, lazy=True, model_config=settings, get_model_classes=classes
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = one_line(error)[:SHOWN]
        raise UserError(f"{checkpoint}: mlx-lm cannot load it: {reason}") from error
    _cast(model, dtype)
    return Whole(model, window)


def _config(checkpoint: Path) -> Any:
    """The configuration. Raises UnsupportedError for a family that is not tested."""
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint, trust_remote_code=False)
    except OutOfMemoryError:
        raise
    except Exception as error:  # from a configuration's class, which may check keys in any way
        raise UserError(f"{checkpoint}: unreadable config: {one_line(error)[:SHOWN]}") from error
    if reason := mlx_settings.unreadable(config.model_type):
        raise UnsupportedError(reason)
    return config


def _check_files(checkpoint: Path, config: Any) -> None:
    """Raises UserError for unreadable files, UnsupportedError for others than mlx-lm reads."""
    if found := published(checkpoint):
        raise UnsupportedError(f"published quantized: {found}, which mlx-lm is not tested with")
    if PACKED not in json_object(checkpoint / CONFIG):
        check_unlocked(checkpoint)
    tensors = {
        name: (path, one) for path, many in headers(checkpoint) for name, one in many.items()
    }
    files = {path.name for path in weight_files(checkpoint)}
    if files != {path.name for path in checkpoint.glob("model*.safetensors")}:
        raise UnsupportedError(
            "mlx-lm reads every file named model*.safetensors, and the weights are those of "
            f"{', '.join(sorted(files))}"
        )
    ends = [name for name in tensors if name.endswith((*HEADS, *EMBEDDINGS))]
    tied = getattr(config, "tie_word_embeddings", False)
    if tied and len(ends) == 2 and not same_bytes(*(tensors[name] for name in ends)):
        raise UserError(
            f"{checkpoint}: {' and '.join(ends)} differ, and {CONFIG} says that they are the same "
            "(tie_word_embeddings)"
        )


def _named(kind: type) -> type:
    """The model's class, for GPT-2's tensors by the names that transformers saves them by, too."""
    if not kind.__module__.endswith(".gpt2"):
        return kind

    class Named(kind):  # type: ignore[misc]
        """mlx-lm's model."""

        def sanitize(self, weights: dict[str, mx.array]) -> Any:
            """The tensors by mlx-lm's names."""
            return super().sanitize(
                {
                    name.removeprefix("transformer."): tensor
                    for name, tensor in weights.items()
                    if not name.endswith((*COMPUTED, *HEADS))  # the head is tied
                }
            )

    return Named


def _cast(model: Any, dtype: str) -> None:
    """Casts what mlx-lm's own conversion casts. Raises UnsupportedError beyond float16's range."""
    wanted, casts = getattr(mx, dtype), getattr(model, "cast_predicate", lambda _: True)

    def cast(name: str, tensor: mx.array) -> mx.array:
        if not casts(name) or not mx.issubdtype(tensor.dtype, mx.floating):
            return tensor
        found = tensor.astype(wanted)
        narrowed = wanted == mx.float16 and tensor.dtype != mx.float16
        if narrowed and not mx.isfinite(found).all().item():
            raise UnsupportedError(f"{name} has weights beyond the range of float16")
        return found

    model.update(tree_map_with_path(cast, model.parameters()))


def stored_bytes(model: Any) -> int:
    """The bytes of all weights and of the scales and biases of packed ones."""
    return sum(tensor.nbytes for _, tensor in tree_flatten(model.parameters()))


def packed_layers(model: Any) -> int:
    """The number of layers with packed weights, the embedding and a head of its own included."""
    return sum(hasattr(layer, "bits") for layer in model.modules())


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Turns MLX's errors into OutOfMemoryError, if the message says so."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError(one_line(error)) from error
    except RuntimeError as error:
        if any(words in str(error) for words in OUT_OF_MEMORY):
            raise OutOfMemoryError(one_line(error)) from error
        raise
