"""Checkpoints as others publish them: with an adapter on top, or packed as BitNet b1.58."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

import peft
import polars as pl
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import bitnet
import harmed
import little
import tiny
from frontier.grammars.arithmetic import Arithmetic
from workspace import Workspace

CONFIGURATION = """
from transformers import LlamaConfig

class OwnConfig(LlamaConfig):
    model_type = "own"
"""
MODELING = """
from transformers import LlamaForCausalLM
from .configuration_own import OwnConfig

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""
PROMPT = tiny.PROMPTS["arithmetic"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study's Llama, measured at sums as it is."""
    place = tiny.workspace(tmp_path_factory.mktemp("published"))
    for key, value in {"hidden": 64, "steps": 60, "learning_rate": 0.01}.items():
        place.set("models", f"models/tiny-llama/grow/{key}", value)
    place.build("results/tiny-llama/cpu/sums.json")
    return place


def checkpoint(place: Workspace) -> Path:
    """The folder of the grown Llama."""
    return next(place.root.glob("resources/models/tiny-llama/*/lock.json")).parent


def train_adapter(base: Path, folder: Path) -> tuple[float, float]:
    """A LoRA adapter trained on sums for some seconds; gives its loss before and after."""
    torch.manual_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    chosen = peft.LoraConfig(r=8, lora_alpha=32, target_modules="all-linear")
    model = peft.get_peft_model(model, chosen)
    stepper = torch.optim.AdamW(model.parameters(), lr=0.005)
    texts = [
        f"{PROMPT.format_map(example.fields)} {example.reference}{tokenizer.eos_token}"
        for example in islice(Arithmetic().examples("train", 0), 320)
    ]
    losses = []
    for start in range(0, 30 * 320, 32):
        chunk = [texts[(start + n) % 320] for n in range(32)]
        batch = tokenizer(chunk, return_tensors="pt", padding=True)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(input_ids=batch["input_ids"], labels=labels).loss
        loss.backward()
        stepper.step()
        stepper.zero_grad()
        losses.append(loss.item())
    model.save_pretrained(folder)
    return losses[0], losses[-1]


def greedy(model: transformers.PreTrainedModel, base: Path, prompts: list[str]) -> list[str]:
    """A model's answers, decoded by hand: four tokens, cut at the end of the line."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    answers = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        out = model.generate(ids, max_new_tokens=4, do_sample=False)
        text = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        answers.append(text)
    return answers


def test_adapter(built: Workspace, tmp_path: Path) -> None:
    """Measured with the adapter on: it answers as the merged model does, and not as its base."""
    base = checkpoint(built)
    before, after = train_adapter(base, tmp_path / "adapter")
    assert after < 0.8 * before
    grow = built.get("models", "models/tiny-llama/grow")
    lora = {"grow": grow, "adapter": {"path": str(tmp_path / "adapter")}}
    built.set("models", "models/tiny-lora", lora)
    path = "results/tiny-lora/cpu/sums.json"
    built.build(path)
    found = pl.read_parquet(built.path(path).with_suffix(".parquet"))
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    merged = peft.PeftModel.from_pretrained(model, tmp_path / "adapter").merge_and_unload()
    prompts = [PROMPT.format(question=question) for question in found["input"]]
    assert found["prediction"].to_list() == greedy(merged, base, prompts)
    plain = pl.read_parquet(built.path("results/tiny-llama/cpu/sums.parquet"))
    assert found["prediction"].to_list() != plain["prediction"].to_list()

    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert built.jobs(path) == {
        "fetch_adapter tiny-lora", "measure tiny-lora sums", "score tiny-lora sums",
    }  # fmt: skip


def test_bitnet(built: Workspace, tmp_path: Path) -> None:
    """Two bits a weight, and the same answers as its dense twin's."""
    torch.manual_seed(0)
    base = checkpoint(built)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((base / file).read_bytes())
    dense = bitnet.write(tmp_path, model)
    built.set("models", "models/tiny-bitnet", {"path": str(tmp_path), "published_bits": 2})
    path = "results/tiny-bitnet/cpu/sums.json"
    built.build(path)
    cell = json.loads(built.path(path).read_text())
    found = pl.read_parquet(built.path(path).with_suffix(".parquet"))
    prompts = [PROMPT.format(question=question) for question in found["input"]]
    assert found["prediction"].to_list() == greedy(dense, base, prompts)
    layers = [tensor for name, tensor in dense.state_dict().items() if ".layers." in name]
    rest = sum(parameter.nbytes for parameter in dense.parameters()) - sum(t.nbytes for t in layers)
    packed = sum(tensor.numel() / 4 if tensor.ndim == 2 else tensor.nbytes for tensor in layers)
    assert cell["figures"]["weights_bytes"] == pytest.approx(rest + packed, rel=0.02)
    built.build("results/tiny-bitnet-int8/cpu/sums.json")
    other = json.loads(built.path("results/tiny-bitnet-int8/cpu/sums.json").read_text())
    assert other["outcome"] == "unsupported"
    assert "published quantized: bitnet" in other["reason"]
    assert "quanto (weights: int8)" in other["reason"]


def test_own_code_in_shards_of_another_name(built: Workspace, tmp_path: Path) -> None:
    """Measured with the same answers; a file that no job reads makes none run."""
    folder = tmp_path / "own"
    shutil.copytree(checkpoint(built), folder, ignore=shutil.ignore_patterns("lock.json"))
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {
        key: f"pytorch_model-0000{1 + n % 2}-of-00002.safetensors" for n, key in enumerate(tensors)
    }
    for name in set(names.values()):
        save_file({key: tensors[key] for key in tensors if names[key] == name}, folder / name)
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    auto_map = {
        "AutoConfig": "configuration_own.OwnConfig",
        "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
    }
    little.edit(folder / "config.json", model_type="own", auto_map=auto_map)
    (folder / "configuration_own.py").write_text(CONFIGURATION)
    (folder / "modeling_own.py").write_text(MODELING)
    built.set("models", "models/tiny-own", {"path": str(folder)})
    path = "results/tiny-own/cpu/sums.json"
    done = built.snakemake(path)
    assert done.returncode == 1
    (errors,) = [line for line in (done.stdout + done.stderr).splitlines() if "error: " in line]
    assert "models.tiny-own" in errors
    assert "trust_remote_code: true" in errors
    built.set("models", "models/tiny-own/trust_remote_code", True)
    built.build(path, HF_MODULES_CACHE=str(tmp_path / "modules"))
    found, plain = (
        pl.read_parquet(built.path(f"results/{model}/cpu/sums.parquet"))
        for model in ("tiny-own", "tiny-llama")
    )
    assert found["prediction"].to_list() == plain["prediction"].to_list()
    (folder / "README.md").write_text("about it")
    assert built.jobs(path) == set()
    with (folder / "modeling_own.py").open("a") as file:
        file.write("# read when it is loaded\n")
    assert built.jobs(path) == {
        "fetch_model tiny-own", "measure tiny-own sums", "score tiny-own sums",
    }  # fmt: skip


def test_packed_and_harmed_checkpoints(built: Workspace, tmp_path: Path) -> None:
    """A published quantization is measured as published and cannot be quantized again; a harmed one is one line."""
    base = checkpoint(built)

    def model(name: str) -> Path:
        folder = Path(
            shutil.copytree(base, tmp_path / name, ignore=shutil.ignore_patterns("lock*"))
        )
        built.set("models", f"models/{name}", {"path": str(folder)})
        return folder

    nf4 = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    packed = transformers.AutoModelForCausalLM.from_pretrained(base, quantization_config=nf4)
    packed.save_pretrained(model("nf4"))
    harmed.without("layers.0.mlp.down")(model("lost"))
    harmed.spoilt("up_proj.weight", float("nan"))(model("nan"))
    mamba = transformers.MambaConfig(vocab_size=512, hidden_size=32, num_hidden_layers=1)
    (folder := model("mamba")).joinpath("model.safetensors").unlink()
    transformers.MambaForCausalLM(mamba).save_pretrained(folder)
    built.set("quantizations", "quantizations/fp4", {"method": "bitsandbytes", "weights": "fp4"})
    names = ("nf4", "nf4-fp4", "mamba", "lost", "nan")
    paths = [f"results/{name}/cpu/sums.json" for name in names]
    done = built.snakemake("--keep-going", *paths)
    log = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in log
    errors = sorted({line for line in log.splitlines() if line.startswith("error: ")})
    assert len(errors) == 2, errors
    assert any("lack model.layers.0.mlp.down_proj.weight" in line for line in errors)
    assert any("up_proj.weight has weights that are NaN or infinite" in line for line in errors)
    cells = {
        name: json.loads(built.path(path).read_text()) if built.path(path).exists() else None
        for name, path in zip(names, paths, strict=True)
    }
    assert cells["lost"] is cells["nan"] is None
    assert cells["nf4"]["outcome"] == cells["mamba"]["outcome"] == "measured"
    whole = json.loads(built.path("results/tiny-llama/cpu/sums.json").read_text())
    assert cells["nf4"]["figures"]["weights_bytes"] < whole["figures"]["weights_bytes"]
    assert cells["nf4-fp4"]["outcome"] == "unsupported"
    reason = cells["nf4-fp4"]["reason"]
    assert reason.startswith(
        "published quantized: bitsandbytes (nf4); it cannot be quantized again"
    )
    assert "fp4" in reason
