"""new_model.py: blocks from checkpoints' own files, and the catalogue's entries held against them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ggufs
import harmed
import hub
import little
import published_configs
from conftest import ROOT
from frontier.catalogue import configuration
from frontier.catalogue.models import Model
from frontier.proposing import models
from frontier.proposing.models import Proposal
from workspace import Workspace, refused

CARD = "---\nlicense: apache-2.0\n---\n# A small model\n"
CATALOGUE = configuration.read_catalogue(ROOT / "config").models
CHAT = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
OF_THE_HUB = {name: one for name, one in CATALOGUE.items() if one.hub and not one.head_of}


@pytest.mark.parametrize("name", published_configs.CONFIGS)
def test_the_catalogue_says_what_the_checkpoint_has(name: str, tmp_path: Path) -> None:
    """Each size follows from the published configuration: the tensors' shapes are transformers'."""
    model = CATALOGUE[name]
    config = published_configs.CONFIGS[name]
    folder = published_configs.write(tmp_path, config, model.dtype)
    if model.prompt == "chat":
        (folder / "chat_template.jinja").write_text(CHAT, encoding="utf-8")
    found = models.proposed(folder, {}, CATALOGUE)
    if model.gated:
        found.keys["gated"] = True
    assert list(models.differences(model, found)) == []


def test_every_model_of_the_hub_is_checked() -> None:
    """A new entry comes with its configuration, unless only the hub can tell."""
    assert {*OF_THE_HUB} == {*published_configs.CONFIGS}


def test_differences_are_found() -> None:
    """Each wrong or missing figure is named, and what the files leave open is none."""
    right = {
        "dtype": "bfloat16", "architecture": "llama", "parameters": 10_000, "vocabulary": 10, "hidden": 8,
        "layers": 2, "kv_heads": 2, "head_dim": 4,
    }  # fmt: skip
    block = {"path": ".", **right, "layers": 3, "prompt": "chat", "heads": 2} | {"path": "/x"}
    model = Model.model_validate_json(json.dumps(block))
    assert list(models.differences(model, Proposal(right | {"tied": True}))) == [
        "tied: false in the catalogue, true in the checkpoint",
        "layers: 3 in the catalogue, 2 in the checkpoint",
        "prompt: chat in the catalogue, and the checkpoint has no chat template",
    ]


PACKED = {
    "gptq": (
        {"quant_method": "gptq", "bits": 4, "group_size": 64},
        {"qweight": ("I32", [8, 32]), "qzeros": ("I32", [1, 4]), "scales": ("F16", [1, 32]), "g_idx": ("I32", [64])},
        (64 * 32, 4),
    ),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 64},
        {"qweight": ("I32", [64, 4]), "qzeros": ("I32", [1, 4]), "scales": ("F16", [1, 32])},
        (64 * 32, 4),
    ),
    "compressed-tensors": (
        {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}},
        {"weight_packed": ("I32", [32, 8]), "weight_scale": ("BF16", [32, 1]), "weight_shape": ("I64", [2])},
        (64 * 32, 4),
    ),
    "fp8": (
        {"quant_method": "fp8", "weight_block_size": [128, 128]},
        {"weight": ("F8_E4M3", [32, 64]), "weight_scale_inv": ("F32", [1, 1])},
        (64 * 32, 8),
    ),
    "exl3": (
        {"quant_method": "exl3", "version": "0.0.1", "bits": 4.0, "head_bits": 6},
        {"trellis": ("I16", [4, 2, 64]), "suh": ("F16", [64]), "svh": ("F16", [32]), "mcg": ("I32", [])},
        (64 * 32, 4),
    ),
    "bitsandbytes": (
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
        {"weight": ("U8", [1024, 1]), "weight.absmax": ("F32", [32]), "weight.quant_map": ("F32", [16]), "weight.quant_state.bitsandbytes__nf4": ("U8", [86])},
        (64 * 32, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", PACKED)
def test_packed_weights_are_counted(method: str, tmp_path: Path) -> None:
    """The parameters are those of the unpacked model, without scales and zero points."""
    block, parts, (packed, bits) = PACKED[method]
    config = {
        "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 100, "num_hidden_layers": 1,
        "intermediate_size": 32, "tie_word_embeddings": False, "quantization_config": block,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors: dict[str, tuple[str, list[int]]] = {
        "model.embed_tokens.weight": ("BF16", [100, 64]),
        "lm_head.weight": ("BF16", [100, 64]),
    }
    stem = "model.layers.0.mlp.up_proj"
    tensors |= {f"{stem}.{name}": one for name, one in parts.items()}
    published_configs.sparse(tmp_path / "model.safetensors", tensors)
    card = {"base_model": "Qwen/Qwen3-0.6B", "license": "other", "license_name": "my-own"}
    found = models.proposed(tmp_path, card, CATALOGUE)
    assert found.keys["parameters"] == 2 * 100 * 64 + packed
    assert (found.keys["published"], found.keys["published_bits"]) == (method, bits)
    assert (found.keys["base"], found.keys["licence"]) == ("qwen3-0.6b", "my-own")
    assert found.keys["dtype"] in ("bfloat16", "float16")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's folder, with one small chat model."""
    folder = tmp_path_factory.mktemp("hub")
    made = little.checkpoint(folder / "models" / "owner" / "Little-Llama-Instruct")
    little.edit(made / "tokenizer_config.json", chat_template=CHAT + "{{ enable_thinking }}")
    (made / "README.md").write_text(CARD, encoding="utf-8")
    return folder


@pytest.fixture
def served(root: Path) -> Iterator[hub.Hub]:
    with hub.serve(root) as found:
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A folder that has the catalogue, and the programs."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    return Workspace(tmp_path)


def added(place: Workspace, served: hub.Hub, *arguments: str, **environment: str) -> Any:
    caches = {"HF_HOME": str(place.path("hf")), "HF_ENDPOINT": served.url}
    return place.run(
        *(sys.executable, "workflow/scripts/new_model.py", *arguments),
        **(caches | environment),
    )


def test_a_model_of_the_hub(place: Workspace, served: hub.Hub) -> None:
    """Pinned, described without its weights, and fetched by its block as it is."""
    done = added(place, served, "--hub", "owner/Little-Llama-Instruct", "--name", "little")
    assert done.returncode == 0, done.stderr
    block = place.get("models", "models/little")
    commit = served.commit(served.root / "models/owner/Little-Llama-Instruct")
    assert block == {
        "hub": "owner/Little-Llama-Instruct", "revision": commit, "label": "Little Llama instruct",
        "licence": "Apache-2.0", "dtype": "float32", "prompt": "chat", "architecture": "llama", "parameters": 34_720,
        "vocabulary": 300, "hidden": 32, "layers": 2, "kv_heads": 2, "head_dim": 8,
    }  # fmt: skip
    assert "not decided: template_arguments: its chat template takes enable_thinking" in done.stdout
    again = added(place, served, "--check", "little")
    assert (again.returncode, again.stdout) == (0, "models.little: as its checkpoint\n")
    place.set("models", "models/little/layers", 3)
    refused(added(place, served, "--check", "little"), "1 differences in 1 models")
    others = {name for name in place.get("models", "models") if name != "little"}
    assert others == {*CATALOGUE}


def test_a_gated_model(place: Workspace, served: hub.Hub) -> None:
    """One line without the token, `gated` with it; the token is in no file."""
    served.gated["owner/Little-Llama-Instruct"] = "hf_secret"
    wanted = ("--hub", "owner/Little-Llama-Instruct")
    refused(added(place, served, *wanted), "owner/Little-Llama-Instruct is gated", "HF_TOKEN")
    done = added(place, served, *wanted, HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    assert place.get("models", "models/little-llama-instruct/gated") is True
    assert "hf_secret" not in place.path("config/models.yaml").read_text(encoding="utf-8")


def test_a_folder(place: Workspace, served: hub.Hub, root: Path) -> None:
    """A local checkpoint's block has its path, and its sizes."""
    folder = root / "models/owner/Little-Llama-Instruct"
    done = added(place, served, "--path", str(folder), "--name", "mine")
    assert done.returncode == 0, done.stderr
    block = place.get("models", "models/mine")
    assert (block["path"], block["layers"]) == (str(folder), 2)
    assert served.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hub", "owner/Litle-Llama"), ("the hub has no model owner/Litle-Llama",)),
        (("--hub", "Qwen/Qwen3-0.6"), ("the hub has no model", "'Qwen/Qwen3-0.6B'")),
        (("--hub", "not an id"), ("not a hub id",)),
        (("--hub", "owner/Little-Llama-Instruct", "--revision", "v9"), ("has no revision v9",)),
        (("--hub", "owner/Little-Llama-Instruct", "--name", "Mine"), ("lower-case",)),
        (("--hub", "owner/Little-Llama-Instruct", "--name", "gpt2"), ("gpt2: already exists",)),
        (("--path", "nowhere"), ("config.json: missing",)),
        ((), ("give either a hub's repository", "folder")),
        (("--check", "gpt3"), ("unknown id 'gpt3'", "'gpt2'")),
    ],
)
def test_what_is_refused(
    arguments: tuple[str, ...], words: tuple[str, ...], place: Workspace, served: hub.Hub
) -> None:
    """One line, and the catalogue stays as it is."""
    before = place.path("config/models.yaml").read_bytes()
    refused(added(place, served, *arguments), *words)
    assert place.path("config/models.yaml").read_bytes() == before


def test_own_code_is_not_run(place: Workspace, served: hub.Hub, tmp_path: Path) -> None:
    """Proposed without it, and said."""
    folder = little.checkpoint(tmp_path / "own")
    harmed.reconfigure(
        folder, model_type="own", auto_map={"AutoModelForCausalLM": "modeling_own.Own"}
    )
    (folder / "modeling_own.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
    done = added(place, served, "--path", str(folder), "--name", "own")
    assert done.returncode == 0, done.stderr
    assert "not decided: trust_remote_code" in done.stdout
    assert place.get("models", "models/own/layers") == 2


GGUF = "owner/Little-GGUF"


@pytest.fixture
def files(root: Path) -> Path:
    """A repository with GGUF files: one's header is longer than the first part that is fetched."""
    folder = root / "models" / GGUF
    (folder / "q8").mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("---\nbase_model: Qwen/Qwen3-0.6B\n---\n", encoding="utf-8")
    long = {"general__description": "x" * 300_000, "tokenizer__chat_template": CHAT}
    ggufs.write(folder / "q8" / "Little-Q8_0.gguf", **long)
    (folder / "foreign.gguf").write_bytes(b"PK\3\4 and more")
    ggufs.write(folder / "strange.gguf", general__architecture="lama9")
    return folder


def test_a_gguf_file_of_the_hub(place: Workspace, served: hub.Hub, files: Path) -> None:
    """Pinned with its name; its header is fetched, and no weight of it; then it is fetched whole."""
    done = added(place, served, "--hub", GGUF, "--file", "q8/Little-Q8_0.gguf")
    assert done.returncode == 0, done.stderr
    block = place.get("models", "models/little-q8_0")
    assert block == {
        "hub": GGUF, "revision": served.commit(files), "file": "q8/Little-Q8_0.gguf", "base": "qwen3-0.6b",
        "label": "Little Q8 0", "licence": "MIT", "dtype": "float32", "prompt": "chat", "architecture": "llama",
        "parameters": 304, "vocabulary": 30, "hidden": 8, "tied": True, "layers": 1, "kv_heads": 2, "head_dim": 4,
    }  # fmt: skip
    ranges = [asked for _, path, asked in served.requests if path.endswith("Q8_0.gguf")]
    assert ranges
    assert all(asked and asked.startswith("bytes=0-") for asked in ranges)
    again = added(place, served, "--check", "little-q8_0")
    assert (again.returncode, again.stdout) == (0, "models.little-q8_0: as its checkpoint\n")
    spec = {key: block[key] for key in ("hub", "revision", "file")}
    caches = {"HF_HOME": str(place.path("hf")), "HF_ENDPOINT": served.url}
    fetched = place.run(
        *(sys.executable, "workflow/scripts/fetch_model.py", "--spec", json.dumps(spec)),
        *("--output", "model", "--lock", "lock.json"),
        **caches,
    )
    assert fetched.returncode == 0, fetched.stderr
    lock = json.loads(place.path("lock.json").read_text(encoding="utf-8"))
    assert lock["source"] == {**spec, "commit": spec["revision"]}
    original = files / "q8/Little-Q8_0.gguf"
    assert lock["weights_sha256"] == hub.hashed(original)
    assert place.path("model/model.gguf").read_bytes() == original.read_bytes()
    assert {path.name for path in place.path("model").iterdir()} == {*lock["files"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hub", GGUF, "--file", "q8/Little-Q4_0.gguf"), ("has no file", "'q8/Little-Q8_0.gguf'")),
        (("--hub", GGUF), ("no safetensors weights", "foreign.gguf is a model of its own")),
        (("--hub", GGUF, "--file", "foreign.gguf"), ("foreign.gguf: not a GGUF file",)),
        (("--hub", GGUF, "--file", "strange.gguf"), ("its architecture 'lama9' is not known",)),
        (("--hub", GGUF, "--file", "../x.gguf"), ("file: not the name of a file",)),
        (("--hub", GGUF, "--file", "model.safetensors"), ("file: not a GGUF file",)),
        (("--path", "x.gguf", "--file", "x.gguf"), ("file: only with hub",)),
        (("--path", "nowhere.gguf"), ("nowhere.gguf: no such file",)),
    ],
)  # fmt: skip
def test_what_is_refused_of_gguf_files(
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    place: Workspace,
    served: hub.Hub,
    files: Path,
) -> None:
    """One line, and the catalogue stays as it is."""
    before = place.path("config/models.yaml").read_bytes()
    refused(added(place, served, *arguments), *words)
    assert place.path("config/models.yaml").read_bytes() == before


def test_a_local_gguf_file(place: Workspace, served: hub.Hub, tmp_path: Path) -> None:
    """Its own keys name its licence and its original."""
    home = "https://huggingface.co/Qwen/Qwen3-0.6B"
    path = ggufs.write(tmp_path / "Mine.gguf", general__base_model__0__repo_url=home)
    done = added(place, served, "--path", str(path))
    assert done.returncode == 0, done.stderr
    block = place.get("models", "models/mine")
    assert (block["path"], block["base"], block["licence"]) == (str(path), "qwen3-0.6b", "MIT")
    assert "not decided: prompt: it has no chat template" in done.stdout


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"path": "x", "published": "gguf"}, "published: gguf is a single file"),
        ({"path": "x.gguf", "published": "gptq"}, "a GGUF file is not published as gptq"),
        ({"path": "x.gguf", "trust_remote_code": True}, "a GGUF file has no code"),
        ({"path": "x", "file": "x.gguf"}, "file: only with hub"),
    ],
)
def test_keys_that_do_not_fit_a_gguf_file(keys: dict[str, Any], words: str) -> None:
    """Each is refused with its name."""
    with pytest.raises(ValueError, match=words):
        Model.model_validate_json(json.dumps(keys))
