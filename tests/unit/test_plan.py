"""The cells that are planned, and the reasons for leaving out others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.question import Config
from frontier.errors import UserError
from frontier.explaining import keys
from frontier.explaining.differences import Key
from frontier.planning import cells, estimates
from frontier.planning.cells import Cell
from frontier.planning.drafting import draft_bytes, draft_of
from frontier.planning.jobs import Jobs
from frontier.planning.placement import kv_cache_bytes, placed
from frontier.planning.steps import Steps
from frontier.quantizers.native import WRITTEN_IN
from frontier.results import layout
from frontier.scenarios.single_stream import SingleStream
from frontier.techniques import block_of, technique_of

CATALOGUE = read_catalogue(ROOT / "config")
GB = 10**9


def host(gigabytes: float | None) -> cells.HostMemory:
    """A host that reports so much memory for every accelerator."""
    return lambda _accelerator, _gpus: None if gigabytes is None else round(gigabytes * GB)


def cell(variant: str, device: str, task: str = "sst2", memory: float | None = 64) -> Cell:
    """A cell of the shipped catalogue."""
    return cells.cell(CATALOGUE, layout.asked(variant, device, task), host(memory))


def test_variants_are_matched_and_not_split() -> None:
    """Ids with dashes in them are found whole."""
    found = cell("gpt2-xl-bf16", "cpu")
    assert (found.model, found.quantization) == ("gpt2-xl", "bf16")
    assert cell("gpt2-xl", "cpu").quantization == "native"
    assert cell("falcon7b-int4", "mps").name == "falcon7b-int4/mps/sst2"


@pytest.mark.parametrize(
    ("variant", "device", "outcome"),
    [
        ("llama2-7b", "a6000", "planned"),
        ("llama2-13b", "a6000", "planned"),
        ("llama2-13b-fp32", "a6000", "does-not-fit"),
        ("falcon40b", "a6000", "does-not-fit"),
        ("falcon40b", "a6000x3", "planned"),
        ("falcon40b-int4", "a6000", "planned"),
        ("mixtral-8x7b", "a100", "does-not-fit"),
        ("mixtral-8x7b", "h200", "planned"),
        ("gpt2-int8", "cpu", "unsupported"),
    ],
)
def test_what_fits(variant: str, device: str, outcome: str) -> None:
    """Published models on the shipped devices."""
    assert cell(variant, device).outcome == outcome


def test_what_does_not_fit_tells_both_figures() -> None:
    """Llama 2 13B in half precision is 26 GB of weights; the cache and a margin come on top."""
    found = cell("llama2-13b", "mps", memory=16)
    assert found.outcome == "does-not-fit"
    needed = 13_015_864_320 * 2 + (1024 + 8) * 40 * 40 * 128 * 2 * 2 + cells.MARGIN_BYTES
    assert found.reason == f"needs {needed / GB:.1f} GB, device has 16.0 GB"


def test_a_draft_takes_memory_too() -> None:
    """Its weights and its cache, on the device and in what a cluster is asked for."""
    draft = technique_of({"kind": "draft", "draft": "qwen2.5-0.5b"})
    catalogue = CATALOGUE.model_copy(update={"techniques": {"draft": draft}})
    weights, cache = 494_032_768 * 2, (1024 + 64) * 24 * 2 * 64 * 2 * 2
    names = "qwen2.5-1.5b", "native", "cpu"
    alone, drafting = (placed(catalogue, *names, one) for one in ((), ("draft",)))
    assert draft_bytes(alone, catalogue, 64) == 0
    assert draft_bytes(drafting, catalogue, 64) == weights + cache
    _, its = draft_of(drafting, catalogue) or ("", None)
    task = catalogue.tasks["demo-arithmetic"].model_copy(update={"max_new_tokens": 64})
    held, both = (estimates.host_bytes(drafting, task, 2, one) for one in (None, its))
    assert both - held == 2 * (2.5 * weights + cache)
    short, long = (
        estimates.seconds(drafting, task, SingleStream(), paid=False, draft=one)
        for one in (None, its)
    )
    assert long - short > weights / estimates.LOAD_BYTES_S


@pytest.mark.parametrize(
    ("variant", "device", "reason"),
    [
        ("mixtral-8x7b-q4-k-m+offload-experts", "a6000-llama-server", None),
        ("mixtral-8x7b-q4-k-m+offload-experts-16", "a6000-llama-server", None),
        ("mixtral-8x7b-q8-0+offload-experts", "a6000-llama-server", None),  # 50 GB into 48
        ("mixtral-8x7b+offload-experts", "a6000-vllm", None),
        ("mixtral-8x7b+offload-experts-16", "a6000-vllm", "vllm has no expert_offload with these"),
        ("llama2-7b-q4-k-m+offload-experts", "a6000-llama-server", "no experts are known"),
        ("mixtral-8x7b-q4-k-m+offload-experts", "cpu-llama-server", "nothing on a cpu"),
        ("mixtral-8x7b+offload-experts", "h200", "transformers has no expert_offload"),
    ],
)
def test_experts_are_offloaded_from_a_gpu(variant: str, device: str, reason: str | None) -> None:
    """Experts and a GPU are all it needs, whether the whole model fits or not."""
    found = cell(variant, device)
    assert found.outcome == ("unsupported" if reason else "planned"), found.reason
    assert (reason or "") in (found.reason or "")


def test_the_settings_for_expert_offload() -> None:
    """All layers or the first ones have settings of their own."""
    server = CATALOGUE.engines["llama-server"]
    every, some = (
        server.technique(block_of(CATALOGUE.techniques[name])).arguments  # type: ignore[attr-defined]
        for name in ("offload-experts", "offload-experts-16")
    )
    assert every == ("--cpu-moe",)
    assert some == (("--n-cpu-moe", "16"),)
    assert cell("mixtral-8x7b-q8-0", "a6000-llama-server").outcome == "does-not-fit"


@pytest.mark.parametrize(
    ("device", "heads"), [("a6000x3", 128), ("a6000-llamacpp", 8), ("cpu-onnxruntime", 128)]
)
def test_the_cache_is_the_engines(device: str, heads: int) -> None:
    """Falcon 40B has 8 key-value heads, which transformers caches once for each of its 128."""
    model = CATALOGUE.models["falcon40b"]
    engine = CATALOGUE.engines[CATALOGUE.devices[device].engine]
    expected = (1024 + 10) * 60 * heads * 64 * 2 * 2
    assert kv_cache_bytes(model, engine, "bfloat16", 10) == expected


@pytest.mark.parametrize("engine", CATALOGUE.engines)
def test_shared_heads_are_cached_as_they_are(engine: str) -> None:
    """Llama's groups, and the one head of Falcon 7B: by every engine."""
    for name in ("llama3.2-1b", "falcon7b", "gpt2"):
        model = CATALOGUE.models[name]
        assert model.layers
        assert model.head_dim
        found = kv_cache_bytes(model, CATALOGUE.engines[engine], "float16", 0)
        assert found == 1024 * model.layers * (model.kv_heads or 0) * model.head_dim * 2 * 2


def test_a_model_may_say_how_many_heads_it_has() -> None:
    """This matters if the heads together are not as wide as the embedding."""
    model = CATALOGUE.models["falcon40b"].model_copy(update={"heads": 64})
    found = kv_cache_bytes(model, CATALOGUE.engines["transformers"], "float16", 0)
    assert found == 1024 * 60 * 64 * 64 * 2 * 2


def test_an_engine_says_what_it_runs_on() -> None:
    """A device of another accelerator has a reason, not a crash."""
    device = CATALOGUE.devices["a6000"].model_copy(update={"engine": "openvino"})
    wrong = CATALOGUE.model_copy(update={"devices": {"wrong": device}})
    found = placed(wrong, "gpt2", "native", "wrong")
    assert found.unsupported() == "openvino runs on cpu, not on cuda"
    narrow = CATALOGUE.engines["transformers"].model_copy(update={"dtypes": ("float32",)})
    other = CATALOGUE.model_copy(update={"engines": {**CATALOGUE.engines, "transformers": narrow}})
    found = placed(other, "gpt2", "bf16", "cpu")
    assert found.unsupported() == "transformers computes in float32, not in bfloat16"


def test_unknown_memory_leaves_nothing_out() -> None:
    """A host without the device cannot say; the device's own host will."""
    assert cell("falcon40b", "mps", memory=None).planned


def test_unknown_ids_name_the_nearest() -> None:
    """Each part of a cell."""
    with pytest.raises(UserError, match=r"unknown variant 'falcon7b-in8' .*'falcon7b-int8'"):
        cell("falcon7b-in8", "cpu")
    with pytest.raises(UserError, match=r"device: unknown id 'a600' .*'a6000'"):
        cell("falcon7b", "a600")
    with pytest.raises(UserError, match=r"task: unknown id 'sst' .*'sst2'"):
        cell("falcon7b", "cpu", "sst")


def test_what_there_is_not_yet_is_refused() -> None:
    """A technique and a scenario, each by its name: no id is split by guess."""
    with pytest.raises(
        UserError, match=r"falcon7b-int8\+lokup'?: technique: .*did you mean 'lookup'"
    ):
        cell("falcon7b-int8+lokup", "cpu")
    with pytest.raises(UserError, match=r"scenario: unknown id 'multi-stream' .*single-stream"):
        cell("falcon7b", "cpu", "sst2.multi-stream")


def test_program_prints_every_cell() -> None:
    """The table of the study of three A6000 models, before anything is downloaded."""
    command = [sys.executable, "workflow/scripts/plan.py", "--config", "config/studies/a6000.yaml"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()
    assert len([line for line in lines if line.split()[1:2] == ["a6000"]]) == 3 * 3 * 4
    assert lines[-1].startswith("36 cells: 36 planned")


@pytest.mark.parametrize(
    ("study", "outcomes"),
    [
        ("proposal", "170 cells: 150 planned, 20 unsupported"),
        ("evaluation", "54 cells: 54 planned"),
    ],
)
def test_studies_of_the_evaluations(study: str, outcomes: str) -> None:
    """Each plans without a network, and says why a cell is unsupported."""
    command = [
        sys.executable,
        "workflow/scripts/plan.py",
        "--config",
        f"config/studies/{study}.yaml",
    ]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()
    assert lines[-1] == outcomes
    unsupported = [line for line in lines if line.split()[3:4] == ["unsupported"]]
    assert all(
        line.startswith(("gpt2-int8 ", "gpt2-int4 ")) and "GPT-2 has Conv1D layers" in line
        for line in unsupported
    )


def test_nobody_reads_on() -> None:
    """A closed pipe, as with `| head`, causes no traceback."""
    command = [sys.executable, "workflow/scripts/plan.py", "--why"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("variant", "device", "reason"),
    [
        (
            "gpt2-nf4",
            "cpu-llamacpp",
            "llama_cpp reads gguf; bitsandbytes quantizes while loading by transformers",
        ),
        ("gpt2-gptq4", "cpu-openvino", "openvino reads openvino; gptq writes gptq"),
        ("gpt2-q4-k-m", "cpu-onnxruntime", "onnxruntime reads onnx; gguf writes gguf"),
        ("gpt2-rtn4-group", "cpu-llamacpp", "llama_cpp reads gguf; rounding writes hub"),
    ],
)
def test_an_engine_reads_and_a_quantizer_makes(variant: str, device: str, reason: str) -> None:
    """A variant that an engine cannot load says what the engine reads and what it would get."""
    assert cell(variant, device).reason == reason


@pytest.mark.parametrize(
    "name", [name for name, one in CATALOGUE.engines.items() if not one.remote]
)
def test_every_engine_gets_a_model_as_it_is(name: str) -> None:
    """Engines that do not read the hub's format get a model converted in the format's environment."""
    engine = CATALOGUE.engines[name]
    hardware = {"cpu": "cpu", "cuda": "a6000", "mps": "mps", "rocm": "mi300x", "xpu": "max-1550"}[
        engine.accelerators[0]
    ]
    device = CATALOGUE.devices[hardware].model_copy(update={"engine": name})
    here = CATALOGUE.model_copy(update={"devices": {"here": device}})
    found = placed(here, "demo-llama", "native", "here")
    assert found.unsupported() is None
    assert found.dtype == ("float32" if "float32" in engine.dtypes else engine.dtypes[0])
    if "hub" in engine.reads:
        assert found.preparation is None
    else:
        assert found.preparation
        assert found.preparation.conversion in engine.reads
        where = WRITTEN_IN[found.preparation.conversion]
        assert found.preparation.environment == where
        assert (ROOT / f"workflow/envs/{where}.txt").is_file()


def producing(catalogue: Catalogue) -> Jobs:
    """The jobs of a small study of the catalogue."""
    study = {"models": ["gpt2-xl"], "devices": ["cpu"], "tasks": ["sst2"]}
    return Jobs(Steps(catalogue, Config.model_validate({"study": study}), host(64)))


def test_engines_that_read_the_same_share_a_checkpoint() -> None:
    """Built by one job, under its format; their measurements read it."""
    jobs = producing(CATALOGUE)
    gptq = jobs.quantized("gpt2-xl-gptq4", "transformers")
    assert gptq
    assert gptq.names == {"variant": "gpt2-xl-gptq4", "format": "gptq"}
    assert gptq.output == layout.quantized("gpt2-xl-gptq4", "gptq", gptq.step.identity)
    llama = jobs.quantized("gpt2-xl", "llama_cpp")
    assert llama
    assert llama is not jobs.quantized("gpt2-xl", "onnxruntime")
    assert llama.names["format"] == "gguf"
    assert jobs.quantized("gpt2-xl", "transformers") is None


def test_checkpoints_are_independent_of_the_order_of_engines() -> None:
    """A job's names, its result's path and its specification do not depend on further engines."""
    engines = CATALOGUE.engines
    spare = {f"a-{name}": engine for name, engine in engines.items()}
    more = {**spare, **dict(reversed(engines.items()))}
    before = producing(CATALOGUE)
    after = producing(CATALOGUE.model_copy(update={"engines": more}))
    found = set()
    for variant in ("gpt2-xl", "gpt2-xl-gptq4", "gpt2-xl-q4-k-m", "gpt2-xl-kmeans8"):
        for engine in engines:
            one, other = before.quantized(variant, engine), after.quantized(variant, engine)
            assert (one is None) == (other is None)
            if one and other:
                assert (one.names, one.output) == (other.names, other.output)
                assert one.step.spec_with_identity == other.step.spec_with_identity
                assert other is after.quantized(variant, f"a-{engine}")
                found.add(one.names["format"])
    assert found == {"hub", "gptq", "gguf", "onnx", "onnx_genai", "openvino"}


def test_engines_that_need_different_files_of_a_format_have_their_own() -> None:
    """Both exist, by identity; each is found by its path again."""
    halved = CATALOGUE.engines["llama_cpp"].model_copy(update={"dtypes": ("float16",)})
    engines = {**CATALOGUE.engines, "halved": halved}
    jobs = producing(CATALOGUE.model_copy(update={"engines": engines}))
    one, other = jobs.quantized("gpt2-xl", "llama_cpp"), jobs.quantized("gpt2-xl", "halved")
    assert one
    assert other
    assert one.names == other.names
    assert one.output.parent.parent == other.output.parent.parent
    assert one.output != other.output
    for job in (one, other):
        assert jobs.checkpoint("gpt2-xl", "gguf", job.step.identity) is job


def test_a_checkpoint_that_nothing_produces_is_refused() -> None:
    """One line with its path, as for a target that was typed."""
    with pytest.raises(UserError, match=r"^resources/quantized/gpt2-xl/gguf/0{16}/lock\.json: ."):
        producing(CATALOGUE).checkpoint("gpt2-xl", "gguf", "0" * 16)


def test_an_engines_key_is_named_where_it_stands() -> None:
    """The key's path has the id of the device's engine."""
    study = {"models": ["gpt2"], "devices": ["cpu-llamacpp"], "tasks": ["sst2"]}
    steps = Steps(CATALOGUE, Config.model_validate({"study": study}), host(64))
    job = Jobs(steps).measure(steps.cells[0])
    (found,) = keys.named([Key(("engine", "threads"), False, True)], job, CATALOGUE)
    assert isinstance(found, Key)
    assert found.path == ("engines", "llama_cpp", "threads")
    (found,) = keys.general([found])
    assert isinstance(found, Key)
    assert found.path == ("engines", "ENGINE", "threads")


@pytest.mark.parametrize(
    ("variant", "device", "reason"),
    [
        ("demo-llama+draft", "cpu", None),
        ("demo-falcon+draft", "cpu", None),
        ("demo-llama+draft", "cpu-vllm", None),
        ("demo-llama+lookup", "cpu-llama-server", None),
        ("demo-llama+draft", "cpu-llama-server", None),
        ("demo-llama+draft", "cpu-llama-cpp-python", "has no draft with these keys"),
        ("demo-judge+draft", "cpu", "was grown on other corpora, so its vocabulary is another"),
        ("demo-draft+draft", "cpu", "demo-draft is the model itself"),
        ("demo-llama+draft+lookup", "cpu", "would each draft the next tokens"),
    ],
)
def test_drafts_are_of_the_models_tokens(variant: str, device: str, reason: str | None) -> None:
    """Known while planning where both are grown here."""
    found = cell(variant, device, "demo-translation")
    assert found.outcome == ("unsupported" if reason else "planned")
    assert (reason or "") in (found.reason or "")
