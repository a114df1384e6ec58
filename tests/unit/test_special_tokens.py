"""Special tokens: once at a prompt's beginning, none at its end; all that end a text do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chains
import prompts_elsewhere
from environments import run_in
from frontier.engines import Generate, Settings
from frontier.engines.common.prompting import Prompting
from frontier.engines.loaded.transformers import load
from frontier.errors import UserError
from quantizing import quantizer

FRAMES = ["<s> $A", "$A", "<s> $A </s>", "$A </s>", "<s> <s> $A </s>"]
TURN = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
CHATS = {
    "none": TURN,
    "written": "{{ bos_token }}" + TURN,
    "spelled": "<s>" + TURN,
    "on the second line": "\n{{ bos_token }}" + TURN,
    "twice": "<s>{{ bos_token }}" + TURN,
    "ended": "{{ bos_token }}" + TURN + "{{ eos_token }}",
    "ended without beginning": TURN + "{{ eos_token }}",
}


def words(prompting: Prompting, prompt: str) -> list[str]:
    """The model's input, as tokens."""
    return list(prompting.tokenizer.convert_ids_to_tokens(prompting.encode(prompt, 1)))


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("style", ["plain", "<s>{prompt}", "{prompt}</s>", "\n <s>{prompt}</s>"])
@pytest.mark.parametrize("prompt", ["hi", "<s>hi", "hi</s>", "<s>hi</s>"])
def test_once_at_the_beginning_and_none_at_the_end(
    tmp_path: Path, frame: str, style: str, prompt: str
) -> None:
    """Whether the tokenizer, the model's template or the task's prompt brings them, or all do."""
    prompting = Prompting(chains.checkpoint(tmp_path, chains.tokenizer(frame)), style)
    begins = "<s>" in frame or "<s>" in style or (style == "plain" and "<s>" in prompt)
    assert words(prompting, prompt) == ["<s>"] * begins + ["h", "i"]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("template", CHATS.values(), ids=CHATS)
def test_a_chat_template_brings_them(tmp_path: Path, frame: str, template: str) -> None:
    """A template without them leaves them to the tokenizer."""
    built = chains.tokenizer(frame)
    built.chat_template = template
    prompting = Prompting(chains.checkpoint(tmp_path, built), "chat")
    begins = "<s>" in frame or "<s>" in template or "bos_token" in template
    assert words(prompting, "hi") == ["<s>"] * begins + ["h", "i"]
    assert words(prompting, "<s>hi</s>") == ["<s>"] * begins + ["h", "i"]


def test_tokens_that_name_a_role_stay(tmp_path: Path) -> None:
    """A token that begins the answer; here, as in Phi-3, one that ends answers as well."""
    built = chains.tokenizer()
    built.chat_template = "<s>" + TURN + "<|im_end|><|assistant|>"
    folder = chains.checkpoint(tmp_path, built, eos_token_id=[257, 259])
    prompting = Prompting(folder, "chat")
    assert words(prompting, "hi") == ["<s>", "h", "i", "<|im_end|>", "<|assistant|>"]
    assert prompting.eos == (257, 259)


def test_a_beginning_that_is_also_the_end(tmp_path: Path) -> None:
    """GPT-2's token is both."""
    for frame, begins in (("$A", 0), ("</s> $A", 1)):
        built = chains.tokenizer(frame, bos_token="</s>")
        prompting = Prompting(chains.checkpoint(tmp_path / frame[-4:-3], built), "plain")
        assert words(prompting, "hi</s>") == ["</s>"] * begins + ["h", "i"]
        assert words(prompting, "</s>hi") == ["</s>", "h", "i"]


def test_an_empty_prompt_asks_nothing(tmp_path: Path) -> None:
    prompting = Prompting(chains.checkpoint(tmp_path, chains.tokenizer("$A")), "plain")
    with pytest.raises(UserError, match="no token"):
        prompting.encode("", 1)


def answer(folder: Path, tokens: int, *stop: str) -> tuple[str, int, str]:
    """Text, tokens and finish reason of the answer to a text that ends in "="."""
    engine = load(folder, Settings("cpu", "float32", 1, "plain", quantizer("native")))
    built = engine.generate(Generate("x=", tokens, stop))
    engine.close()
    return built.text, built.tokens, built.finish_reason


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ((), ("\n negative odd odd", 5, "length")),
        (("\n",), (" negative odd odd", 5, "length")),
        (("<|im_end|>",), ("\n negative", 3, "stop")),
        (("\n", "<|im_end|>"), (" negative", 3, "stop")),
        (("<|im_end|> odd",), ("\n negative", 4, "stop")),
        ((" odd",), ("\n negative", 4, "stop")),
        (("\n neg",), ("", 2, "stop")),
    ],
)
def test_stop_texts_in_generate(
    tmp_path: Path, stop: tuple[str, ...], expected: tuple[str, int, str]
) -> None:
    """Special tokens are stop texts too; white space before anything is written is not."""
    folder = chains.checkpoint(tmp_path, chains.tokenizer())
    chains.answering(folder, ["\n", " negative", "<|im_end|>", " odd"])
    assert answer(folder, 5, *stop) == expected


@pytest.mark.parametrize("name", ["generation_config.json", "config.json", "tokenizer"])
def test_each_file_can_name_the_end(tmp_path: Path, name: str) -> None:
    """Whichever was not brought up to date: none of the others takes its end away."""
    role = {"eos_token": "<|im_end|>"} if name == "tokenizer" else {}
    folder = chains.checkpoint(tmp_path, chains.tokenizer(**role), eos_token_id=257)
    chains.answering(folder, [" negative", "<|im_end|>", " odd"])
    if name != "tokenizer":
        path = folder / name
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(saved | {"eos_token_id": [50256, 258]}), encoding="utf-8")
    assert answer(folder, 5) == (" negative", 2, "stop")


@pytest.mark.parametrize("end", ["</s>", True, 2.5, [[2]]])
def test_an_end_that_is_no_id(tmp_path: Path, end: Any) -> None:
    folder = chains.checkpoint(tmp_path, chains.tokenizer())
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": end}), "utf-8")
    with pytest.raises(UserError, match=r"unreadable checkpoint: eos_token_id: .* not a token"):
        Prompting(folder, "plain")


def test_an_end_that_is_not_marked_as_special_is_no_part_of_the_answer(tmp_path: Path) -> None:
    """Decoding would leave it in."""
    folder = chains.checkpoint(tmp_path, chains.tokenizer(), eos_token_id=[257])
    chains.answering(folder, [" negative", " stop", " odd"])
    path = folder / "generation_config.json"
    end = Prompting(folder, "plain").tokenizer.convert_tokens_to_ids(" stop")
    path.write_text(json.dumps({"eos_token_id": [end]}), encoding="utf-8")
    assert answer(folder, 5) == (" negative", 2, "stop")


@pytest.mark.parametrize("name", ["onnxruntime", "loading"])
def test_every_environment_reads_and_writes_the_same(
    tmp_path: Path, environment: Callable[[str], Path], name: str
) -> None:
    """transformers 4 and earlier releases of 5 as the core's: prompts, their ids, answers' ends."""
    work = []
    for frame in FRAMES[:4]:
        built = chains.tokenizer(frame)
        built.chat_template = (
            "{{ bos_token }}{{ strftime_now('%d %b %Y') }}" + TURN + "{{ eos_token }}"
        )
        folder = chains.checkpoint(tmp_path / frame.replace("/", ""), built)
        work += [(folder, style) for style in ("plain", "<s>{prompt}</s>", "chat")]
    prompts = ["hi", "<s>hi\n</s>", "\nnegative<|im_end|>\n odd", "äü 負面 = Q: \nQ: <|assistant|>"]
    here = [prompts_elsewhere.read(folder, style, prompts) for folder, style in work]
    assert all("refused" not in one for one in here)
    asked = json.dumps([(str(folder), style) for folder, style in work])
    program = "import prompts_elsewhere; prompts_elsewhere.main()"
    there = run_in(environment(name), program, asked, json.dumps(prompts))
    assert json.loads(there) == json.loads(json.dumps(here))
