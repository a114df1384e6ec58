"""Untrained models of the architectures that can be grown."""

from __future__ import annotations

from typing import Any

from transformers import (
    FalconConfig,
    FalconForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from frontier.catalogue.recipe import Recipe


def build(recipe: Recipe, vocabulary: int, end: int) -> PreTrainedModel:
    """The model with random weights, its embeddings tied to its head, without dropout.

    `vocabulary` tokens, of which `end` ends a text.
    """
    common = {
        "vocab_size": vocabulary,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "tie_word_embeddings": True,
        # transformers' 0.02 suits widths near 1,000; a narrow model learns much faster with more.
        "initializer_range": 0.64 * recipe.hidden**-0.5,
    }
    return {"gpt2": _gpt2, "llama": _llama, "falcon": _falcon}[recipe.architecture](recipe, common)


def _gpt2(recipe: Recipe, common: dict[str, Any]) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            n_embd=recipe.hidden,
            n_layer=recipe.layers,
            n_head=recipe.heads,
            n_inner=recipe.intermediate,
            n_positions=recipe.positions,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **common,
        )
    )


def _llama(recipe: Recipe, common: dict[str, Any]) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.cached_heads,
            intermediate_size=recipe.intermediate,
            max_position_embeddings=recipe.positions,
            **common,
        )
    )


def _falcon(recipe: Recipe, common: dict[str, Any]) -> PreTrainedModel:
    return FalconForCausalLM(
        FalconConfig(
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            ffn_hidden_size=recipe.intermediate,
            max_position_embeddings=recipe.positions,
            multi_query=True,
            parallel_attn=True,
            alibi=False,
            bias=False,
            **common,
        )
    )
