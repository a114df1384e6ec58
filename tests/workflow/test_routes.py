"""Every quantization that a CPU can run, on a tiny checkpoint: each route through the workflow.

Of those on the same route, one is measured; its siblings are converted and loaded without the
workflow, by the same modules with the same keys.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import tiny
from conftest import ROOT
from environments import run_in
from frontier.catalogue.configuration import read_catalogue
from frontier.catalogue.reading import read_yaml
from frontier.planning import cells
from frontier.planning.placement import placed
from frontier.quantizers import Sizes, block_of
from workspace import Workspace

pytestmark = pytest.mark.timeout(3000)  # environments are built, and some 25 cells measured
TOUR = "config/quantization-tour.yaml"
MODEL = "tiny-llama"
# Wide enough for groups of 128 and for llama.cpp's blocks of 256.
WIDE = {"hidden": 256, "heads": 4, "intermediate": 256, "layers": 2}
CATALOGUE = read_catalogue(ROOT / "config")
STUDY = read_yaml(ROOT / TOUR)["study"]
# Another one of the same method takes the same route.
SIBLINGS = {
    "int4", "int2", "float8", "nf4-double", "fp4", "ao-int8-dynamic", "ao-fp8", "ao-int4", "hqq8",
    "hqq2", "rtn8-tensor", "rtn8-channel", "rtn4-channel", "kmeans8", "kmeans2", "gptq8-demo",
    "q8-0", "q6-k", "q5-k-m", "q3-k-m", "q2-k", "openvino-int4", "magnitude50", "wanda50-demo",
    "mlx8", "rtn3-channel", "genai-int8",
}  # fmt: skip
# Matrices of a block whose query, key and value are one.
FUSED = {"onnxruntime_genai": 5}
# Transformers decompresses them on the first call.
DENSE = {"llmcompressor"}
ROUTES = [
    (quantization, device)
    for part in (STUDY, *({**STUDY, **more} for more in STUDY["also"]))
    for quantization in part["quantizations"]
    for device in part["devices"]
    if placed(CATALOGUE, "tour-llama", quantization, device).runs
]
CELLS = [route for route in ROUTES if route[0] not in SIBLINGS]
RUN = """
import json, sys
from pathlib import Path
from siblings import examine
print(json.dumps(examine(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))))
"""


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tour on the tiny model and a few sums, built by one command."""
    place = tiny.workspace(tmp_path_factory.mktemp("tour"))
    for name in ("quantizations.yaml", "devices.yaml", "quantization-tour.yaml"):
        place.path(f"config/{name}").write_bytes((ROOT / "config" / name).read_bytes())
    place.set("models", f"models/{MODEL}/dtype", "bfloat16")
    for key, value in WIDE.items():
        place.set("models", f"models/{MODEL}/grow/{key}", value)
    place.set(
        "quantizations",
        "calibrations",
        {name: {"tasks": ["sums"], "size": 32} for name in ("demo", "study")},
    )
    devices = yaml.safe_load(place.path("config/devices.yaml").read_text())["devices"]
    for device in {device for _, device in CELLS}:
        # The other tests run alongside this one, and nothing is concluded from times here.
        warmup = {"minimum": 2, "maximum": 40, "tolerance": 50.0}
        relaxed = {**tiny.BUSY, "threads": 1, "warmup": warmup}
        place.set("devices", f"devices/{device}", devices[device] | relaxed)
    parts = [
        {**part, "quantizations": [name for name in part["quantizations"] if name not in SIBLINGS]}
        for part in (STUDY, *STUDY["also"])
    ]
    study = {**parts[0], "models": [MODEL], "tasks": ["sums"], "also": parts[1:]}
    place.path(TOUR).write_text(yaml.safe_dump({"title": "Tiny tour", "study": study}))
    place.share_environments()
    place.build("--configfile", TOUR)
    return place


def variant(quantization: str) -> str:
    """Its id on the tiny model."""
    return cells.variant_id(MODEL, quantization)


def cell(place: Workspace, quantization: str, device: str) -> dict[str, Any]:
    """A cell of the tour."""
    path = place.path(f"results/{variant(quantization)}/{device}/sums.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@cache
def predicted_bytes(root: Path, quantization: str, device: str) -> int:
    """The plan's estimate of the weights, from the sizes in the checkpoint's lock."""
    lock = json.loads(next(root.glob(f"resources/models/{MODEL}/*/lock.json")).read_text())
    hidden = lock["architecture"]["hidden"]
    embedding = lock["architecture"]["vocabulary"] * hidden
    sizes = Sizes(lock["parameters"], embedding, tied=True, hidden=hidden)
    placement = placed(read_catalogue(root / "config"), MODEL, quantization, device)
    return placement.quantizer.stored_bytes(sizes, placement.dtype, placement.facts)


@pytest.fixture(scope="module")
def siblings(
    tour: Workspace, environment: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The facts to check about each of them; one process for each environment."""
    catalogue = read_catalogue(tour.path("config"))
    checkpoint = next(tour.root.glob(f"resources/models/{MODEL}/*/lock.json")).parent
    texts = next(tour.root.glob("resources/calibrations/demo/*/texts.jsonl"))
    sample = next(tour.root.glob("resources/samples/sums/*/sample.jsonl")).read_text("utf-8")
    prompts = [
        tiny.PROMPTS["arithmetic"].format_map(json.loads(line)["fields"])
        for line in sample.splitlines()
    ]
    jobs: dict[str | None, dict[str, Any]] = {}
    for quantization, device in ROUTES:
        if quantization in SIBLINGS:
            placement = placed(catalogue, MODEL, quantization, device)
            jobs.setdefault(placement.environment, {})[quantization] = {
                "block": block_of(catalogue.quantizations[quantization]),
                "engine": placement.engine.kind, "native": placement.model.dtype,
                "dtype": placement.dtype, "texts": str(texts), "prompts": prompts,
            }  # fmt: skip
    found: dict[str, Any] = {}
    for name, part in jobs.items():
        python = environment(name) if name else Path(sys.executable)
        folder = tmp_path_factory.mktemp("siblings")
        said = run_in(python, RUN, str(folder), str(checkpoint), json.dumps(part))
        found |= json.loads(said.splitlines()[-1])
    return found


def check_weights(
    tour: Workspace, quantization: str, device: str, layers: int | None, found: dict[str, Any]
) -> None:
    """Really quantized, smaller than the native ones, and as large as the plan reckons."""
    native = cell(tour, "native", device)["figures"]
    placement = placed(CATALOGUE, "tour-llama", quantization, device)
    if placement.quantizer.expects_quantized():
        assert layers is not None
        assert layers >= 2 * FUSED.get(placement.quantizer.method, 7)
    if quantization in ("fp32", "fp16"):
        assert found["weights_bytes"] >= native["weights_bytes"]
    elif quantization != "native" and placement.quantizer.method not in DENSE:
        assert found["weights_bytes"] < native["weights_bytes"]
    if not found["simulated"]:  # what is stored then is as large as the native weights
        predicted = predicted_bytes(tour.root, quantization, device)
        assert predicted == pytest.approx(found["weights_bytes"], rel=0.1)


@pytest.mark.parametrize(("quantization", "device"), CELLS)
def test_route(tour: Workspace, quantization: str, device: str) -> None:
    """Measured, with the weights that were asked for, and timed unless it is simulated."""
    found = cell(tour, quantization, device)
    assert found["outcome"] == "measured", found["reason"]
    assert found["score"]["requests"] == 8
    stored = {"weights_bytes": found["figures"]["weights_bytes"], "simulated": found["simulated"]}
    check_weights(tour, quantization, device, found["provenance"]["quantized_layers"], stored)
    if found["simulated"]:
        assert found["figures"]["latency_p50_s"] is None
        return
    assert found["figures"]["latency_p50_s"]["value"] > 0
    assert found["figures"]["load_s"] > 0


@pytest.mark.parametrize(
    ("quantization", "device"), [route for route in ROUTES if route[0] in SIBLINGS]
)
def test_sibling(tour: Workspace, siblings: dict[str, Any], quantization: str, device: str) -> None:
    """It answers all requests, with the weights that were asked for."""
    found = siblings[quantization]
    assert len(found["tokens"]) == 8
    assert all(found["tokens"])
    check_weights(tour, quantization, device, found["quantized_layers"], found)


def test_a_sibling_of_each_is_measured() -> None:
    """It has the same method, the same engine and the same environments."""

    def way(quantization: str, device: str) -> tuple[Any, ...]:
        placement = placed(CATALOGUE, "tour-llama", quantization, device)
        created = placement.preparation
        job = created and (created.conversion, created.environment, bool(created.calibration))
        return placement.quantizer.method, device, placement.environment, job

    ways = {way(*route) for route in CELLS}
    assert {way(*route) for route in ROUTES} == ways


def test_float32_answers_are_the_same_on_every_engine(tour: Workspace) -> None:
    """The same weights say the same, and every engine counts the same tokens."""
    variants = {
        "cpu": "-fp32",
        "cpu-llamacpp": "-fp32",
        "cpu-onnxruntime": "",
        "cpu-onnxruntime-genai": "",
        "cpu-openvino": "",
        "cpu-openvino-genai": "",
        "cpu-mlx": "-fp32",
    }
    answers = {
        device: pl.read_parquet(tour.path(f"results/{MODEL}{variant}/{device}/sums.parquet"))
        for device, variant in variants.items()
    }
    first = answers["cpu"]
    for device, others in answers.items():
        for column in ("prompt_tokens", "tokens", "prediction"):
            assert others[column].to_list() == first[column].to_list(), (device, column)


def test_every_variant_is_compared_with_its_native_one(tour: Workspace) -> None:
    """One row for each quantized cell that was measured, paired on all requests."""
    rows = pl.read_parquet(tour.path("results/comparisons.parquet"))
    wanted = {
        (variant(quantization), device)
        for quantization, device in CELLS
        if quantization != "native"
    }
    assert set(rows.select("variant", "device").rows()) == wanted
    assert rows["requests"].unique().to_list() == [8]
    assert tour.path("results/report.html").exists()


def test_afterwards_there_is_nothing_to_do(tour: Workspace) -> None:
    """Including environments, calibration texts and converted checkpoints."""
    assert tour.jobs("--configfile", TOUR) == set()


def add_line(path: Path, line: str) -> None:
    """Edits a file: adds code that does nothing, or one more pin."""
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


# The checkpoints that a job produces, with the format that each is in.
ON_OPENVINO = dict.fromkeys(("", "-openvino-int8"), "openvino")
ON_LLAMA = dict.fromkeys(("", "-fp32", "-fp16", "-q4-k-m"), "gguf")
CALIBRATED = {
    "-gptq4-demo": "gptq", "-gptq4-act-order-demo": "gptq", "-awq4-demo": "awq",
    "-w8a8-demo": "compressed-tensors", "-w4a16-demo": "compressed-tensors",
    "-wanda-2-4-demo": "hub", "-sparsegpt-2-4-demo": "hub",
}  # fmt: skip
COMPRESSED = CALIBRATED | {"-fp8-dynamic": "compressed-tensors", "-magnitude-2-4": "hub"}
TABLES = {"aggregate", "compare", "render"}


@pytest.mark.parametrize(
    ("name", "line", "quantized", "measured"),
    [
        ("envs/openvino.txt", "six==1.17.0", ON_OPENVINO, {*ON_OPENVINO}),
        ("scripts/frontier/conversions/gguf.py", "1 + 1", ON_LLAMA, {*ON_LLAMA}),
        ("scripts/frontier/engines/llama_cpp.py", "1 + 1", {}, {*ON_LLAMA}),
        ("scripts/frontier/quantizers/hqq.py", "1 + 1", {}, {"-hqq4"}),
        ("scripts/frontier/conversions/common/calibrated.py", "1 + 1", COMPRESSED, {*COMPRESSED}),
        ("scripts/frontier/sampling/calibration.py", "1 + 1", CALIBRATED, {*CALIBRATED}),
        ("scripts/frontier/conversions/onnx.py", "# a comment", {}, set()),
    ],
)
def test_only_what_a_change_touches_is_made_again(
    tour: Workspace, name: str, line: str, quantized: dict[str, str], measured: set[str]
) -> None:
    """Pins, a conversion, an engine, a quantizer, the texts: each touches its own routes alone."""
    path = tour.path("workflow") / name
    before = path.read_text(encoding="utf-8")
    add_line(path, line)
    jobs = tour.jobs("--configfile", TOUR)
    path.write_text(before, encoding="utf-8")
    wanted = {f"quantize_model {MODEL}{name} {format}" for name, format in quantized.items()}
    wanted |= {f"{rule} {MODEL}{name} sums" for rule in ("measure", "score") for name in measured}
    wanted |= TABLES if measured else set()
    wanted |= {"environment openvino"} if name.startswith("envs") else set()
    wanted |= {"calibrate demo"} if name.endswith("calibration.py") else set()
    assert jobs == wanted
