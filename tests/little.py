"""A random Llama of some kilobytes with a tokenizer of its own, as transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

TEXTS = ["Once upon a time there was a little model", "What is 2 + 3 ?", "a film that is good"]


def checkpoint(folder: Path, **changes: Any) -> Path:
    """Writes one; `changes` are to LlamaConfig's keys. Its answers vary with the prompt."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    raw = tokenizers.Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet
    )
    raw.train_from_iterator(TEXTS, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>"
    )
    tokenizer.save_pretrained(folder)
    sizes = {
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "hidden_size": 32, "intermediate_size": 48, "max_position_embeddings": 128,
        "vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 1,
        "initializer_range": 0.3,
    }  # fmt: skip
    config = transformers.LlamaConfig(**sizes | changes)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Sets keys of a JSON object's file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(found | changes), encoding="utf-8")
