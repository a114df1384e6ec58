"""The cells of the GPU check: a Llama of 7B shape, two small models, and quantizations."""

from __future__ import annotations

from typing import Any

BIG = {
    "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
}  # fmt: skip
SMALL = BIG | {
    "vocab_size": 1024, "hidden_size": 256, "intermediate_size": 640,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
}  # fmt: skip

QUANTIZATIONS: dict[str, dict[str, Any]] = {
    "native": {"method": "native"},
    "fp16": {"method": "native", "dtype": "float16"},
    "nf4": {"method": "bitsandbytes", "weights": "nf4"},
    "llm-int8": {"method": "bitsandbytes", "weights": "int8"},
    "int8": {"method": "quanto", "weights": "int8"},
    "ao-int8": {"method": "torchao", "weights": "int8"},
    "ao-fp8": {"method": "torchao", "weights": "fp8"},
    "int4": {"method": "quanto", "weights": "int4"},
}
COMPILES = ("int4",)
"""Quantizations that compile their kernels first, which may take minutes: checked last."""
WHEELS = {"quanto": "optimum.quanto", "bitsandbytes": "bitsandbytes", "torchao": "torchao"}
"""The module that a method needs besides torch and transformers."""

TASKS = ("sentiment", "arithmetic")


def parameters(shape: dict[str, int]) -> int:
    """The parameters of a Llama of that shape with a separate head: matrices and norms."""
    hidden, layers = shape["hidden_size"], shape["num_hidden_layers"]
    heads, kv_heads = shape["num_attention_heads"], shape["num_key_value_heads"]
    attention = 2 * hidden * hidden * (heads + kv_heads) // heads
    layer = attention + 3 * hidden * shape["intermediate_size"] + 2 * hidden
    return layers * layer + 2 * shape["vocab_size"] * hidden + hidden


def _shaped(shape: dict[str, int]) -> dict[str, Any]:
    """The block of the model with random weights; nothing is fetched under its name."""
    return {
        "hub": "local/random-llama", "revision": "0" * 40, "dtype": "bfloat16",
        "architecture": "llama", "parameters": parameters(shape),
        "vocabulary": shape["vocab_size"], "hidden": shape["hidden_size"],
        "layers": shape["num_hidden_layers"], "kv_heads": shape["num_key_value_heads"],
        "head_dim": shape["hidden_size"] // shape["num_attention_heads"],
    }  # fmt: skip


def _grown(architecture: str, steps: int) -> dict[str, Any]:
    prompts = {"sentiment": "{sentence}\nSentiment:", "arithmetic": "{question} ="}
    return {
        "grow": {
            "architecture": architecture, "hidden": 64, "layers": 3, "heads": 4,
            "intermediate": 192, "steps": steps, "learning_rate": 0.012,
            "corpora": {
                grammar: {"prompt": prompt, "examples": 2000, "rows": 32}
                for grammar, prompt in prompts.items()
            },
        }
    }  # fmt: skip


def catalogue(accelerator: str, *, small: bool, requests: int) -> dict[str, dict[str, Any]]:
    """The files of config/ by their names: devices `cpu` and `here`, technique `compiled`."""
    # A small shape checks that all this works and not how fast: no time for latency to settle.
    warmup = {"minimum": 2, "maximum": 4 if small else 30, "tolerance": 50.0 if small else 0.25}
    cpu = {"accelerator": "cpu", "warmup": warmup, "threads": 1 if small else "auto"}
    here = cpu | ({"accelerator": "cuda", "gpus": 1} if accelerator == "cuda" else {})
    tasks = {
        "long": {
            "dataset": "demo", "sample": {"size": requests, "grammar": "arithmetic"},
            "prompt": "{question}", "max_new_tokens": 4 if small else 64,
            "scorer": {"kind": "mathematics"},
        },
        "sentiment": {
            "dataset": "demo", "sample": {"size": 20 if small else 100, "grammar": "sentiment"},
            "prompt": "{sentence}\nSentiment:", "max_new_tokens": 4, "stop": ["\n"],
            "scorer": {"kind": "classification", "labels": ["negative", "positive"]},
        },
        "arithmetic": {
            "dataset": "demo", "sample": {"size": 20 if small else 100, "grammar": "arithmetic"},
            "prompt": "{question} =", "max_new_tokens": 6, "stop": ["\n"],
            "scorer": {"kind": "mathematics"},
        },
    }  # fmt: skip
    steps = 20 if small else 200
    study = {"models": ["grown-llama"], "devices": ["here"], "tasks": ["sentiment"]}
    return {
        "models": {
            "models": {
                "shaped": _shaped(SMALL if small else BIG),
                "grown-llama": _grown("llama", steps),
                "grown-gpt2": _grown("gpt2", steps),
            }
        },
        "quantizations": {"quantizations": QUANTIZATIONS},
        "techniques": {"techniques": {"compiled": {"kind": "compile"}}},
        "devices": {
            "devices": {
                "cpu": cpu,
                "here": here,
            }
        },
        "tasks": {
            "datasets": {"demo": {"loader": "demo", "source": {"generator": "demo"}}},
            "tasks": tasks,
        },
        "config": {"study": study},
    }
