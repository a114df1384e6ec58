"""GGUF, llama.cpp's format, from safetensors: written here, quantized by llama.cpp itself.

Tensors whose layout in llama.cpp differs from transformers' follow the rules of its own converter.
The vocabulary is for servers, which are asked in text.
"""

from __future__ import annotations

import ctypes
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import transformers

from frontier.blocks import Dtype
from frontier.checkpoints import gguf_header
from frontier.checkpoints.gguf_header import WEIGHTS
from frontier.checkpoints.safetensor_files import CONFIG, json_object
from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.conversions.common import gguf_file, gguf_layout, gguf_published, gguf_tensors
from frontier.conversions.common.gguf_file import FAMILIES, WHOLE
from frontier.conversions.common.weights import STORED, Array, Tensor, tensors
from frontier.engines.common import llama_log
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError, one_line
from frontier.host import caches, files
from frontier.machine import hardware

PLAIN = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
COMPUTED = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")  # in old files
NEEDED: dict[str, dict[str, Any]] = {  # assumptions of llama.cpp's graph of a family
    **{name: {"hidden_act": "silu"} for name in ("llama", "mistral", "mixtral", "qwen2")},
    "gpt2": {"activation_function": "gelu_new", "scale_attn_by_inverse_layer_idx": False},
    "falcon": {"activation": "gelu", "alibi": False, "bias": False, "parallel_attn": True},
}


class Gguf(Conversion):
    """A GGUF file in one of llama.cpp's types, or in a plain floating-point one."""

    type: str | None = None
    """llama.cpp's name for the mixture of types; unset: the unquantized model, in `dtype`."""
    dtype: Dtype = "float32"

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes OUTPUT/model.gguf; counts the matrices in a quantized type.

        A checkpoint that is a GGUF file is checked, and used as it is: as a link, or as a copy
        where other users share what is built, since its owner may change it.
        Raises UserError for a checkpoint that is unreadable or incomplete, UnsupportedError for one
        that llama.cpp would compute differently.
        """
        if (checkpoint / WEIGHTS).is_file():
            gguf_published.check(checkpoint)
            if caches.root() == caches.OWN:
                files.link((checkpoint / WEIGHTS).resolve(), output / WEIGHTS)
            else:
                shutil.copyfile(checkpoint / WEIGHTS, output / WEIGHTS)
            copy_settings(checkpoint, output)
            return ConversionResult(gguf_header.read(output / WEIGHTS).quantized)
        kind = self.type or PLAIN[self.dtype]
        config = _config(checkpoint)
        named = list(_named(config, tensors(checkpoint)))
        arranged = list(_arranged(config, named))
        found = {tensor.name: tensor.shape for tensor in arranged}
        gguf_tensors.check(config, found, {name: tensor.name for name, tensor in named})
        path = output / WEIGHTS
        begun = gguf_file.begun(checkpoint, config)
        if kind in WHOLE:
            gguf_file.write(path, begun, arranged, WHOLE[kind])
        else:
            # In the precision of most weights, so that nothing is rounded twice.
            whole = output / "whole.gguf"
            most = max(arranged, key=lambda tensor: tensor.size).stored
            try:
                gguf_file.write(whole, begun, arranged, WHOLE[most])
                _quantize(whole, path, kind)
            finally:
                whole.unlink(missing_ok=True)
        copy_settings(checkpoint, output)
        kinds = [tensor.tensor_type for tensor in gguf.GGUFReader(path).tensors]
        return ConversionResult(sum(kind not in WHOLE.values() for kind in kinds))


def _config(checkpoint: Path) -> Any:
    """The configuration. Raises UnsupportedError for a family that has no conversion."""
    family = json_object(checkpoint / CONFIG).get("model_type")
    if family not in FAMILIES:
        raise UnsupportedError(f"no conversion to GGUF for the architecture {str(family)[:40]!r}")
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint, trust_remote_code=False)
    except OutOfMemoryError:
        raise
    except Exception as error:  # from a configuration's class, which may check keys in any way
        raise UserError(f"{checkpoint}: unreadable config: {one_line(error)[:300]}") from error
    _check(config)
    return config


def _check(config: Any) -> None:
    """Rejects models that llama.cpp has no graph for, which it would compute wrongly."""
    family = config.model_type
    for key, value in NEEDED[family].items():
        found = getattr(config, key)
        if found != value:
            raise UnsupportedError(
                f"llama.cpp's {family} has {key} {value!r}, the model has {found!r}"
            )
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope not in ("default", "llama3") or (rope == "llama3" and family != "llama"):
        raise UnsupportedError(
            f"no conversion to GGUF for {family} with rotary positions of type {rope}"
        )


def _named(config: Any, found: Iterator[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Each tensor by llama.cpp's name; the head only if it differs from the embedding.

    Raises UserError for tensors without a place, for numbers of other types, and for a head that
    differs from the embedding that it is tied to.
    """
    names = gguf.get_tensor_name_map(FAMILIES[config.model_type], config.num_hidden_layers)
    tied: dict[str, Tensor] = {}
    for tensor in found:
        if tensor.name.endswith(COMPUTED):
            continue
        if tensor.stored not in STORED:
            raise UserError(f"{tensor.name} is stored as {tensor.stored}, not {', '.join(STORED)}")
        base, _, expert = tensor.name.partition(".block_sparse_moe.experts.")
        key = tensor.name
        if expert:
            layer, part = base.rpartition(".")[2], expert.split(".")[1]
            key = f"layers.{layer}.feed_forward.experts.{part}.weight"
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise UserError(f"llama.cpp's {config.model_type} has no place for {tensor.name}")
        if name in ("output.weight", "token_embd.weight") and config.tie_word_embeddings:
            tied[name] = tensor
            if name == "output.weight":
                continue  # a copy of the embedding
        yield name, tensor
    ends = list(tied.values())
    if len(ends) == 2 and not np.array_equal(ends[0].read(), ends[1].read()):
        raise UserError(
            f"{ends[0].name} and {ends[1].name} differ, and {CONFIG} says that they are the same "
            "(tie_word_embeddings)"
        )


def _arranged(config: Any, named: list[tuple[str, Tensor]]) -> Iterator[Tensor]:
    """Tensors in llama.cpp's layout, with those for the scaling of rotary positions."""
    family, heads = config.model_type, config.num_attention_heads
    ordered = sorted(named, key=lambda pair: pair[0])
    for name, group in itertools.groupby(ordered, key=lambda pair: pair[0]):
        parts = [tensor for _, tensor in group]
        one, matrix = replace(parts[0], name=name), len(parts[0].shape) == 2
        experts = "_exps." in name
        if len(parts) > 1 and (not experts or any(part.shape != one.shape for part in parts)):
            both = " and ".join(part.name for part in parts[:2])
            raise UserError(f"{both} have the same place in llama.cpp's file, or different shapes")
        if experts:
            parts.sort(key=lambda part: int(part.name.split(".")[-3]))
            shape = (len(parts), *one.shape)
            yield replace(one, shape=shape, read=partial(gguf_layout.stacked, parts))
        elif FAMILIES[family] is gguf.MODEL_ARCH.LLAMA and ".attn_q." in name:
            yield _changed(one, partial(gguf_layout.interleaved, heads=heads))
        elif FAMILIES[family] is gguf.MODEL_ARCH.LLAMA and ".attn_k." in name:
            yield _changed(one, partial(gguf_layout.interleaved, heads=config.num_key_value_heads))
        elif family == "gpt2" and matrix and name.startswith("blk."):
            # Conv1D stores its matrices as inputs × outputs.
            yield replace(_changed(one, np.transpose), shape=one.shape[::-1])
        elif family == "falcon" and ".attn_qkv." in name:
            yield _changed(
                one,
                partial(gguf_layout.ungrouped, heads=heads, groups=gguf_tensors.kv_heads(config)),
            )
        else:
            yield one
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") == "llama3":
        factors = gguf_layout.llama3_factors(config)
        yield Tensor("rope_freqs.weight", factors.shape, "F32", lambda: factors)


def _changed(tensor: Tensor, change: Callable[[Array], Array]) -> Tensor:
    """The tensor with its numbers reordered."""
    return replace(tensor, read=lambda: change(tensor.read()))


def _quantize(whole: Path, path: Path, kind: str) -> None:
    """Quantizes a file with llama.cpp, by its mixture of types of that name."""
    llama_log.listen()
    llama_cpp.llama_backend_init()
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    options.nthread = hardware.cores()
    if llama_cpp.llama_model_quantize(bytes(whole), bytes(path), ctypes.byref(options)):
        raise UserError(f"llama.cpp could not write {kind}: {llama_log.last()}")
