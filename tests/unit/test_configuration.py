"""The shipped catalogue, and the errors for bad configurations."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import document_config
from conftest import ROOT
from frontier import prices
from frontier.blocks import Decides, Entry
from frontier.catalogue import devices, entries, models, question
from frontier.catalogue.configuration import FILES as SECTIONS
from frontier.catalogue.configuration import read_catalogue, read_config, read_study
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.reading import read_yaml
from frontier.datasets import LOADERS
from frontier.engines import ENGINES
from frontier.errors import UserError, did_you_mean, one_line
from frontier.planning.steps import Steps
from frontier.quantizers import QUANTIZERS
from frontier.scorers import SCORERS

FILES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
# Keys that decide nothing by themselves; their content, or the blocks that they name, does.
# Their content decides, not their place; or further blocks do.
UNDECIDED = {("Model", "path"), ("Model", "adapter"), ("Task", "dataset")}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of config/ to spoil."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path / "config"


@pytest.fixture(scope="module")
def whole() -> Catalogue:
    """The catalogue that is shipped."""
    return read_catalogue(ROOT / "config")


def spoil(config: Path, name: str, pattern: str, replacement: str) -> None:
    """Replaces the first match of a pattern in one of the files."""
    path = config / f"{name}.yaml"
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
    assert count == 1, pattern
    path.write_text(text, encoding="utf-8")


def test_shipped_catalogue_and_studies() -> None:
    """The shipped files can be read, and every study names existing ids."""
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


def entry(kind: str) -> type[Entry]:
    """The class of a block, wherever it is."""
    found: type[Entry] = next(
        vars(module)[kind]
        for module in (entries, models, devices, prices, question)
        if kind in vars(module)
    )
    return found


@pytest.mark.parametrize("kind", ["Model", "Device", "Warmup", "Dataset", "Task"])
def test_every_key_names_the_step_that_it_decides(kind: str) -> None:
    """A key without a step would change results that exact caching then took for fresh."""
    for name, field in entry(kind).model_fields.items():
        decided = any(isinstance(mark, Decides) for mark in field.metadata)
        assert decided != ((kind, name) in UNDECIDED), f"{kind}.{name}"


@pytest.mark.parametrize(
    "kind",
    [
        "Model",
        "Adapter",
        "Calibration",
        "Device",
        "Warmup",
        "Task",
        "CrossProduct",
        "Study",
        "Config",
    ],
)
def test_every_key_is_explained(kind: str) -> None:
    """The tables of config/README.md have no empty meaning."""
    for name, field in entry(kind).model_fields.items():
        assert field.description, f"{kind}.{name}"


def test_schema_and_readme_are_in_step_with_the_code() -> None:
    """The files are what document_config.py would write."""
    assert json.loads((ROOT / document_config.SCHEMA).read_text()) == document_config.schema()
    text = (ROOT / document_config.README).read_text(encoding="utf-8")
    assert document_config.readme(text) == text


@pytest.mark.parametrize("name", [*FILES, "studies/a6000", "studies/mps"])
def test_schema_accepts_what_is_shipped(name: str) -> None:
    """Editors with the schema do not complain."""
    content = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(document_config.schema()).validate(content)


def _numbers(part: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every whole or other number of a schema, with the key that has it."""
    if isinstance(part, dict):
        if part.get("type") in ("integer", "number") and "enum" not in part:
            yield ".".join(path), part
        for key, inner in part.items():
            yield from _numbers(inner, (*path, key))
    elif isinstance(part, list):
        for inner in part:
            yield from _numbers(inner, path)


def test_every_number_has_an_end() -> None:
    """A slip such as 10**9 threads or bits is refused, in a plug-in's options too; seeds are free."""
    found = list(_numbers(document_config.schema()))
    assert len(found) > 30
    for path, number in found:
        assert "maximum" in number or "seed" in path, path


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
    "id with a plus": ("models", "falcon7b:", "falcon+b:", r"falcon\+b: '\+' joins a variant and"),
    "task with a dot": ("tasks", "  sst2:\n    label", "  sst2.b:\n    label", r"tasks\.sst2\.b: a task's id cannot have a '.'"),
    "id with a capital letter": ("models", "falcon7b:", "Falcon7b:", r"models\.Falcon7b: an id consists of lower-case"),
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
    "unknown kind of engine": ("engines", "kind: llama_cpp", "kind: lama_cpp", r"engines\.llama_cpp\.kind: unknown id 'lama_cpp' \(did you mean 'llama_cpp'\?\)"),
    "typo in the kind of an engine": ("engines", "kind: llama_cpp", "knid: llama_cpp", r"engines\.llama_cpp: knid: unknown key \(did you mean 'kind'\?\)"),
    "unknown key of an engine": ("engines", "own_code: true", "own_cod: true", r"engines\.transformers: own_cod: unknown key \(did you mean 'own_code'\?\)"),
    "format that an engine cannot read": ("engines", r"reads: \[gguf\]", "reads: [onnx]", r"engines\.llama_cpp: reads\.0: Input should be 'gguf' \(found 'onnx'\)"),
    "engine that reads nothing": ("engines", r"reads: \[gguf\]", "reads: []", r"engines\.llama_cpp: reads: .* at least 1 item"),
    "unknown accelerator of an engine": ("engines", r"accelerators: \[cpu\]", "accelerators: [cpus]", r"engines\.onnxruntime: accelerators\.0: .*'cpu' \(found 'cpus'\)"),
    "unknown scenario of an engine": ("engines", "label: vLLM on a CPU", "scenarios: [single-steam]", r"engines\.vllm-cpu\.scenarios: unknown id 'single-steam' \(did you mean 'single-stream'\?\)"),
    "unknown way to cache": ("engines", "falcon: broadcast", "falcon: boradcast", r"cache\.falcon: .* \(found 'boradcast'\) \(did you mean 'broadcast'\?\)"),
    "key of an engine at a device": ("devices", "engine: vllm\n", "engine: vllm\n    context: 2048\n", r"devices\.a6000-vllm\.context: is a key of an engine: give it to one in config/engines\.yaml"),
    "like an unknown device": ("devices", "like: a6000", "like: a600", r"devices\.a6000-llamacpp\.like: unknown id 'a600' \(did you mean 'a6000'\?\)"),
    "like an unknown engine": ("engines", "like: vllm", "like: vlm", r"engines\.vllm-cpu\.like: unknown id 'vlm' \(did you mean 'vllm'\?\)"),
    "a renamed key": ("devices", r"unsupported_dtypes: \[bfloat16\]", "lacks: [bfloat16]", r"lacks: unknown key \(did you mean 'unsupported_dtypes'\?\)"),
    "like itself": ("devices", "like: cpu", "like: cpu-llamacpp", r"devices\.cpu-llamacpp\.like: refers to itself: cpu-llamacpp -> cpu-llamacpp"),
    "like no name": ("devices", "like: cpu", "like: [cpu]", r"devices\.cpu-llamacpp\.like: must be the id of another block \(found \['cpu'\]\)"),
    "typo in like": ("devices", "like: cpu", "lkie: cpu", r"devices\.cpu-llamacpp: lkie: unknown key \(did you mean 'like'\?\)"),
    "wrong value of a block that is like another": ("devices", "gpus: 3", "gpus: three", r"devices\.a6000x3: gpus: .* \(found 'three'\) \(line \d+\)"),
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
    "text as a number": ("tasks", "size: 200", "size: '200'", r"sample\.size: Input should be a valid integer \(found '200'\)"),
    "truth as a number": ("devices", "accelerator: cpu", "accelerator: cpu\n    threads: true", r"devices\.cpu: threads: .*integer or 'auto' \(found True\)"),
    "fraction for a whole number": ("tasks", "size: 200", "size: 200.0", r"sample\.size: Input should be a valid integer"),
    "number as a truth": ("models", "gated: true", "gated: 1", r"llama2-7b: gated: Input should be a valid boolean \(found 1\)"),
    "truth as text": ("models", "label: Llama 2 7B chat", "label: no", r"label: Input should be a valid string \(found False\): put text in quotes"),
    "threads of a cluster": ("devices", "accelerator: cpu", "accelerator: cpu\n    threads: 1_000_000_000", r"threads: .* less than or equal to 4096"),
    "no threads": ("devices", "accelerator: cpu", "accelerator: cpu\n    threads: 0", r"threads: .* greater than 0"),
    "negative price": ("devices", "memory_gb: 48", "price_per_hour: -1", r"a6000: price_per_hour: .* greater than 0"),
    "infinite price": ("devices", "memory_gb: 48", "price_per_hour: .inf", r"devices\.yaml: line \d+ '\.inf' is not a finite number"),
    "price without a number": ("devices", "memory_gb: 48", "price_per_hour: .nan", r"line \d+ '\.nan' is not a finite number"),
    "memory of all computers": ("devices", "memory_gb: 48", "memory_gb: 1e300", r"line \d+ '1e300' is too large a number"),
    "memory of a data centre": ("devices", "memory_gb: 48", "memory_gb: 1e12", r"a6000: memory_gb: .* 1000000000"),
    "warm-up of one round": ("devices", "accelerator: cpu", "accelerator: cpu\n    warmup: {minimum: 5, maximum: 5}", r"warmup: maximum 5 must be at least twice minimum 5"),
    "warm-up backwards": ("devices", "accelerator: cpu", "accelerator: cpu\n    warmup: {minimum: 50, maximum: 5}", r"warmup: maximum 5 must be at least twice minimum 50"),
    "huge model": ("models", "parameters: 6_738_415_616", "parameters: 9_000_000_000_000_000_000", r"parameters: .* less than or equal to"),
    "fewer parameters than a part": ("models", "parameters: 6_738_415_616", "parameters: 1000", r"llama2-7b: parameters: 1000 are fewer than the model's parts have"),
    "grown too large": ("models", "      layers: 3", "      layers: 1_000_000_000", r"demo-llama: grow\.layers: .* 1000"),
    "answers without an end": ("tasks", "max_new_tokens: 8", "max_new_tokens: 1_000_000_000", r"max_new_tokens: .* 1000000"),
    "escape in a label": ("models", "label: Llama 2 7B chat", 'label: "a\\\\e[31m"', r"label: must be one line without control"),
    "GPU's name for a shell": ("devices", "gpu: A6000", "gpu_model: 'a; ls'", r"a6000: gpu_model: String should match pattern"),
    "calibration by no name": ("quantizations", "calibration: study", "calibration: ''", r"calibration: unknown id ''"),
    "loader of a dataset without tasks": ("tasks", "datasets:\n", "datasets:\n  spare: {loader: sst, source: {generator: demo}}\n", r"datasets\.spare\.loader: unknown id 'sst' \(did you mean 'sst2'\?\)"),
    "long word": ("tasks", "grammar: sentiment", f"grammar: {'x' * 300}", r"grammar: there is no grammar 'x{80}… \(220 more characters\)'"),
    "empty label": ("models", "label: Llama 2 7B chat", "label: ''", r"label: .* at least 1 character"),
    "native is another": ("quantizations", "native:\n    method: native", "native:\n    method: native\n    dtype: float16", r"quantizations\.native: must be `method: native` and nothing else"),
    "native is quantized": ("quantizations", "native:\n    method: native", "native:\n    method: quanto\n    weights: int8", r"quantizations\.native: must be `method: native` and nothing else"),
    "calibration without tasks": ("quantizations", r"tasks: \[demo-sentiment, demo-translation, demo-arithmetic\]", "tasks: []", r"calibrations\.demo: tasks: .* at least 1 item"),
    "calibration with a task twice": ("quantizations", r"tasks: \[demo-sentiment, demo-translation", "tasks: [demo-sentiment, demo-sentiment", r"calibrations\.demo\.tasks: names an id twice: 'demo-sentiment'"),
    "unknown key of a merged block": ("models", "  gpt2-xl:", "  chat: {<<: *demo-corpora}\n  gpt2-xl:", r"models\.yaml: line \d+ found undefined alias 'demo-corpora'"),
    "empty block": ("models", "gpt2:\n", "gpt2:\n  other:\n", r"models\.gpt2: Input should be an object \(found None\)"),
    "typo in a plug-in's label": ("quantizations", "method: native, dtype: float32, label", "method: native, dtype: float32, labl", r"quantizations\.fp32: labl: unknown key \(did you mean 'label'\?\)"),
    "typo in the method": ("quantizations", "int8: {method", "int8: {metod", r"quantizations\.int8: metod: unknown key \(did you mean 'method'\?\)"),
    "typo in the kind": ("tasks", "kind: classification", "kidn: classification", r"scorer\.kidn: unknown key \(did you mean 'kind'\?\)"),
    "typo in the seed": ("tasks", "size: 200", "size: 200, sede: 1", r"sample: sede: unknown key \(did you mean 'seed'\?\)"),
    "typo of a word": ("devices", "accelerator: mps", "accelerator: msp", r"accelerator: .* \(found 'msp'\) \(did you mean 'mps'\?\)"),
    "key in capitals": ("models", "    licence: MIT", "    LICENCE: MIT", r"LICENCE: unknown key \(did you mean 'licence'\?\)"),
    "unknown section": ("tasks", "datasets:", "datsets:", r"config/tasks\.yaml: datsets: unknown key .*'datasets'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_catalogue(config: Path, case: str) -> None:
    """One line that names the file, the key, what is wrong, and the nearest valid name."""
    name, pattern, replacement, message = BAD[case]
    spoil(config, name, pattern, replacement)
    with pytest.raises(UserError, match=message) as refusal:
        read_catalogue(config)
    assert "\n" not in str(refusal.value)


def typos(name: str) -> set[str]:
    """A letter gone, doubled, changed to another, or two the wrong way round; case; separators."""
    found = {name.upper(), name.replace("_", "-"), name.replace("-", "_"), name + "s"}
    for at in range(len(name)):
        first, rest = name[:at], name[at:]
        found |= {first + rest[1:], first + rest[0] + rest, first + "x" + rest[1:]}
        found.add(first + rest[1:2] + rest[0] + rest[2:])
    return {typo for typo in found if len(typo) > 1} - {name}


@pytest.mark.parametrize("section", [part for parts in SECTIONS.values() for part in parts])
def test_every_typo_of_a_key_has_the_nearest_name(section: str) -> None:
    """Any single mistake in any key of any block has a suggestion."""
    kind = Catalogue.model_fields[section].annotation.__args__[1]  # type: ignore[union-attr]
    keys = list(kind.model_fields)
    for key in keys:
        for typo in typos(key) - set(keys):
            assert re.search(r"\(did you mean '\w+'\?\)", did_you_mean(typo, keys)), typo
    assert did_you_mean("labl", keys) == " (did you mean 'label'?)" or "label" not in keys


def test_every_typo_of_a_name_has_the_nearest_one(whole: Catalogue) -> None:
    """Ids, methods, engines, loaders and scorers have suggestions."""
    registries = (QUANTIZERS, ENGINES, LOADERS, SCORERS)
    named = [list(getattr(whole, part)) for parts in SECTIONS.values() for part in parts]
    named += [list(registry.names()) for registry in registries]
    for names in named:
        for name in names:
            for typo in typos(name) - set(names):
                assert "did you mean" in did_you_mean(typo, names), typo


@pytest.mark.parametrize(
    "name",
    ["report.html", "a.json", "study.csv", "charts", "added", "a" * 49, "a" * 250, "A", "a/b", "..",
     ".", "-a", "a-", "a@b", "a--b", "a b", "é", "", "a\x1b[31m", "x.parquet", "study.lock"],
)  # fmt: skip
@pytest.mark.parametrize("section", ["models", "tasks"])
def test_ids_that_cannot_name_files(config: Path, name: str, section: str) -> None:
    """Names that results/ already has, or that file systems or paths treat specially."""
    path = config / f"{section}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content[section] = {name: content[section].popitem()[1], **content[section]}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(UserError, match=rf"config/{section}\.yaml: {section}\.") as refusal:
        read_catalogue(config)
    assert one_line(refusal.value).isprintable()
    assert len(one_line(refusal.value)) < 250


def test_a_fault_has_its_line(config: Path, whole: Catalogue) -> None:
    """The line is that of the value, or of the unknown key; in lists too."""
    spoil(config, "models", "    label: GPT-2\n", "    label: no\n")
    lines = (config / "models.yaml").read_text(encoding="utf-8").splitlines()
    number = lines.index("    label: no") + 1
    with pytest.raises(UserError, match=rf"put text in quotes \(line {number}\)$"):
        read_catalogue(config)
    mine = config / "mine.yaml"
    mine.write_text(
        "title: x\nstudy:\n  models: [gpt2]\n  devices:\n    - cpu\n    - 123\n  tasks: [sst2]"
    )
    with pytest.raises(UserError, match=r"study\.devices\.1: .*\(found 123\).*\(line 6\)$"):
        read_study([mine], [], whole)
    mine.write_text("study:\n  models: [gpt2]\n\n  device: [cpu]\n  tasks: [sst2]")
    with pytest.raises(UserError, match=r"unknown key \(did you mean 'devices'\?\) \(line 4\)$"):
        read_study([mine], [], whole)


def test_merge_keys(config: Path) -> None:
    """A block that is another one but for some keys."""
    spoil(config, "models", "  gpt2:\n", "  gpt2: &gpt2\n")
    spoil(config, "models", "  gpt2-xl:\n", "  gpt2-chat: {<<: *gpt2, label: Chat}\n  gpt2-xl:\n")
    read = read_catalogue(config).models
    assert read["gpt2-chat"] == read["gpt2"].model_copy(update={"label": "Chat"})


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
        ({"study": {"models": ["gpt2", "gpt2"]}}, "names an id twice: 'gpt2'"),
        ({"study": {"also": [{"devices": ["mps", "mps"]}]}}, r"study\.also\.0\.devices: names an id twice: 'mps'"),
        ({"study": {"also": [{}]}}, r"study\.also\.0: gives no models, quantizations"),
        ({"study": {"models": [123]}}, r"study\.models\.0: .*string \(found 123\): put text in quotes"),
        ({"study": {"models": "gpt2"}}, r"study\.models: Input should be a valid array \(found 'gpt2'\)"),
        ({"study": {"models": ["x" * 5000]}}, r"unknown id 'x+\.\.\.x+'$"),
        ({"title": 3}, "title: .*string"),
        ({"studdy": {}}, r"studdy: unknown key \(did you mean 'study'\?\)"),
        ({"sources": {"sst": {"path": "/x"}}}, r"sources: unknown id 'sst' \(did you mean 'sst2'\?\)"),
        ({"sources": {"sst2": {"path": "/x", "url": "http://x"}}}, "exactly one of"),
    ],
)  # fmt: skip
def test_bad_study(values: dict[str, Any], message: str, whole: Catalogue) -> None:
    """A study that cannot be is refused by its key."""
    good = {"models": ["gpt2"], "devices": ["cpu"], "tasks": ["sst2"]}
    merged = {"study": good} | values
    if "study" in values:
        merged["study"] = good | values["study"]
    if "studdy" in values:
        del merged["study"]
    with pytest.raises(UserError, match=message):
        read_config(merged, whole, "my.yaml")


MINE = "study: {models: [demo-llama], devices: [cpu], tasks: [demo-sentiment]}\n"


def test_a_study_is_its_file_alone(whole: Catalogue, tmp_path: Path) -> None:
    """Nothing of config.yaml is merged in; of several files each key comes whole from the last."""
    mine, also, sources = (tmp_path / f"{name}.yaml" for name in ("mine", "also", "sources"))
    mine.write_text(MINE)
    also.write_text(
        "study: {models: [gpt2], devices: [cpu], tasks: [sst2], also: [{devices: [mps]}]}"
    )
    sources.write_text("title: Ours\nsources: {sst2: {path: /data}}")
    study = read_study([mine], [], whole).study
    assert study.quantizations == ("native",)
    assert study.also == ()
    both = read_study([also, sources, mine], [], whole)
    assert both.study == study
    assert (both.title, set(both.sources)) == ("Ours", {"sst2"})


def test_settings_of_the_command_line(whole: Catalogue, tmp_path: Path) -> None:
    """`--config KEY=VALUE` sets keys of the file's blocks, with numbers as numbers."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE + "sources: {sst2: {path: /data}}")
    settings = [
        "title=2024",
        "study={quantizations: [native, int8], 'tasks': ['sst2']}",
        "sources={mathematics: {generator: mathematics, per_module: 5, seed: 1}}",
    ]
    config = read_study([mine], settings, whole)
    assert config.title == "2024"
    assert config.study.models == ("demo-llama",)
    assert config.study.quantizations == ("native", "int8")
    assert config.study.tasks == ("sst2",)
    assert {"sst2", "mathematics"} == set(config.sources)
    for setting, message in {
        "studdy={}": "mine.yaml . --config: studdy: unknown key .*'study'",
        "study=[": "^--config study: line 1 ",
        "study={models: [gtp2]}": "mine.yaml . --config: study.models: unknown id 'gtp2'",
        "study": "study: Input should be an object",
    }.items():
        with pytest.raises(UserError, match=message):
            read_study([mine], [setting], whole)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"quantizations": ["native", "q8-0"]}, r"study\.quantizations: 'q8-0' has no cell: .*\(transformers\)"),
        ({"quantizations": ["q8-0"]}, r"study\.quantizations: 'q8-0' has no cell"),
        ({"quantizations": ["int8"], "devices": ["cpu", "cpu-llamacpp"]}, r"study\.devices: 'cpu-llamacpp' has no cell"),
    ],
)  # fmt: skip
def test_a_study_in_which_an_id_has_no_cell(
    whole: Catalogue, study: dict[str, Any], message: str
) -> None:
    """It would be left out without a word; without any cell the report was empty."""
    asked = {"models": ["demo-llama"], "devices": ["cpu"], "tasks": ["demo-sentiment"]} | study
    config = read_config({"study": asked}, whole, "my.yaml")
    with pytest.raises(UserError, match=message):
        Steps(whole, config, lambda _accelerator, _gpus: None).check()
