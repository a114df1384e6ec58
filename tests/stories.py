"""The pretrained 260K-parameter Llama of llama2.c, as a checkpoint in the hub's layout."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def _weights(path: Path) -> tuple[list[int], dict[str, torch.Tensor]]:
    """Header and tensors of llama2.c's version 0: seven int32, then fp32 in a fixed order."""
    content = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, _ = header = struct.unpack("7i", content[:28])
    values = np.frombuffer(content, dtype="<f4", offset=28)
    kv = dim // heads * kv_heads
    shapes = {
        "embed": (vocab, dim), "attention_norm": (layers, dim), "q": (layers, dim, dim),
        "k": (layers, kv, dim), "v": (layers, kv, dim), "o": (layers, dim, dim),
        "mlp_norm": (layers, dim), "gate": (layers, hidden, dim), "down": (layers, dim, hidden),
        "up": (layers, hidden, dim), "norm": (dim,),
    }  # fmt: skip
    tensors, at = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        tensors[name] = torch.from_numpy(values[at : at + size].reshape(shape).copy())
        at += size
    return list(header), tensors


def _half_split(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of q or k from interleaved rotary pairs to the halves that transformers rotates."""
    out, width = rows.shape
    return rows.view(heads, out // heads // 2, 2, width).transpose(1, 2).reshape(out, width)


def _tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """The sentencepiece BPE; a merge's rank is the score of what it makes."""
    content = path.read_bytes()[4:]
    pieces, scores = [], []
    while content:
        score, size = struct.unpack("fi", content[:8])
        pieces.append(content[8 : 8 + size].decode("utf-8", "surrogateescape"))
        scores.append(score)
        content = content[8 + size :]
    # llama2.c stores the specials and bytes in its own spelling.
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = names + [piece.replace(" ", "▁") for piece in pieces[259:]]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    merges = []
    for piece, _ in sorted(zip(pieces[259:], scores[259:], strict=True), key=lambda x: -x[1]):
        for cut in range(1, len(piece)):
            if piece[:cut] in vocab and piece[cut:] in vocab:
                merges.append((piece[:cut], piece[cut:]))
    core = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    core.add_special_tokens([AddedToken(name, special=True) for name in names[:3]])
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def stories260k(data: Path, folder: Path) -> Path:
    """Writes the checkpoint from DATA/stories260K to `folder`: safetensors and tokenizer."""
    header, found = _weights(data / "stories260K" / "stories260K.bin")
    dim, hidden, layers, heads, kv_heads, vocab, _ = header
    config = LlamaConfig(
        hidden_size=dim, intermediate_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, vocab_size=vocab,
        max_position_embeddings=header[6], rms_norm_eps=1e-5, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    state = {"model.embed_tokens.weight": found["embed"], "model.norm.weight": found["norm"]}
    parts = {
        "self_attn.v_proj": "v", "self_attn.o_proj": "o", "mlp.gate_proj": "gate",
        "mlp.down_proj": "down", "mlp.up_proj": "up", "input_layernorm": "attention_norm",
        "post_attention_layernorm": "mlp_norm",
    }  # fmt: skip
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        for name, part in parts.items():
            state[f"{prefix}.{name}.weight"] = found[part][layer]
        state[f"{prefix}.self_attn.q_proj.weight"] = _half_split(found["q"][layer], heads)
        state[f"{prefix}.self_attn.k_proj.weight"] = _half_split(found["k"][layer], kv_heads)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["lm_head.weight"], (missing, unexpected)
    assert not unexpected, unexpected
    model.tie_weights()
    model.save_pretrained(folder)
    _tokenizer(data / "stories260K" / "tok512.bin").save_pretrained(folder)
    return folder


def with_wide_heads(stories: Path, folder: Path) -> Path:
    """The same model with heads of 16 numbers instead of 8, half of them zero, in `folder`.

    Each half of a head, which rotary positions turn together, gets as many zeros behind it; the
    positions' base makes up for the places, and the queries for the scale of attention.
    """
    model = LlamaForCausalLM.from_pretrained(stories)
    config, state = LlamaConfig.from_pretrained(stories), dict(model.state_dict())
    config.head_dim = 16
    base = config.rope_parameters["rope_theta"]
    config.rope_parameters = {"rope_type": "default", "rope_theta": base**2}
    for name, weight in state.items():
        part = name.split(".")[-2]
        if part in ("q_proj", "k_proj", "v_proj"):
            scale = 2**0.5 if part == "q_proj" else 1.0
            state[name] = _with_zeros(weight) * scale
        elif part == "o_proj":
            state[name] = _with_zeros(weight.T).T.contiguous()
    wide = LlamaForCausalLM(config)
    wide.load_state_dict(state)
    wide.tie_weights()
    shutil.copytree(stories, folder)
    wide.save_pretrained(folder)
    return folder


def _with_zeros(rows: torch.Tensor) -> torch.Tensor:
    """Rows of heads, four zero ones behind every four."""
    parts = rows.reshape(-1, 4, rows.shape[1])
    return torch.cat([parts, torch.zeros_like(parts)], dim=1).reshape(-1, rows.shape[1])
