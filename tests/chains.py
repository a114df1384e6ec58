"""A checkpoint whose answers are chosen: after each token comes the one that a table names.

A real Llama of one layer that adds nothing to what it reads: its embedding is the identity, and its
head the table. So `generate` can be tested with any answer, special tokens among them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<s>", "</s>", "<|im_end|>", "<|assistant|>", "<pad>")
WORDS = ("\n", "\n\n", " negative", "negative", " odd", "Q:", " stop", "=")


def tokenizer(frame: str = "<s> $A", **roles: str) -> PreTrainedTokenizerFast:
    """Bytes, a few words, and special tokens; `frame` is what the tokenizer puts around a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    core.add_tokens([AddedToken(word, normalized=False) for word in WORDS])
    used = [(name, core.token_to_id(name)) for name in SPECIAL if name in frame.split()]
    if used:
        core.post_processor = processors.TemplateProcessing(single=frame, special_tokens=used)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, **{"bos_token": "<s>", "eos_token": "</s>"} | roles
    )


def checkpoint(folder: Path, built: PreTrainedTokenizerFast, **config: Any) -> Path:
    """Tokenizer and configuration, without weights."""
    LlamaConfig(
        vocab_size=len(built), hidden_size=len(built) + len(built) % 2, num_hidden_layers=1,
        num_attention_heads=1, intermediate_size=4, max_position_embeddings=512,
        **{"bos_token_id": built.bos_token_id, "eos_token_id": built.eos_token_id} | config,
    ).save_pretrained(folder)  # fmt: skip
    built.save_pretrained(folder)
    return folder


def answering(folder: Path, answer: Sequence[str]) -> Path:
    """Adds weights: a text that ends in "=" is followed by `answer`, each a word, once only."""
    built = PreTrainedTokenizerFast.from_pretrained(folder)
    table = follow(built, ["=", *answer])
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(folder))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.model.norm.weight.fill_(1.0)
        for token in range(len(built)):
            model.model.embed_tokens.weight[token, token] = 1.0
            model.lm_head.weight[table.get(token, token), token] = 1.0
    model.save_pretrained(folder)
    return folder


def follow(built: PreTrainedTokenizerFast, words: Sequence[str]) -> Mapping[int, int]:
    """The id that comes after each."""
    ids = [built.convert_tokens_to_ids(word) for word in words]
    assert len(set(ids)) == len(ids), words
    return dict(itertools.pairwise(ids))
