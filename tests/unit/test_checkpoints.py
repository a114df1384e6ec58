"""Checkpoints read from their files alone, compared with what transformers makes of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import fetch_model as fetch_model_program
import hub
from conftest import ROOT
from frontier.checkpoints import safetensor_files
from frontier.conversions.common import weights
from frontier.conversions.common.simulating import simulate
from frontier.errors import UserError
from frontier.fetching import checkpoints

ADDRESS = "owner/tiny"
CONFIGS = {
    "gpt2": transformers.GPT2Config(n_layer=2, n_head=4, n_embd=32, n_positions=64, vocab_size=100),
    "llama": transformers.LlamaConfig(
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        hidden_size=32,
        intermediate_size=48,
        vocab_size=100,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        head_dim=16,
    ),
    "falcon-multi-query": transformers.FalconConfig(
        num_hidden_layers=2, num_attention_heads=4, hidden_size=32, vocab_size=100
    ),
    "falcon-new": transformers.FalconConfig(
        num_hidden_layers=2,
        num_attention_heads=4,
        num_kv_heads=2,
        new_decoder_architecture=True,
        hidden_size=32,
        vocab_size=100,
    ),
    "mixtral": transformers.MixtralConfig(
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        hidden_size=32,
        intermediate_size=48,
        vocab_size=100,
        num_local_experts=4,
        num_experts_per_tok=2,
        head_dim=8,
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small random checkpoint of each architecture, as transformers saves it."""
    root = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for name, config in CONFIGS.items():
        model = transformers.AutoModelForCausalLM.from_config(config)
        if name == "llama":
            model = model.to(torch.bfloat16)
        model.save_pretrained(root / name, max_shard_size="20KB" if name == "mixtral" else "5GB")
        (root / name / "tokenizer.json").write_text("{}")
    return {name: root / name for name in CONFIGS}


@pytest.fixture
def checkpoint(saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that a test may spoil."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(saved["llama"], tmp_path / "checkpoint"))


@pytest.mark.parametrize("name", CONFIGS)
def test_facts_are_those_of_the_loaded_model(
    name: str, saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = checkpoints.describe(saved[name])
    model = transformers.AutoModelForCausalLM.from_pretrained(saved[name])
    assert facts["parameters"] == model.num_parameters()
    assert facts["dtype"] == str(model.dtype).removeprefix("torch.")
    weights = saved[name].glob("*.safetensors")
    assert facts["weights_bytes"] == sum(path.stat().st_size for path in weights)
    # The cache of a real forward pass shows layers, heads and their size.
    cache = model(torch.tensor([[1, 2, 3]]), use_cache=True).past_key_values
    keys = [layer.keys for layer in cache.layers]
    shape = facts["architecture"]
    assert shape["layers"] == len(keys)
    # transformers repeats the newer Falcon's keys for all heads before it caches them.
    heads = shape["heads" if name == "falcon-new" else "kv_heads"]
    assert [(1, heads, 3, shape["head_dim"])] * len(keys) == [tuple(key.shape) for key in keys]
    assert shape["kv_heads"] == {"gpt2": 4, "falcon-multi-query": 1}.get(name, 2)
    assert shape["model_type"] == model.config.model_type
    assert shape["hidden"] == model.config.hidden_size
    assert shape["vocabulary"] == 100
    assert shape["context"] == getattr(model.config, "max_position_embeddings", None)
    assert shape["experts"] == getattr(model.config, "num_local_experts", None)


def test_older_falcon_names() -> None:
    old = {"model_type": "falcon", "n_layer": 32, "n_head": 71, "hidden_size": 4544}
    found = checkpoints.architecture({**old, "multi_query": True})
    assert (found["layers"], found["kv_heads"], found["head_dim"]) == (32, 1, 64)
    many = checkpoints.architecture({**old, "n_head_kv": 8, "new_decoder_architecture": True})
    assert many["kv_heads"] == 8
    assert checkpoints.architecture({"model_type": "x"})["layers"] is None
    endless = {"model_type": "x", "num_hidden_layers": float("inf")}
    assert checkpoints.architecture(endless)["layers"] is None


def test_buffers_are_no_parameters(tmp_path: Path) -> None:
    """GPT-2's published file holds its causal masks, which are no parameters."""
    path = write(tmp_path / "model.safetensors", {"h.0.attn.bias": [1, 1, 4, 4], "w": [3, 5]})
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert "h.0.attn.bias" in safetensor_files.header(path)
    assert checkpoints.describe(tmp_path)["parameters"] == 15


@pytest.mark.parametrize(
    ("block", "parameters"),
    [
        pytest.param({"quant_method": "gptq", "bits": 4}, 64 * 32 + 32, id="its bits"),
        pytest.param({"quant_method": "own"}, None, id="bits unknown"),
    ],
)
def test_packed_parameters(
    block: dict[str, str | int], parameters: int | None, tmp_path: Path
) -> None:
    """Eight weights of four bits in a word are eight parameters; with unknown bits, MFU is null."""
    packed = {
        "proj.qweight": torch.zeros(64 // 8, 32, dtype=torch.int32),
        "proj.qzeros": torch.zeros(2, 4, dtype=torch.int32),
        "proj.scales": torch.zeros(2, 32, dtype=torch.float16),
        "norm.weight": torch.zeros(32, dtype=torch.float16),
    }
    save_file(packed, tmp_path / "model.safetensors")
    config = {"model_type": "llama", "quantization_config": block}
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = checkpoints.describe(tmp_path)
    assert (facts["parameters"], facts["dtype"]) == (parameters, "float16")


def write(path: Path, shapes: dict[str, list[int]]) -> Path:
    """A safetensors file by the format's description."""
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, path)
    return path


def listing(folder: Path, text: str) -> None:
    """An index in the place of the whole file."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    (folder / "model.safetensors.index.json").write_text(text)


def index(folder: Path, name: object) -> None:
    """An index that lists one file."""
    listing(folder, json.dumps({"metadata": {}, "weight_map": {"w": name}}))


def configured(folder: Path, name: str) -> None:
    """A config that says where the weights are."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"transformers_weights": name}))


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "config.json").unlink(), "config.json: missing"),
        (lambda p: (p / "config.json").write_text("{"), "config.json: not valid JSON"),
        (lambda p: (p / "config.json").write_bytes(b"\xff"), "config.json: not valid JSON"),
        (lambda p: (p / "config.json").write_text("[]"), "config.json: not a JSON object"),
        (lambda p: (p / "config.json").write_text("{}"), "config.json: no 'model_type'"),
        (lambda p: (p / "model.safetensors").unlink(), "no safetensors weights"),
        (
            lambda p: (p / "model.safetensors").rename(p / "pytorch_model.bin"),
            "pytorch_model.bin is a pickle",
        ),
        (
            lambda p: (p / "model.safetensors").rename(p / "consolidated.safetensors"),
            "consolidated.safetensors is not read without a model.safetensors.index.json",
        ),
        (lambda p: (p / "config.json").write_text("[" * 100_000), "config.json: not valid JSON"),
        (lambda p: os.truncate(p / "model.safetensors", 3000), "truncated"),
        (lambda p: os.truncate(p / "model.safetensors", 100), "truncated within its header"),
        (lambda p: os.truncate(p / "model.safetensors", 0), "not a safetensors file"),
        (lambda p: (p / "model.safetensors").write_bytes(b"<html>" * 99), "not a safetensors"),
        (lambda p: listing(p, "{}"), "no 'weight_map'"),
        (lambda p: listing(p, '{"weight_map": {"w": "x.safetensors"}}'), "no 'metadata'"),
        (lambda p: index(p, "model-00001-of-00001.safetensors"), "safetensors: missing, though"),
        (lambda p: index(p, "../model.safetensors"), "is outside the checkpoint's folder"),
        (lambda p: index(p, "/model.safetensors"), "is outside the checkpoint's folder"),
        (lambda p: index(p, "a/../../model.safetensors"), "is outside the checkpoint's folder"),
        (lambda p: index(p, "pytorch_model.bin"), "not the name of a safetensors file"),
        (lambda p: index(p, 7), "not the name of a safetensors file"),
        (lambda p: configured(p, "../w.safetensors"), "is outside the checkpoint's folder"),
        (lambda p: configured(p, "w.safetensors"), "w.safetensors: missing, though config.json"),
        (lambda p: configured(p, "weights.bin"), "not the name of a safetensors file"),
        (shutil.rmtree, "no such folder"),
        (lambda p: (shutil.rmtree(p), p.write_text("")), "a file, not a folder"),
    ],
)
def test_unreadable_checkpoints(spoil: Spoil, message: str, checkpoint: Path) -> None:
    spoil(checkpoint)
    with pytest.raises(UserError, match=message.replace(".", r"\.")):
        checkpoints.describe(checkpoint)


@given(st.data())
def test_any_damage_to_the_header_is_a_fault_in_one_line(
    saved: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    body = bytearray((saved["gpt2"] / "model.safetensors").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.safetensors"
    path.write_bytes(body[: data.draw(st.integers(0, len(body)))])
    fault = str(path)
    try:
        safetensor_files.header(path)
    except UserError as error:
        fault = str(error)
    assert fault.startswith(str(path))


def test_hashes_follow_content(checkpoint: Path) -> None:
    before = checkpoints.describe(checkpoint)
    config = json.loads((checkpoint / "tokenizer.json").read_text())
    (checkpoint / "tokenizer.json").write_text(json.dumps({**config, "x": 1}))
    (checkpoint / "notes.md").write_text("not read by anything")
    after = checkpoints.describe(checkpoint)
    assert after["tokenizer_sha256"] != before["tokenizer_sha256"]
    assert after["weights_sha256"] == before["weights_sha256"]
    assert "notes.md" not in after["files"]
    assert after["chat_template_sha256"] is None
    (checkpoint / "tokenizer_config.json").write_text('{"chat_template": "{{ x }}"}')
    inside = checkpoints.describe(checkpoint)["chat_template_sha256"]
    (checkpoint / "tokenizer_config.json").write_text("{}")
    (checkpoint / "chat_template.jinja").write_text("{{ x }}")
    assert checkpoints.describe(checkpoint)["chat_template_sha256"] == inside is not None


# The choice of the files with weights


def sharded(folder: Path, stem: str, change: float = 0.0, keep: bool = False) -> list[str]:
    """The weights in two files through an index, another value added to all of them."""
    tensors = load_file(folder / "model.safetensors")
    names = {key: f"{stem}-0000{1 + n % 2}-of-00002.safetensors" for n, key in enumerate(tensors)}
    if not keep:
        (folder / "model.safetensors").unlink()
    listed = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listed))
    for file in set(names.values()):
        part = {key: tensors[key] + change for key in tensors if names[key] == file}
        (folder / file).parent.mkdir(exist_ok=True)
        save_file(part, folder / file, {"format": "pt"})
    return sorted(set(names.values()))


def other_stem(folder: Path) -> list[str]:
    return [*sharded(folder, "pytorch_model"), "model.safetensors.index.json"]


def in_a_sub_folder(folder: Path) -> list[str]:
    return [*sharded(folder, "weights/part"), "model.safetensors.index.json"]


def stale_index(folder: Path) -> list[str]:
    """Its shards are there as well, of other values."""
    sharded(folder, "model", change=1.0, keep=True)
    return ["model.safetensors"]


def index_of_nothing(folder: Path) -> list[str]:
    for name in sharded(folder, "model", keep=True):
        (folder / name).unlink()
    return ["model.safetensors"]


def variants(folder: Path) -> list[str]:
    """The other files that repositories have besides the weights."""
    for name in ("model.fp16.safetensors", "consolidated.safetensors", "original/a.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        save_file({"model.norm.weight": torch.ones(32)}, folder / name)
    (folder / "model.fp16.safetensors.index.json").write_text("{}")
    return ["model.safetensors"]


def named_by_the_config(folder: Path) -> list[str]:
    shutil.move(folder / "model.safetensors", folder / "fine.safetensors")
    configured(folder, "fine.safetensors")
    return ["fine.safetensors"]


LAYOUTS = (
    other_stem, in_a_sub_folder, stale_index, index_of_nothing, variants, named_by_the_config,
)  # fmt: skip


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name].float(), other[name].float()) for name in one)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_readers_take_the_files_that_transformers_takes(
    layout: Callable[[Path], list[str]], checkpoint: Path, tmp_path: Path
) -> None:
    expected = layout(checkpoint)
    right = transformers.AutoModelForCausalLM.from_pretrained(checkpoint).state_dict()
    fetch_model(checkpoint, tmp_path / "model")
    lock = json.loads((tmp_path / "model/lock.json").read_text())
    names = {path for path in hub.files(tmp_path / "model") if "safetensors" in path}
    assert names == {name for name in lock["files"] if "safetensors" in name} == set(expected)
    assert lock["parameters"] == sum(tensor.numel() for tensor in tied_once(right).values())
    linked = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    same_weights(linked.state_dict(), right)
    for folder in (checkpoint, tmp_path / "model"):
        read = {tensor.name: torch.from_numpy(tensor.read()) for tensor in weights.tensors(folder)}
        same_weights(read, tied_once(right))
    (tmp_path / "simulated").mkdir()
    simulate(checkpoint, tmp_path / "simulated", "float32", lambda _, matrix: (matrix, 0))
    copied = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "simulated")
    same_weights(copied.state_dict(), right)


def tied_once(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A checkpoint without the head, which is the embedding and is not stored."""
    return {name: tensor for name, tensor in state.items() if name != "lm_head.weight"}


def fetch_model(folder: Path, output: Path, *, own_code: bool = False) -> None:
    """The program's work in this process."""
    spec = {"path": str(folder), **({"trust_remote_code": True} if own_code else {})}
    program = ["fetch_model", "--spec", json.dumps(spec), "--output", str(output)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*program, "--lock", str(output / "lock.json")])
        fetch_model_program.main()


def test_a_tensor_in_two_files_is_refused(checkpoint: Path) -> None:
    """Readers differ in which they take."""
    first, second = sharded(checkpoint, "model")
    tensors = load_file(checkpoint / first) | load_file(checkpoint / second)
    save_file(tensors, checkpoint / second, {"format": "pt"})
    with pytest.raises(UserError, match=rf"is both in {first} and in {second}"):
        checkpoints.describe(checkpoint)


def test_only_files_that_are_read_count(checkpoint: Path) -> None:
    before = checkpoints.read_files(checkpoint)
    for name in (
        *("README.md", "trainer_state.json", "training_args.bin", "checkpoint-10/optimizer.pt"),
        *("model.fp16.safetensors", "original/params.json", ".cache/x.json", "modeling_x.py"),
        "onnx/config.json",
    ):
        (checkpoint / name).parent.mkdir(exist_ok=True)
        (checkpoint / name).write_bytes(b"x")
    assert checkpoints.read_files(checkpoint) == before
    (checkpoint / "added_tokens.json").write_text("{}")
    assert checkpoints.read_files(checkpoint) == sorted([*before, "added_tokens.json"])


# The program, against a hub


@pytest.fixture
def server(checkpoint: Path, tmp_path: Path) -> Iterator[hub.Hub]:
    repository = tmp_path / "served/models" / ADDRESS
    repository.parent.mkdir(parents=True)
    checkpoint.rename(repository)
    (repository / "pytorch_model.bin").write_bytes(b"pickle")
    (repository / "onnx").mkdir()
    (repository / "onnx/config.json").write_text("{}")
    with hub.serve(tmp_path / "served") as served:
        yield served


def fetch(
    spec: dict[str, object], workplace: Path, **environment: str
) -> subprocess.CompletedProcess:
    """The program as a user runs it; no token of this machine's gets in."""
    inherited = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    return subprocess.run(
        [
            *(sys.executable, ROOT / "workflow/scripts/fetch_model.py"),
            *("--spec", json.dumps(spec), "--output", "model", "--lock", "model/lock.json"),
        ],
        cwd=workplace,
        env={**inherited, "HOME": str(workplace), "HF_HOME": str(workplace / "hf"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The program failed with one clear line that says all this."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last, last


def spec(server: hub.Hub, **changes: object) -> dict[str, object]:
    return {"hub": ADDRESS, "revision": server.commit(server.root / "models" / ADDRESS)} | changes


def test_model_from_a_hub(server: hub.Hub, tmp_path: Path) -> None:
    done = fetch(spec(server), tmp_path, HF_ENDPOINT=server.url)
    assert done.returncode == 0, done.stderr
    lock = json.loads((tmp_path / "model/lock.json").read_text())
    facts = checkpoints.describe(server.root / "models" / ADDRESS)
    source = {**spec(server), "commit": spec(server)["revision"]}
    assert lock == {"source": source, **facts, "identity": None}  # by hand, without a plan
    asked = " ".join(server.paths("GET"))
    assert "pytorch_model.bin" not in asked
    assert "onnx" not in asked
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert loaded.num_parameters() == lock["parameters"]

    shutil.rmtree(tmp_path / "model")
    before = len(server.requests)
    assert fetch(spec(server, gated=True), tmp_path, HF_ENDPOINT=server.url).returncode == 0
    assert len(server.requests) == before, "in the cache: no download, no token needed"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_weights_that_are_read_are_fetched(
    layout: Callable[[Path], list[str]], server: hub.Hub, tmp_path: Path
) -> None:
    repository = server.root / "models" / ADDRESS
    expected = set(layout(repository))
    done = fetch(spec(server), tmp_path, HF_ENDPOINT=server.url)
    assert done.returncode == 0, done.stderr
    lock = json.loads((tmp_path / "model/lock.json").read_text())
    assert {name for name in lock["files"] if "safetensors" in name} == expected
    index = "model.safetensors.index.json"  # to see its list, which may be empty
    asked = {path.partition("/resolve/")[2].partition("/")[2] for path in server.paths("GET")}
    assert {name for name in asked if "safetensors" in name} - {index} == expected - {index}
    right = transformers.AutoModelForCausalLM.from_pretrained(repository).state_dict()
    found = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model").state_dict()
    same_weights(found, right)


def test_gated_model(server: hub.Hub, tmp_path: Path) -> None:
    server.gated[ADDRESS] = "hf_right"
    way = (f"https://huggingface.co/{ADDRESS}", "accept its licence", "export HF_TOKEN=")
    for gated in (True, False):
        done = fetch(spec(server, gated=gated), tmp_path, HF_ENDPOINT=server.url)
        assert_refused(done, "is gated", *way)
    assert not (tmp_path / "model").exists()
    done = fetch(spec(server), tmp_path, HF_ENDPOINT=server.url, HF_TOKEN="hf_wrong")
    assert_refused(done, "is gated", "no access", *way)
    done = fetch(spec(server, gated=True), tmp_path, HF_ENDPOINT=server.url, HF_TOKEN="hf_right")
    assert done.returncode == 0, done.stderr
    assert "hf_right" not in done.stderr + done.stdout + (tmp_path / "model/lock.json").read_text()


def test_token_in_a_file_is_not_taken(server: hub.Hub, tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("hf_stored")
    assert fetch(spec(server), tmp_path, HF_ENDPOINT=server.url).returncode == 0
    assert set(server.tokens) == {None}


def test_hub_models_that_cannot_be_used(server: hub.Hub, tmp_path: Path) -> None:
    repository = server.root / "models" / ADDRESS
    server.altered = {"model.safetensors"}
    assert_refused(
        fetch(spec(server), tmp_path, HF_ENDPOINT=server.url), "model.safetensors", "altered"
    )
    server.altered = set()
    server.stops_at = {"model.safetensors": 1000}
    assert_refused(
        fetch(spec(server), tmp_path, HF_ENDPOINT=server.url), ADDRESS, "was interrupted"
    )
    server.stops_at = {}
    assert_refused(
        fetch(spec(server), tmp_path, HF_ENDPOINT="http://127.0.0.1:9"),
        "http://127.0.0.1:9",
        "config/models.yaml",
    )
    assert_refused(
        fetch(spec(server, hub="owner/tinny"), tmp_path, HF_ENDPOINT=server.url), "owner/tinny"
    )
    (repository / "model.safetensors").unlink()
    assert_refused(fetch(spec(server), tmp_path, HF_ENDPOINT=server.url), "no safetensors weights")
    assert not (tmp_path / "model").exists()


def test_local_model_is_linked(saved: dict[str, Path], tmp_path: Path) -> None:
    assert fetch({"path": str(saved["mixtral"])}, tmp_path).returncode == 0
    shards = list((tmp_path / "model").glob("model-*.safetensors"))
    assert len(shards) > 1
    assert all(path.is_symlink() for path in shards)
    lock = (tmp_path / "model/lock.json").read_text()
    assert str(saved["mixtral"]) not in lock
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model") is not None
    assert_refused(fetch({"path": "nowhere"}, tmp_path), "nowhere: no such folder")
    assert_refused(fetch({"path": "x", "hub": "y/z"}, tmp_path), "either hub or path")
    assert_refused(fetch({"hub": "y/z"}, tmp_path), "hub and revision go together")
