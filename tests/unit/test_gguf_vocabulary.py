"""The vocabulary of GGUF files: llama.cpp's own tokenizer gives the checkpoint's ids, or none is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from environments import run_in
from frontier.catalogue.recipe import Recipe
from frontier.grammars import GRAMMARS
from frontier.growing import corpus, train
from stories import stories260k

PROMPTS = {
    "arithmetic": "{question} =",
    "sentiment": "{sentence}\nSentiment:",
    "translation": "{chinese}\nEnglish:",
}
RECIPE = Recipe.model_validate(
    {
        "architecture": "llama", "hidden": 64, "layers": 1, "heads": 2, "intermediate": 64,
        "steps": 0, "learning_rate": 0.001,
        "corpora": {
            name: {"prompt": prompt, "examples": 1500, "rows": 8}
            for name, prompt in PROMPTS.items()
        },
    }
)  # fmt: skip
OTHER = (
    "It's 1000,  they'LL say:\n\n\tnaïve – 12.5 %!",
    "我昨天买了3把雨伞。",
    "🙂 x\r\n",
    " ",
    "",
)

CONVERTED = """
import json, sys
from pathlib import Path
import gguf, llama_cpp
from frontier.conversions.gguf import Gguf
from frontier.engines import Generate, Settings
from frontier.engines.loaded import llama_cpp as engine
from quantizing import quantizer

found = {}
for name, (kind, texts) in json.loads(Path(sys.argv[1], "texts.json").read_text()).items():
    output = Path(sys.argv[1], f"{name}-gguf")
    output.mkdir()
    Gguf(type=kind).convert(Path(sys.argv[1], name), output, [])
    fields = gguf.GGUFReader(output / "model.gguf").fields.items()
    keys = {key: field.contents() for key, field in fields if key.startswith("tokenizer.")}
    found[name] = {"keys": keys}
    if keys["tokenizer.ggml.model"] != "none":
        whole = llama_cpp.Llama(str(output / "model.gguf"), vocab_only=True, verbose=False)
        found[name]["ids"] = [whole.tokenize(text.encode(), special=True) for text in texts]
        found[name]["texts"] = [
            whole.detokenize(ids).decode(errors="replace") for ids in found[name]["ids"]
        ]
        whole.close()
    loaded = engine.load(output, Settings("cpu", "float32", 1, "plain", quantizer("native")))
    found[name]["tokens"] = loaded.generate(Generate("1 + 1 =", 3, ())).tokens
    loaded.close()
print(json.dumps(found))
"""


def texts() -> list[str]:
    """Prompts and answers of the three tasks: examples that a model is asked, and trained on."""
    found = [*OTHER]
    for name, prompt in PROMPTS.items():
        for split in ("test", "train"):
            for example in islice(GRAMMARS.load(name)().examples(split, 0), 300):
                text = corpus.templates.fill(prompt, example.fields)
                found += [text, f"{text} {example.reference}"]
    return found


def in_pairs() -> PreTrainedTokenizerFast:
    """A tokenizer of bytes that splits texts into pairs of characters, as none of llama.cpp's does."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\n]{1,2}"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(["abab abcd the the then 1 + 1 = 2"] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")


@pytest.fixture(scope="module")
def tokenizers(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Folders with checkpoints of random weights, by their tokenizer."""
    folder = tmp_path_factory.mktemp("vocabularies")
    train.save(train.grow(RECIPE, train.prepare(RECIPE), lambda _: None), folder / "grown")
    train.save(train.grow(RECIPE, train.prepare(RECIPE), lambda _: None), folder / "quantized")
    stories260k(test_data, folder / "pieces")
    pairs = in_pairs()
    config = LlamaConfig(
        vocab_size=len(pairs), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, eos_token_id=0, bos_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder / "pairs")
    pairs.save_pretrained(folder / "pairs")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def found(
    tokenizers: dict[str, Path], environment: Callable[[str], Path]
) -> dict[str, dict[str, Any]]:
    """The vocabulary in each file, and llama.cpp's ids for the texts."""
    folder = tokenizers["grown"].parent
    asked = {name: ("Q8_0" if name == "quantized" else "F32", texts()) for name in tokenizers}
    (folder / "texts.json").write_text(json.dumps(asked), encoding="utf-8")
    answer: dict[str, Any] = json.loads(run_in(environment("llama_cpp"), CONVERTED, str(folder)))
    return answer


@pytest.mark.parametrize("name", ["grown", "quantized", "pieces"])
def test_llama_cpp_gives_the_ids_of_the_checkpoint(
    name: str, tokenizers: dict[str, Path], found: dict[str, dict[str, Any]]
) -> None:
    """Every text has the same ids, with the tokens that begin one; the ids give the text again."""
    own = PreTrainedTokenizerFast.from_pretrained(tokenizers[name])
    asked = texts()
    assert len(asked) > 1000
    for text, ids, again in zip(asked, found[name]["ids"], found[name]["texts"], strict=True):
        assert ids == own(text)["input_ids"], text
        assert again.removeprefix(" ") == text.removeprefix(" "), text


def test_the_keys_of_a_byte_level_vocabulary(found: dict[str, dict[str, Any]]) -> None:
    """They are the same in a file that llama.cpp has quantized."""
    assert found["grown"]["keys"] == found["quantized"]["keys"]
    keys = found["grown"]["keys"]
    assert (keys["tokenizer.ggml.model"], keys["tokenizer.ggml.pre"]) == ("gpt2", "gpt-2")
    assert keys["tokenizer.ggml.tokens"][0] == corpus.END
    assert keys["tokenizer.ggml.token_type"][:2] == [3, 1]  # a control token, an ordinary one
    assert keys["tokenizer.ggml.eos_token_id"] == keys["tokenizer.ggml.bos_token_id"] == 0
    assert keys["tokenizer.ggml.add_bos_token"] is False


def test_a_beginning_token_is_added_where_the_checkpoint_adds_it(
    found: dict[str, dict[str, Any]],
) -> None:
    """SentencePiece's Llama begins each text."""
    keys = found["pieces"]["keys"]
    assert keys["tokenizer.ggml.model"] == "llama"
    assert keys["tokenizer.ggml.add_bos_token"] is True


def test_other_tokenizers_have_no_vocabulary_but_answer(found: dict[str, dict[str, Any]]) -> None:
    """The engine in this process gives llama.cpp ids."""
    assert found["pairs"]["keys"] == {"tokenizer.ggml.model": "none"}
    assert found["pairs"]["tokens"] == found["grown"]["tokens"] == 3
