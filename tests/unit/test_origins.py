"""Origins of models and datasets: valid configuration, and the content of local folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from pydantic import TypeAdapter, ValidationError

import little
import shipped
from frontier.catalogue.checking import check
from frontier.catalogue.models import Model
from frontier.catalogue.origins import Address, HubId, LocalPath, Revision
from frontier.catalogue.question import Config
from frontier.catalogue.source import Source
from frontier.errors import UserError
from frontier.host import caches
from frontier.planning.input_steps import InputSteps

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            HubId,
            ["gpt2", "owner/name", "tiiuae/falcon-7b-instruct", "a/b.c_d-e"],
            [
                *("", "../x", "a/..", "a/b/c", "/a", "a/", "a b", "a/b.git", "x--y/z", "a\n"),
                *("https://x.y/z", "\x1b[31m", "a" * 200),
            ],
        ),
        (Revision, [COMMIT, "main", "v1.0", "refs/pr/1"], ["", " ", "a b", "x\n", "a..b", "x~1"]),
        (
            Address,
            ["https://x.org/a.zip", "http://127.0.0.1:80/a%20b?c=d", "https://x.org/ü.zip"],
            [
                *("", "x.org/a.zip", "ftp://x.org/a", "file:///etc/passwd", "http://", "C:\\a.zip"),
                *("https://:80/a", "http://x.org/a b", "http://x.org:99999/", "http://x.org/\x07"),
            ],
        ),
        (LocalPath, ["a", "/dev/zero", "nowhere/at/all"], ["", "a\0b", "x" * 5000, "~nobody-x/a"]),
    ],
)
def test_what_may_be_said(kind: Any, good: list[str], bad: list[str]) -> None:
    adapter = TypeAdapter(kind)
    for text in good:
        assert str(adapter.validate_python(text)) == text
    for text in bad:
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python(text)
        assert "\n" not in refused.value.errors()[0]["msg"]


def test_the_likely_id_is_named() -> None:
    block = {"hub": "https://huggingface.co/owner/name", "revision": COMMIT}
    with pytest.raises(UserError, match=r"models\.x: hub: not a hub id.*did you mean 'owner/name'"):
        check(Model, block, "models.x")


def test_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every path of the configuration may start with it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    model = check(Model, {"path": "~/m", "adapter": {"path": "~/a"}}, "models.x")
    assert (model.path, model.adapter and model.adapter.path) == (tmp_path / "m", tmp_path / "a")
    assert check(Source, {"path": "~/d"}, "sources.x").path == tmp_path / "d"
    monkeypatch.setenv(caches.VARIABLE, "~/shared")
    assert caches.root() == tmp_path / "shared"
    monkeypatch.setenv(caches.VARIABLE, "~nobody-at-all/shared")
    with pytest.raises(UserError, match="nobody-at-all"):
        caches.root()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with an adapter next to it."""
    folder = little.checkpoint(tmp_path_factory.mktemp("origins") / "model")
    torch.manual_seed(0)
    base = transformers.AutoModelForCausalLM.from_pretrained(folder)
    adapted = peft.get_peft_model(base, peft.LoraConfig(target_modules="all-linear"))
    adapted.save_pretrained(folder.parent / "adapter")
    return folder


@pytest.fixture
def ground(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, an adapter and a dataset in folders of the user's."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model.parent, tmp_path / "own")
    (tmp_path / "own/data").mkdir()
    (tmp_path / "own/data/dev.tsv").write_text("sentence\tlabel\ngood\t1\n")
    return tmp_path / "own"


def input_steps(ground: Path, **places: Any) -> InputSteps:
    place = {name: str(ground / name) for name in ("model", "adapter", "data")} | places
    catalogue = {
        "models": {"m": {"path": place["model"], "adapter": {"path": place["adapter"]}}},
        "quantizations": {"native": {"method": "native"}},
        "devices": {"cpu": {"accelerator": "cpu"}},
        "datasets": {"d": {"loader": "sst2", "source": {"path": place["data"]}}},
        "tasks": {
            "t": {
                "dataset": "d", "sample": {"size": 1, "split": "validation"},
                "prompt": "{sentence}", "max_new_tokens": 1,
                "scorer": {"kind": "classification", "labels": ["negative", "positive"]},
            }
        },
    }  # fmt: skip
    study = {"models": ["m"], "devices": ["cpu"], "tasks": ["t"]}
    return InputSteps(
        shipped.catalogue(**catalogue), Config.model_validate({"title": "x", "study": study})
    )


def identities(ground: Path, **places: Any) -> dict[str, str]:
    steps = input_steps(ground, **places)
    adapter = steps.adapter("m")
    assert adapter
    named = {"model": steps.model("m"), "adapter": adapter}
    named |= {"dataset": steps.dataset("d"), "sample": steps.sample("t")}
    return {name: step.identity for name, step in named.items()}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("model/README.md", set()),
        ("model/checkpoint-10/optimizer.pt", set()),
        ("model/checkpoint-10/model.safetensors", set()),
        ("model/trainer_state.json", set()),
        ("model/training_args.bin", set()),
        ("model/modeling_x.py", set()),
        ("model/adapter_config.json", set()),
        ("model/generation_config.json", {"model"}),
        ("model/model.safetensors", {"model"}),
        ("model/special_tokens_map.json", {"model"}),
        ("adapter/README.md", set()),
        ("adapter/tokenizer.json", set()),
        ("adapter/adapter_model.safetensors", {"adapter"}),
        ("data/README.md", set()),
        ("data/notes/raw.csv", set()),
        ("data/dev.tsv", {"dataset", "sample"}),
        ("data/train.tsv.gz", {"dataset", "sample"}),
        ("data/more.zip", {"dataset", "sample"}),
    ],
)
def test_only_what_is_read_counts(name: str, changed: set[str], ground: Path) -> None:
    """A file that no job reads makes none run."""
    before = identities(ground)
    (ground / name).parent.mkdir(exist_ok=True)
    with (ground / name).open("ab") as file:
        file.write(b" ")
    after = identities(ground)
    assert {key for key in before if before[key] != after[key]} == changed


def test_the_place_does_not_count(ground: Path, tmp_path: Path) -> None:
    before = identities(ground)
    ground.rename(tmp_path / "moved")
    assert identities(tmp_path / "moved") == before


def fifo(path: Path) -> None:
    os.mkfifo(path)


def broken_link(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


@pytest.mark.parametrize("what", ["model", "adapter", "data"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such"),
        (lambda path: path.mkdir(), "missing|no adapter_config|none of the files in this folder"),
        (broken_link, "no such"),
        (fifo, "folder"),
        ("/dev/zero", "folder"),
    ],
)
def test_places_that_hold_nothing(
    make: Callable[[Path], None] | str, message: str, what: str, ground: Path
) -> None:
    """Reported while planning in one line that names the key; nothing hangs."""
    path = Path(make) if isinstance(make, str) else ground / "other"
    if not isinstance(make, str):
        make(path)
    with pytest.raises(UserError, match=message) as refused:
        identities(ground, **{what: str(path)})
    keys = {"model": "models.m", "adapter": "models.m.adapter", "data": "datasets.d.source"}
    assert str(refused.value).startswith(f"{keys[what]}.path: {path}")
    assert "\n" not in str(refused.value)


def test_a_file_in_a_folders_place(ground: Path) -> None:
    """A dataset may be one; a model and an adapter are not."""
    for what in ("model", "adapter"):
        with pytest.raises(UserError, match="a file, not a folder"):
            identities(ground, **{what: str(ground / "data/dev.tsv")})
    assert identities(ground, data=str(ground / "data/dev.tsv"))


def test_a_folder_that_may_not_be_read(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all, so the file system's answer is given for it."""

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    with pytest.raises(UserError, match=r"\.path: .*Permission denied"):
        identities(ground)
