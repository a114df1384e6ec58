"""The catalogue that is shipped, and what bad configuration is told."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

import document_config
from conftest import ROOT
from frontier import catalogue, question
from frontier.configuration import read_catalogue, read_config, read_yaml
from frontier.entries import Decides
from frontier.errors import UserError

FILES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
# Keys that decide nothing by themselves: their content, or what they lead to, does.
# Their content decides, not where they stand; or further blocks do.
UNDECIDED = {("Model", "path"), ("Model", "adapter"), ("Task", "dataset")}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of config/ to spoil."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path / "config"


def spoil(config: Path, name: str, pattern: str, replacement: str) -> None:
    """Replace the first match of a pattern in one of the files."""
    path = config / f"{name}.yaml"
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
    assert count == 1, pattern
    path.write_text(text, encoding="utf-8")


def test_shipped_catalogue_and_studies() -> None:
    """What is shipped reads, and every study names what is there."""
    read = read_catalogue(ROOT / "config")
    for path in [ROOT / "config/config.yaml", *(ROOT / "config/studies").glob("*.yaml")]:
        read_config(read_yaml(path), read, str(path))


def test_revisions_are_commits() -> None:
    """Every hub model and dataset is pinned to a full commit hash."""
    read = read_catalogue(ROOT / "config")
    pinned = [model.revision for model in read.models.values() if model.hub]
    pinned += [dataset.source.revision for dataset in read.datasets.values() if dataset.source.hub]
    assert len(pinned) >= 14
    assert all(re.fullmatch("[0-9a-f]{40}", revision or "") for revision in pinned)


@pytest.mark.parametrize("kind", ["Model", "Device", "Warmup", "Dataset", "Task"])
def test_every_key_names_the_step_that_it_decides(kind: str) -> None:
    """A key without a step would change results that exact caching then took for fresh."""
    for name, field in getattr(catalogue, kind).model_fields.items():
        decided = any(isinstance(mark, Decides) for mark in field.metadata)
        assert decided != ((kind, name) in UNDECIDED), f"{kind}.{name}"


@pytest.mark.parametrize(
    "kind",
    ["Model", "Adapter", "Calibration", "Device", "Warmup", "Task", "Beside", "Study", "Config"],
)
def test_every_key_is_explained(kind: str) -> None:
    """The tables of config/README.md have no empty meaning."""
    module = question if kind in ("Beside", "Study", "Config") else catalogue
    for name, field in getattr(module, kind).model_fields.items():
        assert field.description, f"{kind}.{name}"


def test_schema_and_readme_are_in_step_with_the_code() -> None:
    """What document_config.py would write is what is there."""
    assert json.loads((ROOT / document_config.SCHEMA).read_text()) == document_config.schema()
    text = (ROOT / document_config.README).read_text(encoding="utf-8")
    assert document_config.readme(text) == text


@pytest.mark.parametrize("name", [*FILES, "studies/a6000", "studies/mps"])
def test_schema_accepts_what_is_shipped(name: str) -> None:
    """Editors with the schema do not complain."""
    content = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(document_config.schema()).validate(content)


def test_schema_refuses_a_typo() -> None:
    """Editors with the schema do complain."""
    content = {"quantizations": {"int8": {"method": "quanto", "wieghts": "int8"}}}
    assert not jsonschema.Draft202012Validator(document_config.schema()).is_valid(content)


BAD: dict[str, tuple[str, str, str, str]] = {
    "unknown key of a model": (
        "models", "    revision: f5db", "    revisoin: f5db",
        r"config/models\.yaml: models\.llama2-7b: revisoin: unknown key \(did you mean 'revision'\?\)",
    ),
    "wrong value": (
        "models", "dtype: float16", "dtype: float61",
        r"config/models\.yaml: models\.llama2-7b: dtype: .*'float16'.* \(found 'float61'\)",
    ),
    "two origins": (
        "models", "hub: meta", "path: /x\n    hub: meta",
        r"config/models\.yaml: models\.llama2-7b: .*exactly one of hub, path, grow",
    ),
    "key given twice": (
        "models", "    dtype: float16", "    dtype: float16\n    dtype: float32",
        r"models\.yaml: line \d+ key 'dtype' is given twice",
    ),
    "no YAML": ("models", "models:", "models: [", r"models\.yaml: line \d+ "),
    "id with a capital letter": ("models", "falcon7b:", "Falcon7b:", r"models\.Falcon7b: an id has lower-case"),
    "unknown quantization method": (
        "quantizations", "method: quanto", "method: qanto",
        r"quantizations\.int8\.method: unknown id 'qanto' \(did you mean 'quanto'\?\)",
    ),
    "unknown key of a quantization": (
        "quantizations", "weights: int8", "wieghts: int8",
        r"quantizations\.int8: wieghts: unknown key \(did you mean 'weights'\?\)",
    ),
    "unknown accelerator": ("devices", "accelerator: mps", "accelerator: metal", r"devices\.mps: accelerator: .*'metal'"),
    "CUDA without GPUs": ("devices", "accelerator: cpu", "accelerator: cuda", r"devices\.cpu: .*gpus: must be at least 1 for accelerator cuda"),
    "unknown engine": (
        "devices", "accelerator: cpu", "accelerator: cpu\n    engine: transfomers",
        r"devices\.cpu\.engine: unknown id 'transfomers' \(did you mean 'transformers'\?\)",
    ),
    "unknown dataset": (
        "tasks", "dataset: sst2", "dataset: sst",
        r"tasks\.sst2\.dataset: unknown id 'sst' \(did you mean 'sst2'\?\)",
    ),
    "unknown loader": ("tasks", "loader: sst2", "loader: sts2", r"datasets\.sst2\.loader: .*'sst2'"),
    "unknown key of a scorer": (
        "tasks", "positive: positive", "positiv: positive",
        r"tasks\.demo-sentiment\.scorer: positiv: unknown key \(did you mean 'positive'\?\)",
    ),
    "unknown key of a sample": (
        "tasks", "split: train", "splt: train",
        r"tasks\.sst2\.sample: splt: unknown key \(did you mean 'split'\?\)",
    ),
    "wrong size": ("tasks", "size: 200", "size: many", r"tasks\.demo-sentiment: sample\.size: .*integer"),
    "unknown section": ("tasks", "datasets:", "datsets:", r"config/tasks\.yaml: datsets: unknown key .*'datasets'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_catalogue(config: Path, case: str) -> None:
    """One line that names the file, the key, what is wrong, and the nearest valid name."""
    name, pattern, replacement, message = BAD[case]
    spoil(config, name, pattern, replacement)
    with pytest.raises(UserError, match=message) as told:
        read_catalogue(config)
    assert "\n" not in str(told.value)


def test_ambiguous_variant(config: Path) -> None:
    """Ids whose variants could be two things are refused."""
    spoil(config, "models", "  gpt2-xl:", "  gpt2-int8:")
    with pytest.raises(UserError, match=r"gpt2-int8.* could be .*; rename one"):
        read_catalogue(config)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"study": {"models": ["gtp2"]}}, r"study\.models: unknown id 'gtp2' \(did you mean 'gpt2'\?\)"),
        ({"study": {"models": []}}, r"study\.models: is empty, so the study has no cell"),
        ({"study": {"models": ["gpt2", "gpt2"]}}, "names an id twice"),
        ({"studdy": {}}, r"studdy: unknown key \(did you mean 'study'\?\)"),
        ({"sources": {"sst": {"path": "/x"}}}, r"sources: unknown id 'sst' \(did you mean 'sst2'\?\)"),
        ({"sources": {"sst2": {"path": "/x", "url": "http://x"}}}, "exactly one of"),
    ],
)  # fmt: skip
def test_bad_study(values: dict[str, dict[str, object]], message: str) -> None:
    """A study that cannot be is told by its key."""
    good = {"models": ["gpt2"], "devices": ["cpu"], "tasks": ["sst2"]}
    merged = {"study": good} | values
    if "study" in values:
        merged["study"] = good | values["study"]
    if "studdy" in values:
        del merged["study"]
    with pytest.raises(UserError, match=message):
        read_config(merged, read_catalogue(ROOT / "config"), "my.yaml")
