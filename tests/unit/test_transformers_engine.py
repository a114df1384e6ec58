"""The transformers engine on real checkpoints, by hand: no Snakemake."""

from __future__ import annotations

import dataclasses
import weakref
from pathlib import Path

import pytest
import torch
import transformers

from frontier.engines import Settings, UnsupportedError
from frontier.engines import transformers as engine
from frontier.errors import UserError
from stories import stories260k


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


def settings(method: str = "native", prompt: str = "plain", **quantization: str) -> Settings:
    """One thread of the CPU in fp32."""
    return Settings("cpu", "float32", 1, prompt, method, dict(quantization))


def greedy(folder: Path, prompt: str, tokens: int) -> list[int]:
    """The reference: argmax after argmax over the whole sequence, without a cache."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids: list[int] = tokenizer(prompt)["input_ids"]
    with torch.no_grad():
        for _ in range(tokens):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[-tokens:]


def test_generation_is_greedy_and_timed_by_token(stories: Path) -> None:
    """Same tokens as the reference; one time for each of them, in order, within the whole."""
    loaded = engine.load(stories, settings())
    found = loaded.generate("Once upon a time", 30, ())
    tokens = greedy(stories, "Once upon a time", 30)
    assert found.text == loaded.prompting.tokenizer.decode(tokens, skip_special_tokens=True)
    assert len(found.token_ns) == 30
    assert found.token_ns == sorted(set(found.token_ns))
    assert found.token_ns[0] > 0
    assert found.token_ns[-1] <= found.end_ns
    assert found.finish_reason == "length"
    assert found.prompt_tokens == 5, "the beginning-of-text token comes once"
    assert loaded.generate("Once upon a time", 30, ()).text == found.text


def test_one_token(stories: Path) -> None:
    """The first token is counted, and once."""
    found = engine.load(stories, settings()).generate("Once upon a time", 1, ())
    assert len(found.token_ns) == 1


def test_stop_ends_generation_and_is_no_part_of_the_text(stories: Path) -> None:
    """Generation ends with the token that completes the stop text."""
    loaded = engine.load(stories, settings())
    whole = loaded.generate("Once upon a time", 40, ()).text
    found = loaded.generate("Once upon a time", 40, (".",))
    assert found.text == whole[: whole.index(".")]
    assert found.finish_reason == "stop"
    assert len(found.token_ns) < 40


def test_prompt_styles(stories: Path, tmp_path: Path) -> None:
    """A template wraps the prompt; a chat template brings its own special tokens, once."""
    plain = engine.load(stories, settings()).generate("Once upon a time", 5, ())
    wrapped = engine.load(stories, settings(prompt="Once upon {prompt}"))
    assert wrapped.generate("a time", 5, ()).text == plain.text
    tokenizer = transformers.AutoTokenizer.from_pretrained(stories)
    tokenizer.chat_template = "<s>{{ messages[0]['content'] }}"
    transformers.AutoModelForCausalLM.from_pretrained(stories).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    chat = engine.load(tmp_path, settings(prompt="chat")).generate("Once upon a time", 5, ())
    assert (chat.text, chat.prompt_tokens) == (plain.text, 5)


def test_sampling_settings_of_a_checkpoint_do_not_count(stories: Path, tmp_path: Path) -> None:
    """Qwen2.5 ships a repetition penalty; answers must not depend on such."""
    model = transformers.AutoModelForCausalLM.from_pretrained(stories)
    model.generation_config = transformers.GenerationConfig(
        do_sample=True, temperature=5.0, repetition_penalty=2.0, eos_token_id=2
    )
    model.save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(stories).save_pretrained(tmp_path)
    texts = {
        engine.load(folder, settings()).generate("Once upon a time", 40, ()).text
        for folder in (stories, tmp_path)
    }
    assert len(texts) == 1


@pytest.mark.parametrize(("weights", "at_most"), [("int8", 0.5), ("int4", 0.4), ("int2", 0.35)])
def test_quanto_stores_fewer_bytes(stories: Path, weights: str, at_most: float) -> None:
    """Every linear layer of every block is quantized, and the stored bytes say so."""
    native = engine.load(stories, settings()).loaded
    found = engine.load(stories, settings("quanto", weights=weights)).loaded
    assert native.weights_bytes == 4 * 260_032 + 32, "fp32, tied embeddings once, rotary buffers"
    assert found.weights_bytes < at_most * native.weights_bytes
    assert found.quantized_layers == 5 * 7
    assert native.quantized_layers == 0
    assert native.kv_bytes_per_token == 5 * 4 * 8 * 2 * 4


def test_a_quantization_that_did_nothing_is_unsupported(stories: Path, tmp_path: Path) -> None:
    """GPT-2's layers are no nn.Linear: never a silent copy."""
    config = transformers.GPT2Config(vocab_size=300, n_embd=32, n_head=4, n_layer=2)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(stories).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match="left all layers of GPT2LMHeadModel as they were"):
        engine.load(tmp_path, settings("quanto", weights="int8"))


def test_unreadable_checkpoint(stories: Path, tmp_path: Path) -> None:
    """A cut-off weights file is the user's to mend, and told in one line."""
    for path in stories.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(
            content[: len(content) // 2] if "safetensors" in path.name else content
        )
    with pytest.raises(UserError, match="unreadable checkpoint") as told:
        engine.load(tmp_path, settings())
    assert "\n" not in str(told.value)


def test_compiled_answers_the_same_and_compiles_once(stories: Path) -> None:
    """Prompts of any length that was reserved for run what the first request compiled."""
    prompts = ["Once upon a time", "One day, Lily and Ben went to the big park to play", "The"]
    eager = engine.load(stories, settings())
    compiled = engine.load(stories, dataclasses.replace(settings(), compile=True))
    assert isinstance(compiled, engine.Compiled)
    compiled.reserve(prompts, 270)
    first = compiled.generate(prompts[0], 30, ())
    counts = torch._dynamo.utils.counters["stats"]
    graphs = counts["unique_graphs"]
    assert graphs > 0
    assert first.text == eager.generate(prompts[0], 30, ()).text
    for prompt in prompts:
        assert compiled.generate(prompt, 30, ()).text == eager.generate(prompt, 30, ()).text
    assert len(compiled.generate(prompts[1], 270, ()).token_ns) == 270
    assert counts["unique_graphs"] == graphs
    compiled.close()


def test_compiling_needs_a_compiler(stories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in one line, before the first request."""
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    with pytest.raises(UnsupportedError, match=r"C\+\+ compiler"):
        engine.load(stories, dataclasses.replace(settings(), compile=True))


def test_what_cannot_be_compiled_is_unsupported(stories: Path) -> None:
    """`generate` would only warn, and the cell would be a copy of the eager one."""
    quanto = settings("quanto", weights="int8")
    with pytest.raises(UnsupportedError, match="cannot compile quanto layers"):
        engine.load(stories, dataclasses.replace(quanto, compile=True))


def test_close_releases_the_weights(stories: Path) -> None:
    """Nothing of ours holds on to the model."""
    loaded = engine.load(stories, settings())
    loaded.generate("Once upon a time", 3, ())
    model = weakref.ref(loaded.model)
    loaded.close()
    assert model() is None
    assert loaded.device_peak_bytes() is None
