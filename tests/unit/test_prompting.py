"""Prompts to ids and back to answers, by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from frontier.arrivals import one_by_one
from frontier.engines.common.prompting import Prompting
from frontier.errors import UnsupportedError, UserError
from stories import stories260k


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


@pytest.fixture
def copied(stories: Path, tmp_path: Path) -> Path:
    """One to change."""
    return Path(shutil.copytree(stories, tmp_path / "copied"))


def change(path: Path, **values: Any) -> None:
    """Sets keys of a JSON file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(found | values), encoding="utf-8")


def test_special_tokens_come_once(copied: Path) -> None:
    """Either the tokenizer or the chat template writes them."""
    plain = Prompting(copied, "plain").encode("Once upon a time", 1)
    assert plain[0] == 1
    assert plain.count(1) == 1
    assert Prompting(copied, "Once {prompt}").encode("upon a time", 1) == plain
    (copied / "chat_template.jinja").write_text("<s>{{ messages[0]['content'] }}", "utf-8")
    assert Prompting(copied, "chat").encode("Once upon a time", 1) == plain


def test_a_missing_chat_template_is_reported(stories: Path) -> None:
    """The error comes before anything is loaded."""
    with pytest.raises(UserError, match="no chat template"):
        Prompting(stories, "chat")


def test_positions_end(stories: Path) -> None:
    """512 of them; the prompt has five tokens."""
    prompting = Prompting(stories, "plain")
    assert len(prompting.encode("Once upon a time", 507)) == 5
    with pytest.raises(UnsupportedError, match=r"513 tokens, .* 512 positions"):
        prompting.encode("Once upon a time", 508)


def test_positions_that_the_config_leaves_to_the_architecture(
    stories: Path, tmp_path: Path
) -> None:
    """Falcon 7B's config.json names none: Falcon has 2048."""
    shutil.copytree(stories, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "falcon"}), "utf-8")
    assert Prompting(tmp_path, "plain").positions == 2048


@pytest.mark.parametrize(
    ("generation", "config", "ends"),
    [
        ([2, 5], 3, (2, 5, 3)),
        (None, 3, (3, 2)),
        (None, None, (2,)),
        (2, [], (2,)),
        ([7, None], -1, (7, 2)),
        (50256, 2, (50256, 2)),
    ],
)
def test_end_tokens(copied: Path, generation: Any, config: Any, ends: tuple[int, ...]) -> None:
    """The generation config's, the config's and the tokenizer's: a file may have been forgotten."""
    change(copied / "generation_config.json", eos_token_id=generation)
    change(copied / "config.json", eos_token_id=config)
    assert Prompting(copied, "plain").eos == ends


def test_answers(stories: Path) -> None:
    """Cut at the first stop text; ended by it or by an end token, else by the limit."""
    prompting = Prompting(stories, "plain")
    ids = prompting.tokenizer("One. Two. Three", add_special_tokens=False)["input_ids"]
    times = list(range(1, len(ids) + 1))
    cut = prompting.answer(4, ids, times, 0, (" Th", "."))
    assert (cut.text, cut.finish_reason, cut.arrivals) == ("One", "stop", one_by_one(times))
    whole = prompting.answer(4, ids, times, 0, ())
    assert (whole.text, whole.finish_reason, whole.prompt_tokens) == (
        "One. Two. Three",
        "length",
        4,
    )
    assert prompting.answer(4, [*ids, 2], [*times, 99], 0, ()).finish_reason == "stop"
    assert prompting.stopped(ids, ("Three",))
    assert not prompting.stopped(ids, ())


def test_spaces_stay_as_the_model_wrote_them(copied: Path) -> None:
    """transformers 4 would write "Hi , there" as "Hi, there" where a checkpoint says so."""
    change(copied / "tokenizer_config.json", clean_up_tokenization_spaces=True)
    prompting = Prompting(copied, "plain")
    ids = prompting.encode("Hi , there", 1)
    assert prompting.answer(len(ids), ids, [], 0, ()).text == "Hi , there"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json"])
def test_unreadable_files(copied: Path, name: str) -> None:
    """Cut off in their middle: one line."""
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="unreadable checkpoint") as refusal:
        Prompting(copied, "plain")
    assert "\n" not in str(refusal.value)
