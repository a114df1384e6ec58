"""The transformers engine on real checkpoints, beyond test_engine_contract.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from torch.utils import file_baton

from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError, UserError
from frontier.techniques.compile import Compile
from quantizing import quantizer
from stories import stories260k


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


def settings(method: str = "native", prompt: str = "plain", **quantization: str) -> Settings:
    """One thread of the CPU in fp32."""
    return Settings("cpu", "float32", 1, prompt, quantizer(method, **quantization))


def test_prompt_styles(stories: Path, tmp_path: Path) -> None:
    """A template wraps the prompt; a chat template brings its own special tokens, once."""
    plain = engine.load(stories, settings()).generate(Generate("Once upon a time", 5, ()))
    wrapped = engine.load(stories, settings(prompt="Once upon {prompt}"))
    assert wrapped.generate(Generate("a time", 5, ())).text == plain.text
    tokenizer = transformers.AutoTokenizer.from_pretrained(stories)
    tokenizer.chat_template = "<s>{{ messages[0]['content'] }}"
    transformers.AutoModelForCausalLM.from_pretrained(stories).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    chat = engine.load(tmp_path, settings(prompt="chat")).generate(
        Generate("Once upon a time", 5, ())
    )
    assert (chat.text, chat.prompt_tokens) == (plain.text, 5)


@pytest.mark.parametrize(("weights", "at_most"), [("int8", 0.5), ("int4", 0.4), ("int2", 0.35)])
def test_quanto_stores_fewer_bytes(stories: Path, weights: str, at_most: float) -> None:
    """Every linear layer of every block is quantized, and the stored bytes say so."""
    plain = engine.load(stories, settings())
    native = plain.loaded
    found = engine.load(stories, settings("quanto", weights=weights)).loaded
    assert native.weights_bytes == 4 * 260_032 + 32, "fp32, tied embeddings once, rotary buffers"
    assert found.weights_bytes < at_most * native.weights_bytes
    assert found.quantized_layers == 5 * 7
    assert native.quantized_layers == 0
    plain.generate(Generate("Once", 2))
    assert plain.loaded.kv_bytes_per_token == 5 * 4 * 8 * 2 * 4


def test_quanto_takes_over_the_lock_of_a_killed_compilation(stories: Path, tmp_path: Path) -> None:
    """It compiles an extension on first use, where torch would wait for ever."""
    engine.load(stories, settings("quanto", weights="int4"))
    lock = tmp_path / "build" / "lock"
    lock.parent.mkdir()
    lock.touch()
    baton = file_baton.FileBaton(str(lock))
    assert baton.try_acquire()
    baton.release()
    assert not lock.exists()


def test_what_the_user_can_mend_is_no_outcome(stories: Path, tmp_path: Path) -> None:
    """A lock that cannot be deleted, at the first request: an error, and no cell unsupported."""
    model = engine.load(stories, settings("quanto", weights="int4"))
    lock = tmp_path / "build" / "lock"
    lock.mkdir(parents=True)
    model.model.register_forward_pre_hook(lambda *_: file_baton.FileBaton(str(lock)).try_acquire())
    with pytest.raises(UserError, match=f"^{lock}: a job that was killed has left this lock"):
        model.generate(Generate("Once", 2))


def test_a_quantization_that_did_nothing_is_unsupported(stories: Path, tmp_path: Path) -> None:
    """GPT-2's layers are no nn.Linear: never a silent copy."""
    config = transformers.GPT2Config(vocab_size=512, n_embd=32, n_head=4, n_layer=2)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(stories).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match="quantized no layer of GPT2LMHeadModel"):
        engine.load(tmp_path, settings("quanto", weights="int8"))


def test_unreadable_checkpoint(stories: Path, tmp_path: Path) -> None:
    """A truncated weights file is reported in one line, for the user to fix."""
    for path in stories.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(
            content[: len(content) // 2] if "safetensors" in path.name else content
        )
    with pytest.raises(UserError, match="truncated") as refusal:
        engine.load(tmp_path, settings())
    assert "\n" not in str(refusal.value)


def test_compiled_answers_the_same_and_compiles_once(stories: Path) -> None:
    """Prompts of any length that was reserved for run what the first request compiled."""
    prompts = ["Once upon a time", "One day, Lily and Ben went to the big park to play", "The"]
    eager = engine.load(stories, settings())
    compiled = engine.load(stories, replace(settings(), techniques=(Compile(),)))
    assert isinstance(compiled, engine.CompiledModel)
    compiled.reserve([Generate(prompt, 270) for prompt in prompts])
    first = compiled.generate(Generate(prompts[0], 30, ()))
    counts = torch._dynamo.utils.counters["stats"]
    graphs = counts["unique_graphs"]
    assert graphs > 0
    assert first.text == eager.generate(Generate(prompts[0], 30, ())).text
    for prompt in prompts:
        assert (
            compiled.generate(Generate(prompt, 30, ())).text
            == eager.generate(Generate(prompt, 30, ())).text
        )
    assert len(compiled.generate(Generate(prompts[1], 270, ())).arrivals) == 270
    assert counts["unique_graphs"] == graphs
    compiled.close()


def test_compiling_needs_a_compiler(stories: Path) -> None:
    """Reported in one line, before the first request."""
    asked = replace(settings(), techniques=(Compile(),))
    absent = torch._inductor.config.patch("cpp.cxx", ("no-such-compiler",))
    with absent, pytest.raises(UnsupportedError, match=r"C\+\+ compiler"):
        engine.load(stories, asked)


def test_what_cannot_be_compiled_is_unsupported(stories: Path) -> None:
    """`generate` would only warn, and the cell would be a copy of the eager one."""
    quanto = settings("quanto", weights="int8")
    with pytest.raises(UnsupportedError, match="cannot compile quanto layers"):
        engine.load(stories, replace(quanto, techniques=(Compile(),)))
