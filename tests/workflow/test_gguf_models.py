"""A single GGUF file as a model of its own, through the workflow, and compared with its base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import little
import tiny
from stories import stories260k
from workspace import Workspace, jobs_in, refused

pytestmark = pytest.mark.timeout(1200)
DEVICES = {"llama": "llama_cpp", "served": "llama-server-cpu"}
CHAT = "{% for m in messages %}Once upon a time, {{ m.content }} {% endfor %}"
OWN = {"base": "tiny-llama", "published_bits": 9}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study's Llama, in llama.cpp's Q8_0 by the workflow; its file is a model's too."""
    place = tiny.workspace(tmp_path_factory.mktemp("gguf"))
    place.share_environments()
    place.set("models", "models/tiny-llama/grow/hidden", 64)
    place.set("quantizations", "quantizations/q8-0", {"method": "gguf", "type": "Q8_0"})
    cpu = place.get("devices", "devices/cpu")
    for device, engine in DEVICES.items():
        place.set("devices", f"devices/{device}", cpu | {"engine": engine})
    place.build("results/tiny-llama-q8-0/llama/sums.json")
    (file,) = place.root.glob("resources/quantized/tiny-llama-q8-0/gguf/*/model.gguf")
    shutil.copyfile(file, place.path("own.gguf"))
    place.set("models", "models/own", {"path": "own.gguf", **OWN})
    return place


def cell(place: Workspace, model: str, device: str = "llama", task: str = "sums") -> dict[str, Any]:
    """A cell's outcome and figures."""
    path = place.path(f"results/{model}/{device}/{task}.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def answers(
    place: Workspace, model: str, device: str = "llama", task: str = "sums"
) -> list[dict[str, Any]]:
    """Its requests, by what was asked."""
    path = place.path(f"results/{model}/{device}/{task}.parquet")
    rows = pl.read_parquet(path, columns=["input", "prediction", "prompt_tokens", "finish_reason"])
    return rows.sort("input").to_dicts()


def test_a_file_answers_as_what_it_was_written_from(built: Workspace) -> None:
    """The same answers and bytes as the same weights by our own conversion, on both engines."""
    jobs = jobs_in(built.build("results/own/llama/sums.json", "results/own/served/sums.json"))
    assert jobs >= {"fetch_model own", "quantize_model own gguf", "measure own sums"}
    assert answers(built, "own") == answers(built, "tiny-llama-q8-0")
    assert answers(built, "own", "served") == answers(built, "own")
    own, other = cell(built, "own"), cell(built, "tiny-llama-q8-0")
    assert own["outcome"] == other["outcome"] == "measured"
    assert own["score"] == other["score"]
    for figure in ("weights_bytes", "quantized_layers"):
        assert own["figures"].get(figure) == other["figures"].get(figure)
    (lock,) = built.root.glob("resources/models/own/*/lock.json")
    facts = json.loads(lock.read_text(encoding="utf-8"))
    assert (facts["dtype"], facts["architecture"]["model_type"]) == ("q8_0", "llama")


def test_it_is_compared_with_its_base(built: Workspace) -> None:
    """The study has a row of the file against the model that it names, on the same device."""
    study = {
        "models": ["tiny-llama", "own"], "quantizations": ["native", "q8-0"],
        "devices": ["llama"], "tasks": ["sums"],
    }  # fmt: skip
    built.set("config", "study", study)
    built.build()
    found = pl.read_parquet(built.path("results/comparisons.parquet"))
    pairs = set(found.select("variant", "parent_variant").iter_rows())
    assert ("own", "tiny-llama") in pairs, pairs
    assert ("tiny-llama-q8-0", "tiny-llama") in pairs
    assert cell(built, "own-q8-0")["outcome"] == "unsupported"
    assert "cannot be quantized again" in cell(built, "own-q8-0")["reason"]


def test_other_engines_and_precisions_say_so(built: Workspace) -> None:
    """An engine that does not read the format, or a cast of the file, is unsupported."""
    built.set("quantizations", "quantizations/half", {"method": "native", "dtype": "float16"})
    built.build("results/own/cpu/sums.json", "results/own-half/llama/sums.json")
    assert (
        "published quantized: gguf (9 bits), which transformers does not read"
        in (cell(built, "own", "cpu")["reason"])
    )
    assert (
        "cannot be quantized again by native (dtype: float16)"
        in (cell(built, "own-half")["reason"])
    )


def test_the_content_counts(built: Workspace, tmp_path: Path) -> None:
    """A moved file measures nothing again, another does; one that is not whole begins no job."""
    content = built.path("own.gguf").read_bytes()
    path = "results/own/llama/sums.json"
    (tmp_path / "moved.gguf").write_bytes(content)
    built.set("models", "models/own/path", str(tmp_path / "moved.gguf"))
    assert built.jobs(path) == set()
    (tmp_path / "moved.gguf").write_bytes(content + bytes(32))
    assert {"fetch_model own", "measure own sums"} <= built.jobs(path)
    (tmp_path / "moved.gguf").write_bytes(content[:-64])
    refused(built.snakemake(path), "models.own", "moved.gguf: truncated")
    (tmp_path / "moved.gguf").write_bytes(b"no model")
    refused(built.snakemake(path), "models.own", "moved.gguf: not a GGUF file")
    built.set("models", "models/own", {"path": "own.gguf", **OWN, "prompt": "chat"})
    refused(built.snakemake(path), "models.own", "no chat template")
    built.set("models", "models/own", {"path": "own.gguf", **OWN})


def test_a_file_with_pieces(built: Workspace, test_data: Path, tmp_path: Path) -> None:
    """The real 260K Llama: SentencePiece's tokenizer and the chat template come out of the file."""
    stories260k(test_data, tmp_path / "stories")
    little.edit(tmp_path / "stories" / "tokenizer_config.json", chat_template=CHAT)
    block = {"path": str(tmp_path / "stories"), "prompt": "chat"}
    built.set("models", "models/stories", block)
    built.build("results/stories-q8-0/llama/reviews.json")
    (file,) = built.root.glob("resources/quantized/stories-q8-0/gguf/*/model.gguf")
    shutil.copyfile(file, tmp_path / "stories.gguf")
    done = built.program("new_model", "--path", str(tmp_path / "stories.gguf"), "--name", "tales")
    assert done.returncode == 0, done.stderr
    assert built.get("models", "models/tales/parameters") == 260_032
    assert built.get("models", "models/tales/prompt") == "chat"
    built.build("results/tales/llama/reviews.json")
    ours = answers(built, "tales", task="reviews")
    assert ours == answers(built, "stories-q8-0", task="reviews")
    assert len({row["prediction"] for row in ours}) > 1
