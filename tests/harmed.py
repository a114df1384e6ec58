"""Small checkpoints, and what can be wrong with their weights: for tests in any environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

WORDS = 96
"""Ids of the tokenizer, and rows of the embedding."""
SHAPE: dict[str, Any] = {
    "vocab_size": WORDS, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
GATED = {"intermediate_size": 64, "num_key_value_heads": 2, "max_position_embeddings": 128}
Tensors = dict[str, torch.Tensor]


def configs() -> dict[str, Any]:
    """The families of the tests' models, created on demand, since some take a while."""
    return {
        "llama": transformers.LlamaConfig(**SHAPE, **GATED, tie_word_embeddings=False),
        "tied": transformers.LlamaConfig(**SHAPE, **GATED, tie_word_embeddings=True),
        "gpt2": transformers.GPT2Config(
            vocab_size=WORDS, n_embd=64, n_layer=2, n_head=4, n_positions=128, bos_token_id=1,
            eos_token_id=0,
        ),
        "falcon": transformers.FalconConfig(**SHAPE, alibi=False, bias=False),
        "mixtral": transformers.MixtralConfig(**SHAPE, **GATED, num_local_experts=2),
    }  # fmt: skip


def write(folder: Path, config: Any) -> Path:
    """A checkpoint of random weights, and a tokenizer with a word for each id."""
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    words = {f"w{at}": at for at in range(WORDS)}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w2"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="w0").save_pretrained(
        folder
    )
    return folder


def rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Changes a checkpoint's tensors."""
    path = folder / "model.safetensors"
    changed = {name: tensor.contiguous() for name, tensor in change(load_file(path)).items()}
    save_file(changed, path, {"format": "pt"})


def reconfigure(folder: Path, **changes: Any) -> None:
    """Changes keys of a checkpoint's config.json."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | changes), encoding="utf-8")


def renamed(prefix: str) -> Callable[[Path], None]:
    """A harm: another prefix on all names."""
    return lambda folder: rewrite(
        folder, lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}
    )


def without(*names: str) -> Callable[[Path], None]:
    """A harm: tensors whose names hold one of these are lost."""
    return lambda folder: rewrite(
        folder,
        lambda tensors: {
            name: tensor
            for name, tensor in tensors.items()
            if not any(part in name for part in names)
        },
    )


def added(name: str, *shape: int) -> Callable[[Path], None]:
    """A harm: one tensor more."""
    return lambda folder: rewrite(folder, lambda tensors: {**tensors, name: torch.ones(*shape)})


def spoilt(end: str, value: float) -> Callable[[Path], None]:
    """A harm: one number of one tensor."""

    def change(tensors: Tensors) -> Tensors:
        name = next(name for name in tensors if name.endswith(end))
        tensors[name].view(-1)[-1] = value
        return tensors

    return lambda folder: rewrite(folder, change)


def stored_as(dtype: torch.dtype, *ends: str) -> Callable[[Path], None]:
    """A harm: tensors of these names' ends as another type."""
    return lambda folder: rewrite(
        folder,
        lambda tensors: {
            name: tensor.to(dtype) if name.endswith(ends) else tensor
            for name, tensor in tensors.items()
        },
    )


UNFIT = {
    "lost": ("UserError", "the files lack model.layers.1.mlp.down_proj.weight"),
    "foreign": ("UserError", "_orig_mod."),
    "misshapen": (
        "UserError",
        "model.embed_tokens.weight is 96 x 64 in the files, and 90 x 64 according to",
    ),
    "mamba": ("UnsupportedError", ""),
}
"""Checkpoints that no conversion takes, with what each must say."""


def unfit(folder: Path) -> dict[str, str]:
    """Writes them; gives their folders."""
    known = configs()
    without("model.layers.1.mlp.down")(write(folder / "lost", known["llama"]))
    renamed("_orig_mod.")(write(folder / "foreign", known["tied"]))
    reconfigure(write(folder / "misshapen", known["tied"]), vocab_size=90)
    sizes = {"vocab_size": WORDS, "hidden_size": 64, "num_hidden_layers": 1, "state_size": 4}
    write(folder / "mamba", transformers.MambaConfig(**sizes))
    return {name: str(folder / name) for name in UNFIT}


def conversion_refusals(convert: Any, folders: dict[str, str], output: Path, *work: Any) -> Any:
    """A conversion's messages about unfit checkpoints, by name."""
    from frontier.errors import UnsupportedError, UserError

    found: dict[str, str | None] = {}
    for name, folder in folders.items():
        (output / f"of-{name}").mkdir(parents=True)
        try:
            convert(Path(folder), output / f"of-{name}", *work)
            found[name] = None
        except (UserError, UnsupportedError) as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def check_refusals(found: dict[str, str | None]) -> None:
    """All of them were refused: one line, of the right kind, with the tensor's name."""
    for name, (kind, words) in UNFIT.items():
        entry = found[name]
        assert entry is not None, f"{name} was converted"
        assert entry.startswith(f"{kind}: "), entry
        assert words in entry
        assert "\n" not in entry


def refusals(jobs: list[tuple[str, dict[str, Any], str]]) -> list[str | None]:
    """The transformers engine's refusals of [method, keys, folder]; None if it loads."""
    from frontier.engines import Settings
    from frontier.engines.loaded import transformers as engine
    from frontier.errors import UnsupportedError, UserError
    from quantizing import quantizer

    found: list[str | None] = []
    for method, keys, folder in jobs:
        try:
            engine.load(
                Path(folder), Settings("cpu", "float32", 1, "plain", quantizer(method, **keys))
            ).close()
            found.append(None)
        except (UserError, UnsupportedError) as error:
            found.append(f"{type(error).__name__}: {error}")
    return found
