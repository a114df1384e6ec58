"""tokenizer.model alone, as SentencePiece and tiktoken write it: every engine sees its ids."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

import little
from environments import run_in
from frontier.errors import UserError
from frontier.fetching import checkpoints
from frontier.prompting import Prompting

WORDS = ["once", "upon", "a", "time", "there", "was", "little", "model", "read", "zwölf", "好"]
TEXTS = st.lists(st.sampled_from([*WORDS, "!", "\n", "7", " ", "é"]), min_size=1).map(" ".join)
Pair = tuple[Prompting, Any]
PROGRAM = """
import json, sys
from pathlib import Path
from frontier.prompting import Prompting
prompting = Prompting(Path(sys.argv[1]), "plain")
print(json.dumps([prompting.encode(text, 1) for text in json.loads(sys.argv[2])]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose tokenizer is tokenizer.model and nothing else, trained as Llama's was."""
    folder = little.checkpoint(tmp_path_factory.mktemp("sentencepiece") / "model", vocab_size=420)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS[n:] + WORDS[:n]) for n in range(len(WORDS))] * 9),
        model_writer=written,
        model_type="bpe",
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    return folder


@pytest.fixture(scope="module", params=[{}, {"tokenizer_class": "LlamaTokenizer"}])
def pair(trained: Path, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Pair:
    """What reads it here, with and without its class being named, and SentencePiece itself."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("named") / "model")
    if request.param:
        (folder / "tokenizer_config.json").write_text(json.dumps(request.param))
    own = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    return Prompting(folder, "plain"), own


@settings(deadline=None, max_examples=50)
@given(text=TEXTS.filter(lambda text: not text.startswith(" ")))
def test_ids_are_those_of_sentencepiece(pair: Pair, text: str) -> None:
    """After the one token that begins Llama's texts."""
    prompting, own = pair
    assert prompting.encode(text, 1) == [own.bos_id(), *own.encode(text)]


def test_one_that_transformers_reads_otherwise(trained: Path, tmp_path: Path) -> None:
    """Refused, for its ids would be wrong and nobody would know."""
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GemmaTokenizer"}')
    with pytest.raises(UserError, match=r"GemmaTokenizer, whose ids are not SentencePiece's"):
        Prompting(folder, "plain")


def test_a_beginning_is_left_out_where_the_checkpoint_says_so(
    trained: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    with_it, without = Prompting(trained, "plain"), Prompting(folder, "plain")
    assert without.encode("once upon", 1) == with_it.encode("once upon", 1)[1:]


@pytest.mark.parametrize("name", ["llama_cpp", "onnxruntime"])
def test_engines_of_other_environments_see_the_same(
    name: str, trained: Path, environment: Callable[[str], Path]
) -> None:
    """transformers 5 and 4."""
    python = environment(name)
    prompting = Prompting(trained, "plain")
    texts = ["once upon a time", "zwölf 好 !\n7"]
    found = run_in(python, PROGRAM, str(trained), json.dumps(texts))
    assert json.loads(found) == [prompting.encode(text, 1) for text in texts]


def test_it_is_locked(trained: Path) -> None:
    assert "tokenizer.model" in checkpoints.describe(trained)["files"]


def tiktoken_file(path: Path, *merged: bytes) -> None:
    """All bytes, and these words."""
    ranks = [bytes([byte]) for byte in range(256)] + list(merged)
    lines = (base64.b64encode(word) + b" %d" % rank for rank, word in enumerate(ranks))
    path.write_bytes(b"\n".join(lines) + b"\n")


def test_tiktoken_is_read_as_it_is_now(tmp_path: Path) -> None:
    """By its own format, which Llama 3 was published in; not as a file of that path once was."""
    folder = little.checkpoint(tmp_path / "model", vocab_size=600)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>"}'
    )
    tiktoken_file(folder / "tokenizer.model", b"on", b"onc", b"once")
    assert Prompting(folder, "plain").encode("once", 1)[-1] == 258
    tiktoken_file(folder / "tokenizer.model", b"ce", b"nce", b"once")
    assert Prompting(folder, "plain").encode("once", 1)[-1] == 258
    tiktoken_file(folder / "tokenizer.model", b"zz", b"on", b"onc", b"once")
    assert Prompting(folder, "plain").encode("once", 1)[-1] == 259


def test_a_model_that_is_none(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(UserError, match="unreadable checkpoint") as refused:
        Prompting(folder, "plain")
    assert "\n" not in str(refused.value)
