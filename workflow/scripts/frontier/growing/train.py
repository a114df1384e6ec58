"""Training of a small model from scratch for a number of steps; reproducible on one platform.

Only answers enter the loss, since a grammar's questions are random. Each corpus is a separate
forward pass, so that short questions are not padded to the longest sentence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from frontier import values
from frontier.catalogue.recipe import Recipe
from frontier.growing import quantization_aware, ternary
from frontier.growing.architectures import build
from frontier.growing.corpus import IGNORED, batches, encode, texts, train_tokenizer
from frontier.host import files


@dataclass(frozen=True)
class Lessons:
    """The training data: endless batches by grammar, and their tokenizer."""

    tokenizer: PreTrainedTokenizerFast
    streams: dict[str, Iterator[tuple[torch.Tensor, torch.Tensor]]]


@dataclass(frozen=True)
class Grown:
    """A trained model, its tokenizer, and the losses."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    losses: dict[str, float]
    """Each grammar's cross entropy in nats per token of the answers, mean of the last tenth."""
    seconds: float
    """Duration of the training."""
    ternary: bool = False
    """The layers' weights have three values, and are saved packed."""


def schedule(step: int, steps: int) -> float:
    """The share of the peak learning rate: a rise over a twentieth of the steps, cosine to 1 %."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def optimizers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for embeddings, norms and biases.

    Muon (K. Jordan and others, 2024) orthogonalises each update. Small models learn these tasks
    in about half of the steps that AdamW takes.
    """
    embeddings = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)
    }
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        matrix = parameter.ndim == 2 and id(parameter) not in embeddings
        (matrices if matrix else others).append(parameter)
    rate, decay = recipe.learning_rate, recipe.weight_decay
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, weight_decay=decay, betas=(0.9, 0.98), fused=True),
    ]


def answer_loss(
    model: PreTrainedModel, inputs: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Mean cross entropy over the tokens of the answers; inputs and targets are (rows, tokens).

    The head runs for those tokens only. No attention mask: the padding is on the right, which a
    causal model does not see.
    """
    hidden = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
    taught = targets != IGNORED
    return cross_entropy(model.get_output_embeddings()(hidden[taught]), targets[taught])


def prepare(recipe: Recipe) -> Lessons:
    """Generates the corpora and trains their tokenizer.

    Raises UserError if a grammar has fewer examples than a corpus asks for.
    """
    corpora = {name: texts(name, recipe.corpora[name], recipe.seed) for name in recipe.corpora}
    tokenizer = train_tokenizer(corpora, recipe)
    # Sorted by name, so that the order of a recipe's keys does not matter.
    streams = {
        name: batches(encode(corpora[name], tokenizer), corpus.rows, recipe.seed, corpus.by_length)
        for name, corpus in sorted(recipe.corpora.items())
    }
    return Lessons(tokenizer, streams)


def grow(recipe: Recipe, lessons: Lessons, progress: Callable[[float], None]) -> Grown:
    """Trains from scratch; calls `progress` with the mean loss after each step.

    Without any steps the weights are random, and there are no losses.
    """
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    tokenizer = lessons.tokenizer
    model = build(recipe, len(tokenizer), tokenizer.eos_token_id).train()
    quantization_aware.prepare(model, recipe)
    steppers = optimizers(model, recipe)
    history: list[dict[str, float]] = []
    for step in range(recipe.steps):
        quantization_aware.begin(model, recipe, step)
        losses = {}
        for name, stream in lessons.streams.items():
            loss = answer_loss(model, *next(stream))
            torch.autograd.backward(loss)
            losses[name] = loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = recipe.learning_rate * schedule(step, recipe.steps)
            stepper.step()
            stepper.zero_grad()
        history.append(losses)
        progress(sum(losses.values()) / len(losses))
    last = history[-max(1, recipe.steps // 10) :]
    means = {
        name: sum(losses[name] for losses in last) / len(last) for name in lessons.streams if last
    }
    quantization_aware.finish(model, recipe)
    return Grown(model.eval(), tokenizer, means, time.monotonic() - started, recipe.ternary)


def save(grown: Grown, folder: Path) -> None:
    """Writes a checkpoint in the hub's layout: config, safetensors, tokenizer."""
    grown.model.save_pretrained(folder)
    if grown.ternary:
        ternary.pack(grown.model, folder)
    grown.tokenizer.save_pretrained(folder)
    # transformers 5 writes the name of a class that version 4 lacks, with which many servers run.
    path = folder / "tokenizer_config.json"
    files.write_json(path, values.read_json(path) | {"tokenizer_class": "PreTrainedTokenizerFast"})
