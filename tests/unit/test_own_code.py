"""Checkpoints with code of their own: taken with trust_remote_code, else refused by that name."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import fetch_model
import hub
import little
import measure
import shipped
from conftest import ROOT
from frontier.conversions.rounding import Rounding
from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UserError
from frontier.fetching import checkpoints
from frontier.planning.placement import placed
from quantizing import quantizer

REPOSITORY = "owner/own"
PROMPTS = ("Once upon", "What is 2 + 3 ?")
TRUSTING = Settings("cpu", "float32", 1, "plain", quantizer("native"), trust_remote_code=True)
MODELING = """
from transformers import LlamaForCausalLM
from .configuration_own import OwnConfig
from .scaling_own import scaled

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""
CONFIGURATION = """
from transformers import LlamaConfig

class OwnConfig(LlamaConfig):
    model_type = "own_llama"
"""
TOKENIZATION = """
from transformers import PreTrainedTokenizerFast

class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets transformers copy such code here instead of to the home folder."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.chdir(tmp_path)
    path, loaded = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - loaded:
        if name.startswith("transformers_modules"):
            del sys.modules[name]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return little.checkpoint(tmp_path / "base")


@pytest.fixture
def own(base: Path, tmp_path: Path) -> Path:
    """The same model, computed by its own classes."""
    folder = shutil.copytree(base, tmp_path / "own")
    little.edit(
        folder / "config.json",
        model_type="own_llama",
        architectures=["OwnForCausalLM"],
        auto_map={
            "AutoConfig": "configuration_own.OwnConfig",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    )
    (folder / "configuration_own.py").write_text(CONFIGURATION)
    (folder / "modeling_own.py").write_text(MODELING)
    (folder / "scaling_own.py").write_text("def scaled(x):\n    return x\n")
    return folder


def fetch(monkeypatch: pytest.MonkeyPatch, output: Path, **spec: Any) -> dict[str, Any]:
    """The program's work in this process; its lock."""
    program = ["fetch_model", "--spec", json.dumps(spec), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", [*program, "--lock", str(output / "lock.json")])
    fetch_model.main()
    lock: dict[str, Any] = json.loads((output / "lock.json").read_text())
    return lock


def answers(folder: Path, settings: Settings = TRUSTING) -> list[str]:
    loaded = engine.load(folder, settings)
    return [loaded.generate(Generate(prompt, 12, ())).text for prompt in PROMPTS]


def test_local_code_is_linked_locked_and_run(
    own: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fetch(monkeypatch, tmp_path / "model", path=str(own), trust_remote_code=True)
    code = {"configuration_own.py", "modeling_own.py", "scaling_own.py"}
    assert {name for name in lock["files"] if name.endswith(".py")} == code
    assert all((tmp_path / "model" / name).is_symlink() for name in code)
    right = answers(base, dataclasses.replace(TRUSTING, trust_remote_code=False))
    assert len(set(right)) == len(PROMPTS), "the model looks at its prompt"
    assert answers(tmp_path / "model") == right


def test_own_tokenizer(
    own: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class is used, not the one that tokenizer.json would do for."""
    (own / "tokenization_own.py").write_text(TOKENIZATION)
    little.edit(
        own / "tokenizer_config.json",
        auto_map={"AutoTokenizer": [None, "tokenization_own.OwnTokenizer"]},
    )
    fetch(monkeypatch, tmp_path / "model", path=str(own), trust_remote_code=True)
    loaded = engine.load(tmp_path / "model", TRUSTING)
    assert type(loaded.prompting.tokenizer).__name__ == "OwnTokenizer"
    assert answers(tmp_path / "model") == answers(base)


def test_a_simulated_quantization_of_it(own: Path, tmp_path: Path) -> None:
    """The job that rounds changes weights alone, so the code goes along."""
    (tmp_path / "rounded").mkdir()
    built = Rounding(bits=8, dtype="float32").convert(own, tmp_path / "rounded", [])
    assert built.quantized_layers == 14
    assert len(answers(tmp_path / "rounded")) == len(PROMPTS)


def refuses(monkeypatch: pytest.MonkeyPatch, match: str, **spec: Any) -> None:
    with pytest.raises(UserError, match=match) as refused:
        fetch(monkeypatch, Path("refused"), **spec)
    assert "\n" not in str(refused.value)
    assert not Path("refused").exists()


def test_without_the_key_it_is_refused_by_name(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both planning and fetching refuse it; classes that transformers has need no key."""
    match = r"'own_llama' is computed by .*modeling_own.*trust_remote_code: true in config/models"
    refuses(monkeypatch, match, path=str(own))
    with pytest.raises(UserError, match="trust_remote_code: true"):
        engine.load(own, dataclasses.replace(TRUSTING, trust_remote_code=False))
    for known in ("llama", "gpt-sw3"):
        little.edit(own / "config.json", model_type=known)
        assert "modeling_own.py" not in checkpoints.read_files(own)


Spoil = Callable[[Path], object]


def refer(folder: Path, reference: str) -> None:
    auto_map = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": reference}
    little.edit(folder / "config.json", auto_map=auto_map)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda own: (own / "modeling_own.py").unlink(), r"modeling_own\.py: missing, though"),
        (
            lambda own: refer(own, "other/repo--modeling_own.OwnForCausalLM"),
            "another repository, other/repo, which no revision pins",
        ),
        (lambda own: refer(own, "OwnForCausalLM"), "not MODULE.CLASS"),
        (lambda own: refer(own, "../modeling.Own"), "not MODULE.CLASS"),
        (
            lambda own: (
                (own / "custom_generate").mkdir()
                or (own / "custom_generate/generate.py").write_text("")
            ),
            "generates by a loop of its own",
        ),
    ],
)
def test_code_that_cannot_be_taken(
    spoil: Spoil, match: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(own)
    refuses(monkeypatch, match, path=str(own), trust_remote_code=True)


def test_code_that_fails_is_known_from_ours(own: Path) -> None:
    """The first makes its cells unsupported, the second is an error."""
    fails = MODELING + "\n    def forward(self, *args, **kwargs):\n        return self.no_such\n"
    (own / "modeling_own.py").write_text(fails)
    loaded = engine.load(own, TRUSTING)
    with pytest.raises(AttributeError, match="no_such") as raised:
        loaded.generate(Generate("Once", 3, ()))
    assert measure.raised_by_own_code(raised.value)
    with pytest.raises(ZeroDivisionError) as ours:
        print(1 / 0)
    assert not measure.raised_by_own_code(ours.value)


def test_code_that_needs_another_package(own: Path) -> None:
    (own / "configuration_own.py").write_text("import no_such_package\n" + CONFIGURATION)
    with pytest.raises(UserError, match="no_such_package"):
        engine.load(own, TRUSTING)


def test_its_content_counts_where_it_runs(own: Path) -> None:
    files = checkpoints.read_files(own, trusted=True)
    assert "scaling_own.py" in files
    (own / "README.md").write_text("nothing that is read")
    assert checkpoints.read_files(own, trusted=True) == files


def test_from_a_hub(own: Path, base: Path, tmp_path: Path) -> None:
    """Its modules are fetched with the key, and never without."""
    served = tmp_path / "served/models" / REPOSITORY
    shutil.copytree(own, served)
    with hub.serve(tmp_path / "served") as server:

        def fetched(**key: bool) -> subprocess.CompletedProcess[str]:
            spec = {"hub": REPOSITORY, "revision": server.commit(served), **key}
            return subprocess.run(
                [
                    *(sys.executable, ROOT / "workflow/scripts/fetch_model.py", "--spec"),
                    *(json.dumps(spec), "--output", "model", "--lock", "model/lock.json"),
                ],
                env=os.environ | {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hf")},
                capture_output=True,
                text=True,
                check=False,
            )

        refused = fetched()
        assert refused.returncode == 1
        assert "trust_remote_code: true" in refused.stderr.splitlines()[-1]
        assert not [path for path in server.paths("GET") if path.endswith(".py")]
        done = fetched(trust_remote_code=True)
        assert done.returncode == 0, done.stderr
        assert "modeling_own.py" in json.loads((tmp_path / "model/lock.json").read_text())["files"]
        assert answers(tmp_path / "model") == answers(base)
        (served / "modeling_own.py").unlink()
        refused = fetched(trust_remote_code=True)
        assert refused.returncode == 1
        assert "modeling_own.py: missing, though" in refused.stderr.splitlines()[-1]


def test_other_engines_do_not_run_it() -> None:
    """Known while planning: an outcome of the cell."""
    catalogue = shipped.catalogue(
        models={"own": {"path": "own", "trust_remote_code": True}},
        quantizations={
            "native": {"method": "native"},
            "gguf": {"method": "gguf", "type": "Q8_0"},
            "rtn": {"method": "rounding", "bits": 4, "granularity": "channel"},
        },
        devices={
            "cpu": {"accelerator": "cpu"},
            "llama": {"accelerator": "cpu", "engine": "llama_cpp"},
            "onnx": {"accelerator": "cpu", "engine": "onnxruntime"},
        },
    )

    def reason(quantization: str, device: str) -> str | None:
        return placed(catalogue, "own", quantization, device).unsupported()

    assert reason("native", "cpu") is None
    assert reason("rtn", "cpu") is None
    assert "own code" in (reason("gguf", "llama") or "")
    assert "own code" in (reason("native", "onnx") or "")


def test_the_little_checkpoint_is_a_llama(base: Path) -> None:
    """The tests' own input is what they take it for."""
    model = engine.load(base, TRUSTING).model
    assert type(model).__name__ == "LlamaForCausalLM"
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
