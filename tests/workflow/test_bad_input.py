"""Bad input to the real Snakemake: one clear line, no traceback, results untouched."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from workspace import Workspace, refused


@pytest.fixture(scope="module")
def built(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished tiny study, for tests that change nothing in it."""
    return tiny.copied(finished, tmp_path_factory.mktemp("bad"))


@pytest.fixture
def place(place: Workspace) -> Workspace:
    """One model and one task of it, to spoil; nothing else is there."""
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/quantizations", ["native"])
    place.set("config", "study/tasks", ["reviews"])
    for name in ("results/tiny-llama-int8", "results/tiny-gpt2", "results/tiny-gpt2-int8",
                 "results/tiny-llama/cpu/sums", "resources/models/tiny-gpt2",
                 "resources/samples/sums", "resources/datasets/demo"):  # fmt: skip
        shutil.rmtree(place.path(name))
    for name in ("sums.json", "sums.parquet"):
        place.path(f"results/tiny-llama/cpu/{name}").unlink()
    return place


def results(place: Workspace) -> dict[str, str]:
    """Every finished result and its content's digest."""
    return {
        str(path.relative_to(place.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.path("results").rglob("*"))
        if path.is_file() and "journal" not in path.name
    }


CONFIGURATION = {
    "key of a model": ("models", "models/tiny-llama/labl", "x", ("models.tiny-llama: labl", "'label'")),
    "key of a task": ("tasks", "tasks/sums/promt", "x", ("tasks.sums: promt", "'prompt'")),
    "field of a prompt": ("tasks", "tasks/reviews/prompt", "{sentense} =>", ("tasks.reviews.prompt", "'sentense'", "'sentence'")),
    "template of a prompt": ("tasks", "tasks/reviews/prompt", "{sentence =>", ("tasks.reviews.prompt", "not a template")),
    "id in the study": ("config", "study/models", ["tiny-lama"], ("study.models", "'tiny-lama'", "'tiny-llama'")),
    "empty study": ("config", "study/tasks", [], ("study.tasks: is empty",)),
    "missing local dataset": (
        "tasks", "datasets/reviews/source/path", "/nowhere/reviews",
        ("datasets.reviews.source.path: /nowhere/reviews", "no such file or folder"),
    ),
    "missing local checkpoint": (
        "models", "models/tiny-llama", {"path": "/nowhere/model"},
        ("models.tiny-llama.path: /nowhere/model", "no such folder"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGURATION)
def test_configuration(place: Workspace, case: str) -> None:
    """Reported while planning, before any job; finished results stay as they are."""
    name, keys, value, words = CONFIGURATION[case]
    before = results(place)
    place.set(name, keys, value)
    done = place.snakemake("-n")
    refused(done, *words)
    assert len((done.stdout + done.stderr).splitlines()) <= 2  # and that there is a profile
    assert results(place) == before


def test_a_study_of_its_own_is_taken_whole(place: Workspace) -> None:
    """Both Snakemake and plan.py use the default quantizations for it, not config.yaml's."""
    place.set("config", "study/quantizations", ["native", "int8"])
    place.set("config", "study/also", [{"models": ["tiny-gpt2"]}])
    mine = place.path("mine.yaml")
    mine.write_text(
        "title: Mine\nstudy: {models: [tiny-llama], devices: [cpu], tasks: [sums]}\n", "utf-8"
    )
    wanted = {
        "sample sums",
        "fetch_dataset demo",
        "measure tiny-llama sums",
        "score tiny-llama sums",
    }
    assert place.jobs("--configfile", "mine.yaml") - {"aggregate", "compare", "render"} == wanted
    assert "\n1 cells: 1 planned" in place.program("plan", "--config", "mine.yaml").stdout
    added = place.jobs("--configfile", "mine.yaml", "--config", "study={tasks: [sums, reviews]}")
    assert {job for job in added if job.startswith("measure")} == {"measure tiny-llama sums"}
    assert "score tiny-llama reviews" not in added  # finished before


CODE = "__use_yte__: true\n__definitions__:\n  - open('ran', 'w').close()\n"
UNREADABLE = {
    "no file": (None, "no such file"),
    "latin-1": ("title: caf\xe9\n".encode("latin-1"), "line 1 is not UTF-8"),
    "no date": (b"title: 2024-13-45\n", "line 1 '2024-13-45' is not a date"),
    "key given twice": (b"title: x\ntitle: y\n", "line 2 key 'title' is given twice"),
    "code": (CODE.encode(), "__use_yte__ would let Snakemake run code"),
}


SCORER = "from frontier.blocks import Entry\n\nclass Classification(Entry):\n    pass\n"
GATE = "from frontier.gates import Gate\n\nclass More(Gate):\n    ORDER = 1\n"
UNFIT = {
    "scorers/classification": (SCORER, "has no class that derives from Scorer (there are: Classification)"),
    "gates/more": (GATE, "class More lacks reason()"),
    "figures/more": ("import nothing_of_that_name\n", "cannot be imported (line 1): ModuleNotFoundError"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_a_plug_in_that_does_not_fit_is_named_before_any_job(place: Workspace, name: str) -> None:
    """The error has its file and what it lacks, if it is selected or one of a kind that always runs."""
    text, message = UNFIT[name]
    before = results(place)
    place.path(f"workflow/scripts/frontier/{name}.py").write_text(text, encoding="utf-8")
    refused(place.snakemake(), f"frontier/{name}.py: {message}")
    assert results(place) == before


@pytest.mark.parametrize(
    ("case", "given"),
    [
        *((case, "--configfile") for case in UNREADABLE),
        ("key given twice", "config/config.yaml"),
        ("code", "config/config.yaml"),
    ],
)
def test_unreadable_study(place: Workspace, case: str, given: str) -> None:
    """One line in a dry run too, for any reader of the file; no code in it is run."""
    content, message = UNREADABLE[case]
    name = "mine.yaml" if given == "--configfile" else given
    place.path(name).unlink(missing_ok=True)
    if content is not None:
        place.path(name).write_bytes(content)
    done = place.snakemake("-n", *([given, name] if given == "--configfile" else []))
    refused(done, f"{name}: {message}")
    assert len((done.stdout + done.stderr).splitlines()) <= 2  # and that there is a profile
    assert not place.path("ran").exists()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/tiny-lama/cpu/sums.json", ("unknown variant 'tiny-lama'", "'tiny-llama'")),
        ("results/tiny-llama-in8/cpu/sums.json", ("unknown variant", "'tiny-llama-int8'")),
        ("results/tiny-llama/cpo/sums.json", ("device: unknown id 'cpo'", "'cpu'")),
        ("results/tiny-llama/cpu/sum.json", ("task: unknown id 'sum'", "'sums'")),
        (
            "results/tiny-llama/cpu/sums.multi-stream.json",
            ("scenario: unknown id 'multi-stream'", "single-stream"),
        ),
        (
            "results/tiny-llama+kv/cpu/sums.json",
            ("variant 'tiny-llama+kv'", "technique: unknown id 'kv'"),
        ),
    ],
)
def test_target(built: Workspace, target: str, words: tuple[str, ...]) -> None:
    """A cell that the catalogue does not have names the nearest one that it has."""
    refused(built.snakemake(target), *words)


def test_target_that_no_rule_makes(built: Workspace) -> None:
    """Snakemake's own word, without a traceback."""
    done = built.snakemake("reslts/tiny-llama/cpu/sums.json")
    assert done.returncode != 0
    assert "No rule to produce reslts/tiny-llama/cpu/sums.json" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_broken_row(place: Workspace) -> None:
    """The file and the row of it."""
    with (place.root.parent / "reviews" / "dev.tsv").open("a", encoding="utf-8") as file:
        file.write("a film without a label\n")
    before = results(place)
    refused(place.snakemake(), "dev.tsv", "row 22")
    assert results(place) == before


def test_sample_larger_than_the_dataset(place: Workspace) -> None:
    """Both figures."""
    place.set("tasks", "tasks/reviews/sample/size", 1000)
    refused(place.snakemake(), "1000", "20")


@pytest.mark.parametrize("spoiled", ["model.safetensors", "config.json"])
def test_unreadable_checkpoint(place: Workspace, tmp_path: Path, spoiled: str) -> None:
    """A file that was cut off on its way, in a folder of the user's."""
    grown = next(place.root.glob("resources/models/tiny-llama/*"))
    folder = tmp_path / "model"
    shutil.copytree(grown, folder)
    content = (folder / spoiled).read_bytes()
    (folder / spoiled).write_bytes(content[: len(content) // 2])
    (folder / "lock.json").unlink()
    before = results(place)
    place.set("models", "models/tiny-llama", {"path": str(folder)})
    refused(place.snakemake(), spoiled)
    assert results(place) == before


@pytest.mark.parametrize(
    ("accelerator", "words"), [("cuda", ("NVIDIA GPU", "'H9000'")), ("mps", ("Apple silicon",))]
)
def test_device_that_this_host_lacks(
    place: Workspace, accelerator: str, words: tuple[str, ...]
) -> None:
    """Said before anything is fetched or grown; a dry run plans for another host all the same."""
    gpu = {"gpu": "H9000"} if accelerator == "cuda" else {}
    place.set("devices", "devices/gpu", {"accelerator": accelerator, "gpus": 1, **gpu})
    shutil.rmtree(place.path("resources/models"))
    target = "results/tiny-llama/gpu/reviews.json"
    planned = place.jobs(target)
    assert planned == {
        "grow_model tiny-llama",
        "measure tiny-llama reviews",
        "score tiny-llama reviews",
    }
    done = place.snakemake(target)
    refused(done, "device 'gpu'", *words)
    assert not place.path("resources/models").exists()
    assert not list(place.root.glob(".snakemake/locks/*.lock"))


def test_full_disk(place: Workspace) -> None:
    """A disk that fills up while results are written: one line, and what is there stays whole."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = place.path("small")
    small.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mount.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mount.stderr.decode().strip()}")
    try:
        shutil.copytree(place.path("results"), small / "results")
        shutil.rmtree(place.path("results"))
        place.path("results").symlink_to(small / "results")
        before = results(place)
        (small / "ballast").write_bytes(b"x" * (shutil.disk_usage(small).free))
        place.set("tasks", "tasks/reviews/max_new_tokens", 2)
        refused(place.snakemake(), "No space left on device")
        assert results(place) == before
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    "name",
    ["resources/samples/reviews/*/sample.jsonl", "resources/models/tiny-llama/*/model.safetensors"],
)
def test_altered_input(place: Workspace, name: str) -> None:
    """A sample or weights that were changed by hand are not measured as if they were the locked ones."""
    path = next(place.root.glob(name))
    path.write_bytes(path.read_bytes().replace(b"f", b"g", 1))
    shutil.rmtree(next(place.root.glob("results/tiny-llama/cpu/reviews/")))
    place.path("results/tiny-llama/cpu/reviews.json").unlink()
    refused(place.snakemake("results/tiny-llama/cpu/reviews.json"), path.name, "altered")


def test_gated_model_without_a_token(place: Workspace) -> None:
    """The message says what to do, before anything is fetched."""
    model = {"hub": "meta-llama/Llama-2-7b-chat-hf", "revision": "f" * 40, "gated": True}
    place.set("models", "models/gated", model)
    target = "results/gated/cpu/reviews.json"
    done = place.run(
        "env", "-u", "HF_TOKEN", sys.executable, "-m", "snakemake", "--cores", "2", target
    )
    refused(done, "meta-llama/Llama-2-7b-chat-hf is gated", "accept its licence", "HF_TOKEN")
    assert not place.path("resources/models/gated").exists()
