"""Training of a small adapter on a grown model, which stays as it is; reproducible like the model.

The same loss and schedule as the model's own, with AdamW, since Muon is for whole matrices.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from frontier import values
from frontier.catalogue.recipe import AdapterRecipe
from frontier.checkpoints.adapter_files import BITFIT, CONFIG, WEIGHTS
from frontier.growing.corpus import IGNORED, batches, encode, texts
from frontier.growing.train import schedule
from frontier.host import files

CAUSAL = "CAUSAL_LM"
IA3_TARGETS = {
    "gpt2": (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
    "llama": (["k_proj", "v_proj", "down_proj"], ["down_proj"]),
    "falcon": (["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"]),
}
"""The layers with factors by architecture, and those whose inputs are scaled: PEFT's own."""
LORA_SCALE = 2


@dataclass(frozen=True)
class Adapted:
    """A model with a trained adapter, and the losses."""

    model: Any
    """PEFT's model; the model itself for BitFit."""
    before: dict[str, torch.Tensor]
    """BitFit's biases before the training, by their names; empty for other methods."""
    losses: dict[str, float]
    """Each grammar's cross entropy in nats per token of the answers, mean of the last tenth."""
    seconds: float
    """Duration of the training."""


def adapt(checkpoint: Path, recipe: AdapterRecipe, progress: Callable[[float], None]) -> Adapted:
    """Trains an adapter on a checkpoint; calls `progress` with the mean loss after each step.

    Raises UserError if a grammar has fewer examples than a corpus asks for.
    """
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    streams = {
        name: batches(
            encode(texts(name, corpus, recipe.seed), tokenizer),
            corpus.rows,
            recipe.seed,
            corpus.by_length,
        )
        for name, corpus in sorted(recipe.corpora.items())
    }
    bare: PreTrainedModel = AutoModelForCausalLM.from_pretrained(checkpoint)
    model, before = _untrained(bare, recipe)
    model.train()
    trained = [one for one in model.parameters() if one.requires_grad]
    stepper = torch.optim.AdamW(trained, betas=(0.9, 0.98), weight_decay=0.0)
    history: list[dict[str, float]] = []
    for step in range(recipe.steps):
        losses = {}
        for name, stream in streams.items():
            loss = _loss(model, *next(stream))
            torch.autograd.backward(loss)
            losses[name] = loss.item()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for group in stepper.param_groups:
            group["lr"] = recipe.learning_rate * schedule(step, recipe.steps)
        stepper.step()
        stepper.zero_grad()
        history.append(losses)
        progress(sum(losses.values()) / len(losses))
    last = history[-max(1, recipe.steps // 10) :]
    means = {name: sum(losses[name] for losses in last) / len(last) for name in streams}
    return Adapted(model.eval(), before, means, time.monotonic() - started)


def save(adapted: Adapted, folder: Path) -> None:
    """Writes an adapter as PEFT does, without the place of the model that it was trained on."""
    if adapted.before:
        biases = dict(adapted.model.named_parameters())
        changed = {name: biases[name].detach() - one for name, one in adapted.before.items()}
        save_file(changed, folder / WEIGHTS, {"format": "pt"})
        settings: dict[str, Any] = {"peft_type": BITFIT, "task_type": CAUSAL, "bias": "all"}
    else:
        adapted.model.save_pretrained(folder)
        (folder / "README.md").unlink()
        settings = values.read_json(folder / CONFIG)
    # Sets have another order in each process.
    ordered = {
        name: sorted(one) if isinstance(one, list) else one
        for name, one in sorted(settings.items())
    }
    files.write_json(folder / CONFIG, ordered | {"base_model_name_or_path": None})


def _untrained(
    model: PreTrainedModel, recipe: AdapterRecipe
) -> tuple[Any, dict[str, torch.Tensor]]:
    """The model with an adapter that changes nothing yet, and the biases that BitFit changes."""
    import peft

    if recipe.method == "bitfit":
        before = {}
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.endswith(".bias")
            if parameter.requires_grad:
                before[name] = parameter.detach().clone()
        return model, before
    family = model.config.model_type
    rows = family == "gpt2"  # its layers store their matrices by rows
    config: peft.PeftConfig
    if recipe.method == "lora":
        config = peft.LoraConfig(
            task_type=CAUSAL,
            r=recipe.rank,
            lora_alpha=LORA_SCALE * recipe.rank,
            target_modules="all-linear",
            fan_in_fan_out=rows,
        )
    elif recipe.method == "ia3":
        targets, inputs = IA3_TARGETS[family]
        config = peft.IA3Config(
            task_type=CAUSAL,
            target_modules=targets,
            feedforward_modules=inputs,
            fan_in_fan_out=rows,
        )
    else:
        config = peft.PromptTuningConfig(task_type=CAUSAL, num_virtual_tokens=recipe.virtual_tokens)
    with warnings.catch_warnings(action="ignore"):
        return peft.get_peft_model(model, config), {}


def _loss(model: Any, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy over the tokens of the answers; both are (rows, tokens).

    The padding is on the right, which a causal model does not see; tokens of the adapter's own come
    before the inputs.
    """
    mask = torch.ones_like(inputs)
    logits = model(input_ids=inputs, attention_mask=mask, use_cache=False).logits
    taught = targets != IGNORED
    return cross_entropy(logits[:, -inputs.shape[1] :][taught], targets[taught])
