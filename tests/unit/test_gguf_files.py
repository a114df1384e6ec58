"""Single GGUF files as models: their header, settings and tokenizer, and what is refused."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

import ggufs
import little
from environments import run_in
from frontier.checkpoints import gguf_header, vocabulary
from frontier.engines.common.prompting import Prompting
from frontier.errors import UserError
from frontier.fetching import gguf_files, gguf_tokenizer
from frontier.grammars.arithmetic import Arithmetic
from stories import stories260k

WHOLE = ggufs.content()
TEXTS = (
    "It's 1000,  they'LL say:\n\n\tnaïve – 12.5 %!", "我昨天买了3把雨伞。", "🙂 x\r\n", "Once upon a time",
    "def f(x):\n    return x+1  # 2024-01-01", "a film that is good", " ",
)  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small Llama's file."""
    return ggufs.write(tmp_path / "small.gguf")


def test_a_header(small: Path) -> None:
    """Keys, shapes, the number of weights and the size of the file."""
    header = gguf_files.checked(small)
    assert header.architecture == "llama"
    assert header.tensors["token_embd.weight"].shape == (len(ggufs.WORDS), 8)
    assert header.parameters() == len(ggufs.WORDS) * 8 + 64
    assert (header.mostly, header.bits, header.quantized) == ("F32", 32.0, 0)
    assert header.size == len(WHOLE)


def test_the_settings_are_those_of_a_checkpoint(small: Path, tmp_path: Path) -> None:
    """They are read like a folder of the hub; the lock has the same facts."""
    (folder := tmp_path / "model").mkdir()
    facts = gguf_files.write(small, folder)
    assert set(facts["files"]) == {
        "config.json", "model.gguf", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    assert (facts["parameters"], facts["dtype"]) == (304, "float32")
    assert facts["architecture"]["kv_heads"] == 2
    assert facts["chat_template_sha256"] is None
    prompting = Prompting(folder, "plain")
    assert prompting.eos == (1,)
    assert prompting.encode("ab", 1) == [ggufs.WORDS.index("ab")]
    assert prompting.positions == 64


@pytest.mark.parametrize("begins", [True, False])
def test_a_text_begins_as_the_file_says(begins: bool, tmp_path: Path) -> None:
    """The beginning token is there, or not; none is at the end."""
    path = ggufs.write(tmp_path / "x.gguf", tokenizer__ggml__add_bos_token=begins)
    (folder := tmp_path / "model").mkdir()
    gguf_files.write(path, folder)
    assert Prompting(folder, "plain").encode("ab", 1) == [0] * begins + [ggufs.WORDS.index("ab")]


def test_the_chat_template_is_the_file_s(tmp_path: Path) -> None:
    """It is rendered as that of any checkpoint."""
    template = "{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}"
    path = ggufs.write(tmp_path / "x.gguf", tokenizer__chat_template=template)
    (folder := tmp_path / "model").mkdir()
    assert gguf_files.write(path, folder)["chat_template_sha256"]
    prompting = Prompting(folder, "chat")
    assert prompting.render("ab") == "<s>ab</s>"


ENDS_EARLY = [0, 3, 4, 7, 20, 100, len(WHOLE) - 2000, len(WHOLE) - 1]


@pytest.mark.parametrize("length", ENDS_EARLY)
def test_a_truncated_file(length: int, tmp_path: Path) -> None:
    """One line, wherever it ends."""
    (path := tmp_path / "x.gguf").write_bytes(WHOLE[:length])
    with pytest.raises(UserError, match=r"x\.gguf: (truncated|not a GGUF file)") as error:
        gguf_files.checked(path)
    assert "\n" not in str(error.value)


@given(st.integers(4, len(WHOLE) - 1300), st.binary(min_size=1, max_size=8))
def test_a_damaged_header(at: int, noise: bytes) -> None:
    """It is read, or refused in one line: nothing else happens."""
    damaged = bytearray(WHOLE)
    damaged[at : at + len(noise)] = noise
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        Path(file.name).write_bytes(damaged)
        found = None
        try:
            gguf_files.checked(Path(file.name))
        except UserError as error:
            found = str(error)
    assert found is None or (found.startswith(f"{file.name}: ") and "\n" not in found)


FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": ({"general__architecture": "clip"}, r"it has no clip\.embedding_length"),
    "an unknown one": ({"general__architecture": "lama9"}, "its architecture 'lama9' is not known here"),
    "no architecture": ({"general__architecture": None}, "its architecture '' is not known here"),
    "an adapter": ({"general__type": "adapter"}, "it is of the type 'adapter', not a model"),
    "no tokenizer": ({"tokenizer__ggml__model": "none"}, "it has no tokenizer"),
    "no tokens": ({"tokenizer__ggml__tokens": None}, "it has no tokenizer"),
    "another kind of tokenizer": ({"tokenizer__ggml__model": "bert"}, "of the kind 'bert', which is not known here"),
    "another way to split": ({"tokenizer__ggml__pre": "runes"}, "splits words as 'runes', which is not known here"),
    "too few types": ({"tokenizer__ggml__token_type": [1, 1]}, "has no token_type for each token"),
    "another alignment": ({"general__alignment": 0}, "general.alignment 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_file(case: str, tmp_path: Path) -> None:
    """A file that cannot be a model here is refused in one line that says why."""
    changes, reason = FOREIGN[case]
    path = ggufs.write(tmp_path / "x.gguf", **changes)
    with pytest.raises(UserError, match=reason) as error:
        gguf_files.checked(path)
    assert str(error.value).startswith(f"{path}: ")


def test_parts_folders_and_other_formats(tmp_path: Path) -> None:
    """Each has a line of its own."""
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(WHOLE)
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "weights.gguf").write_bytes(b"PK\3\4" + WHOLE)
    for name, reason in {
        "m-00001-of-00002.gguf": "one of several parts; join them",
        "folder.gguf": "not a file",
        "weights.gguf": "not a GGUF file",
        "absent.gguf": "no such file",
    }.items():
        with pytest.raises(UserError, match=reason):
            gguf_files.checked(tmp_path / name)


ADOPTED = """
import contextlib, json, sys
from pathlib import Path
import gguf

with contextlib.redirect_stdout(sys.stderr):
    from frontier.conversions.gguf import Gguf
    from frontier.engines import Generate, Settings
    from frontier.engines.loaded import llama_cpp as engine
    from frontier.errors import UnsupportedError, UserError
    from quantizing import quantizer

    def answers(folder):
        loaded = engine.load(folder, Settings("cpu", "float32", 1, "plain", quantizer("native")))
        found = [loaded.generate(Generate(text, 12, ())) for text in prompts]
        loaded.close()
        return [(one.text, one.prompt_tokens, one.finish_reason) for one in found]

    place, prompts = Path(sys.argv[1]), json.loads(sys.argv[2])
    found = {}
    for name in sys.argv[3:]:
        for part in ("converted", "adopted"):
            (output := place / f"{name}-{part}").mkdir(exist_ok=True)
            source = place / (name if part == "converted" else f"{name}-model")
            if not source.is_dir() or (part == "adopted") < (output / "model.gguf").exists():
                continue
            kind = "Q8_0" if part == "converted" else None
            try:
                made = Gguf(type=kind).convert(source, output, [])
                found[f"{name} {part}"] = {"answers": answers(output), "layers": made.quantized_layers}
            except (UserError, UnsupportedError) as error:
                found[f"{name} {part}"] = {"refused": f"{type(error).__name__}: {error}"}
        if not (path := place / f"{name}-converted" / "model.gguf").exists():
            continue
        reader = gguf.GGUFReader(path)
        found[name] = {
            "keys": {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")},
            "tensors": {one.name: [one.tensor_type.name, one.shape.tolist()[::-1], one.n_bytes] for one in reader.tensors},
        }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def place(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints: the pretrained one of SentencePiece's kind, and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("gguf")
    stories260k(test_data, folder / "pieces")
    little.checkpoint(folder / "bytes")
    return folder


def prompts() -> list[str]:
    """The texts that both are asked."""
    sums = [one.fields["question"] for one in islice(Arithmetic().examples("test", 0), 5)]
    return [*TEXTS[:-1], *sums]


@pytest.fixture(scope="module")
def converted(place: Path, environment: Callable[[str], Path]) -> dict[str, Any]:
    """The workflow's own conversion of each, and its answers."""
    arguments = (str(place), json.dumps(prompts()), "pieces", "bytes")
    answer: dict[str, Any] = json.loads(run_in(environment("llama_cpp"), ADOPTED, *arguments))
    return answer


def written(place: Path, name: str) -> Path:
    """The folder of a converted file as a model of its own."""
    folder = place / f"{name}-model"
    if not folder.exists():
        folder.mkdir()
        gguf_files.write(place / f"{name}-converted" / "model.gguf", folder)
    return folder


@pytest.mark.parametrize("name", ["pieces", "bytes"])
def test_the_header_is_what_llama_cpp_s_own_reader_reads(
    name: str, place: Path, converted: dict[str, Any]
) -> None:
    """Every key, and type, shape and bytes of each tensor."""
    header = gguf_header.read(place / f"{name}-converted" / "model.gguf")
    assert dict(header.keys) == converted[name]["keys"]
    tensors = {key: [one.type, [*one.shape], one.bytes] for key, one in header.tensors.items()}
    assert tensors == converted[name]["tensors"]


@pytest.mark.parametrize("name", ["pieces", "bytes"])
def test_the_tokenizer_gives_the_ids_of_the_checkpoint(
    name: str, place: Path, converted: dict[str, Any]
) -> None:
    """Texts in any language and of random tokens have the same ids, which give the text again."""
    own = transformers.PreTrainedTokenizerFast.from_pretrained(place / name)
    found = vocabulary.read(written(place, name), trust_remote_code=False)
    rng = random.Random(1)
    mixed = [own.decode(rng.choices(range(3, len(own)), k=8)) for _ in range(200)]
    for text in (*TEXTS, *mixed):
        ids = found(text)["input_ids"]
        assert ids == own(text)["input_ids"], text
        assert found.decode(ids) == own.decode(ids)
    assert found.eos_token_id == own.eos_token_id


def harmed(place: Path, name: str) -> Path:
    """A copy of the file of bytes as a model, to be harmed."""
    (folder := place / f"{name}-model").mkdir()
    for path in written(place, "bytes").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_file_answers_as_the_checkpoint_that_it_is_of(
    place: Path, converted: dict[str, Any], environment: Callable[[str], Path]
) -> None:
    """One that llama.cpp tokenizes otherwise than we do, or that has NaN, is refused."""
    for name in ("pieces", "bytes"):
        written(place, name)
    tokenizer = harmed(place, "otherwise") / "tokenizer.json"
    read = json.loads(tokenizer.read_text(encoding="utf-8"))
    read["model"]["merges"] = []
    tokenizer.write_text(json.dumps(read), encoding="utf-8")
    file = harmed(place, "numberless") / "model.gguf"
    file.write_bytes(file.read_bytes()[:-2048] + b"\xff" * 2048)
    names = ("pieces", "bytes", "otherwise", "numberless")
    arguments = (str(place), json.dumps(prompts()), *names)
    found = json.loads(run_in(environment("llama_cpp"), ADOPTED, *arguments))
    for name in ("pieces", "bytes"):
        assert found[f"{name} adopted"] == converted[f"{name} converted"]
        assert found[f"{name} adopted"]["layers"] > 1
        assert len({text for text, *_ in found[f"{name} adopted"]["answers"]}) > 3
        assert (place / f"{name}-adopted" / "model.gguf").is_symlink()
    assert (
        "UnsupportedError: the tokenizer in the GGUF file, read here, gives"
        in (found["otherwise adopted"]["refused"])
    )
    assert "llama.cpp does not read it" in found["numberless adopted"]["refused"]


LINES = (
    "I'll say it's 1000 times, DON'T they'Ve we'd: 12345.678 and 2024-01-01!",
    "The cat's   hat;\tand\n\n  the\r\nnext line   ",
    "    def run(self, x1=10):\n\treturn {'a': [x1**2, 0xFF]}  # 100%\n",
    "naïve café – Straße ÀÉÎ ŁódźŁÓDŹ e\u0301te\u0301 McDonald iPhone HTMLParser",
    "我昨天买了3把雨伞,花了１２３元。東京タワー 한국어 문장",
    "Привет, мир! Ёлка №5 שלום עולם مرحبا بالعالم ٣٤٥ नमस्ते दुनिया",
    "🙂🙂 x🙃y $5+$10=<15>^2 ~|`a`| a_b-c//d \\n ... !!! ??",
    " leading and trailing ", "\n\n\n", "a\u00a0b\u3000c\u2028d",
)  # fmt: skip
SPLIT = """
import contextlib, json, sys
from pathlib import Path

with contextlib.redirect_stdout(sys.stderr):
    from frontier.conversions.common.gguf_vocabulary import _ids
    place, texts = Path(sys.argv[1]), json.loads(sys.argv[2])
    found = {path.stem: _ids(path, texts) for path in sorted(place.glob("*.gguf"))}
print(json.dumps(found))
"""


def test_words_are_split_as_llama_cpp_splits_them(
    tmp_path: Path, environment: Callable[[str], Path]
) -> None:
    """Each way that is known here; the merges would go across words if those were others."""
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(LINES * 3, trainer)
    model = json.loads(core.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    assert any("Ġ" in one.lstrip("Ġ") for one in tokens)
    rng = random.Random(2)
    pieces = [*" \n\t", *"".join(LINES)]
    texts = [*LINES, *("".join(rng.choices(pieces, k=12)) for _ in range(300))]
    keys = {
        **ggufs.KEYS, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.token_type": [3, *([1] * (len(tokens) - 1))],
        "tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.eos_token_id": 0,
    }  # fmt: skip
    tensors = {"token_embd.weight": (len(tokens), 8)}
    for name in gguf_tokenizer.WORDS:
        content = ggufs.content(keys | {"tokenizer.ggml.pre": name}, tensors)
        (tmp_path / f"{name}.gguf").write_bytes(content)
    said = run_in(environment("llama_cpp"), SPLIT, str(tmp_path), json.dumps(texts))
    faults = {}
    for name, ids in json.loads(said).items():
        (folder := tmp_path / f"{name}-model").mkdir()
        gguf_files.write(tmp_path / f"{name}.gguf", folder)
        found = vocabulary.read(folder, trust_remote_code=False)
        other = [
            text for text, one in zip(texts, ids, strict=True) if found(text)["input_ids"] != one
        ]
        if other:
            faults[name] = len(other), other[:3]
    assert faults == {}
