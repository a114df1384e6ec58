"""Growing models: reproducible, taught by the answers alone, saved as ordinary checkpoints."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from conftest import ROOT
from frontier.catalogue.recipe import Corpus, Recipe
from frontier.errors import UserError
from frontier.grammars import GRAMMARS
from frontier.growing import corpus, train
from frontier.growing.architectures import build

ARCHITECTURES = ("gpt2", "llama", "falcon")
PROMPTS = {
    "arithmetic": "{question} =",
    "sentiment": "{sentence}\nSentiment:",
    "translation": "{chinese}\nEnglish:",
}


def small(**changes: Any) -> Recipe:
    """A recipe that takes well under a second."""
    recipe = {
        "architecture": "llama",
        "hidden": 32,
        "layers": 2,
        "heads": 2,
        "intermediate": 64,
        "positions": 64,
        "corpora": {
            name: {"prompt": prompt, "examples": 150, "rows": 8} for name, prompt in PROMPTS.items()
        },
        "steps": 3,
        "learning_rate": 0.005,
    }
    return Recipe.model_validate(recipe | changes)


def grown(recipe: Recipe) -> train.Grown:
    return train.grow(recipe, train.prepare(recipe), lambda _: None)


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    recipe = small()
    return corpus.train_tokenizer(
        {name: corpus.texts(name, recipe.corpora[name], 0) for name in recipe.corpora}, recipe
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_seed_fixes_every_byte(architecture: str, tmp_path: Path) -> None:
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        train.save(grown(small(architecture=architecture, seed=seed)), tmp_path / name)
    first, second, other = (digest(tmp_path / name) for name in ("first", "second", "other"))
    assert first == second
    assert first["model.safetensors"] != other["model.safetensors"]


def test_the_order_of_the_corpora_does_not_count(tmp_path: Path) -> None:
    recipe = small()
    turned = recipe.model_copy(update={"corpora": dict(reversed(recipe.corpora.items()))})
    train.save(grown(recipe), tmp_path / "one")
    train.save(grown(turned), tmp_path / "two")
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_learns(architecture: str) -> None:
    reported: list[float] = []
    only = {"translation": {"prompt": "{chinese}\n", "examples": 300, "rows": 16}}
    recipe = small(architecture=architecture, corpora=only, steps=40)
    result = train.grow(recipe, train.prepare(recipe), reported.append)
    assert len(reported) == 40
    assert reported[-1] < 0.75 * reported[0]
    assert result.losses["translation"] == pytest.approx(sum(reported[-4:]) / 4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_saved_model_is_an_ordinary_checkpoint(architecture: str, tmp_path: Path) -> None:
    result = grown(small(architecture=architecture))
    train.save(result, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert model.config.model_type == architecture
    text = "47 + 38 = 我昨天买了一把雨伞 naïve 🙂"
    ids = loaded(text, return_tensors="pt")["input_ids"]
    assert ids.tolist()[0] == result.tokenizer(text)["input_ids"]
    assert loaded.decode(ids[0]) == text
    assert loaded.eos_token_id == model.config.eos_token_id
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, result.model(ids).logits)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_no_loss(architecture: str, tokenizer: PreTrainedTokenizerFast) -> None:
    """The padded batch against each text alone through the whole model, head at every position."""
    pairs = [corpus.Text("1", " 2"), corpus.Text("the plot is not dull\n", " very very positive")]
    encoded = corpus.encode(pairs, tokenizer)
    model = build(small(architecture=architecture), len(tokenizer), tokenizer.eos_token_id).eval()
    total, tokens = 0.0, 0
    for pair in pairs:
        prompt, answer = (tokenizer(text)["input_ids"] for text in (pair.prompt, pair.answer))
        ids = torch.tensor([[*prompt, *answer, tokenizer.eos_token_id]])
        logits = model(ids).logits[0, len(prompt) - 1 : -1]
        total += cross_entropy(logits, ids[0, len(prompt) :], reduction="sum").item()
        tokens += len(answer) + 1
    loss = train.answer_loss(model, encoded.inputs, encoded.targets)
    assert loss.item() == pytest.approx(total / tokens, rel=1e-5)


@given(text=st.text())
def test_any_text_survives_the_tokenizer(text: str, tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_words_digits_and_characters_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer(" not brilliant but tedious")["input_ids"]) == 4
    assert len(tokenizer("47")["input_ids"]) == 2
    assert len(tokenizer("我昨天")["input_ids"]) == 3


@pytest.mark.parametrize("grammar", PROMPTS)
def test_targets_are_the_answers_and_their_end(
    grammar: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    recipe = small()
    pairs = corpus.texts(grammar, recipe.corpora[grammar], 0)
    encoded = corpus.encode(pairs, tokenizer)
    for pair, inputs, targets in zip(pairs, encoded.inputs, encoded.targets, strict=True):
        taught = targets[targets != corpus.IGNORED]
        assert tokenizer.decode(taught) == pair.answer + corpus.END
        prompt = tokenizer(pair.prompt)["input_ids"]
        assert inputs[: len(prompt)].tolist() == prompt
        # What the last token of the prompt has to say is the first of the answer.
        assert targets[len(prompt) - 1] == inputs[len(prompt)]


@pytest.mark.parametrize("grammar", PROMPTS)
def test_training_texts_hold_no_test_example(grammar: str) -> None:
    prompt = PROMPTS[grammar]
    texts = corpus.texts(grammar, Corpus(prompt=prompt, examples=5000, rows=1), 3)
    held_out = islice(GRAMMARS.load(grammar)().examples("test", 0), 500)
    tested = {prompt.format_map(example.fields) for example in held_out}
    assert len({text.prompt for text in texts}) == 5000
    assert not tested & {text.prompt for text in texts}


@given(count=st.integers(1, 40), rows=st.integers(1, 50), seed=st.integers(0, 99))
def test_a_round_of_batches_has_each_text_at_most_once(count: int, rows: int, seed: int) -> None:
    numbers = torch.arange(count)[:, None]
    encoded = corpus.Encoded(numbers, numbers, torch.ones(count, dtype=torch.long))
    whole = count // min(rows, count)
    batches = list(islice(corpus.batches(encoded, rows, seed), whole))
    seen = torch.cat([inputs for inputs, _ in batches]).flatten().tolist()
    assert len(seen) == len(set(seen)) > count - rows
    assert all(torch.equal(inputs, targets) for inputs, targets in batches)


@given(lengths=st.lists(st.integers(1, 99), min_size=1, max_size=60), rows=st.integers(1, 20))
def test_batches_by_length_are_padded_least(lengths: list[int], rows: int) -> None:
    """A round has the batches of the sorted lengths in random order, each padded to its longest."""
    count = len(lengths)
    numbers = torch.arange(count)[:, None].expand(count, 99)
    encoded = corpus.Encoded(numbers, numbers, torch.tensor(lengths))
    rows = min(rows, count)
    batches = list(islice(corpus.batches(encoded, rows, 0, by_length=True), count // rows))
    drawn = [sorted(lengths[row] for row in inputs[:, 0].tolist()) for inputs, _ in batches]
    ordered = sorted(lengths)
    starts = range(0, count - rows + 1, rows)
    assert sorted(drawn) == [ordered[start : start + rows] for start in starts]
    assert [inputs.shape[1] for inputs, _ in batches] == [one[-1] for one in drawn]
    seen = [row for inputs, _ in batches for row in inputs[:, 0].tolist()]
    assert len(seen) == len({*seen})


@pytest.mark.parametrize("kv_heads", [None, 2, 1])
def test_a_llama_shares_its_keys_among_heads(kv_heads: int | None) -> None:
    recipe = small(heads=4, kv_heads=kv_heads)
    config = build(recipe, 300, 0).config
    assert config.num_key_value_heads == (kv_heads or 4) == recipe.cached_heads
    assert small(architecture="falcon").cached_heads == 1


@given(steps=st.integers(1, 500))
def test_the_learning_rate_rises_and_falls(steps: int) -> None:
    shares = [train.schedule(step, steps) for step in range(steps)]
    top = shares.index(max(shares))
    assert all(0.01 <= share <= 1 for share in shares)
    assert shares == sorted(shares[: top + 1]) + sorted(shares[top + 1 :], reverse=True)


def test_every_parameter_has_one_optimizer() -> None:
    for architecture in ARCHITECTURES:
        recipe = small(architecture=architecture)
        model = build(recipe, 300, 0)
        held = [
            id(parameter)
            for optimizer in train.optimizers(model, recipe)
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]
        assert sorted(held) == sorted(map(id, model.parameters()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 30}, "not a multiple of twice heads 2"),
        ({"layer": 2}, "Extra inputs"),
        ({"architecture": "gpt3"}, "gpt2"),
        ({"corpora": {"sentimant": {"prompt": "", "examples": 1, "rows": 1}}}, "'sentiment'"),
        (
            {"corpora": {"sentiment": {"prompt": "{text}", "examples": 1, "rows": 1}}},
            r"sentiment.prompt: no field 'text'",
        ),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**changes)


def test_more_examples_than_there_are() -> None:
    with pytest.raises(UserError, match=r"corpora\.arithmetic\.examples: 99999 asked for"):
        corpus.texts("arithmetic", Corpus(prompt="{question}", examples=99999, rows=1), 0)


def program(spec: str, output: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "workflow" / "scripts" / "grow_model.py"
    command = [sys.executable, script, "--spec", spec, "--output", output]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_makes_a_folder_with_its_lock(tmp_path: Path) -> None:
    done = program(small(steps=4).model_dump_json(), tmp_path / "deep" / "model")
    assert done.returncode == 0, done.stderr
    assert "4/4 steps" in done.stderr
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]
    folder = tmp_path / "deep" / "model"
    lock = json.loads((folder / "lock.json").read_text())
    assert lock["files"]["model.safetensors"]["sha256"] == digest(folder)["model.safetensors"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert lock["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert lock["training"]["steps"] == 4
    assert set(lock["training"]["losses"]) == set(PROMPTS)


def test_the_program_tells_a_fault_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    spec = small().model_dump() | {"layers": 0}
    done = program(json.dumps(spec), tmp_path / "model")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --spec: layers:")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
