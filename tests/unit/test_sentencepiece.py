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
from frontier.engines.common.prompting import Prompting
from frontier.errors import UserError
from frontier.fetching import checkpoints

WORDS = ["once", "upon", "a", "time", "there", "was", "little", "model", "read", "zwölf", "好"]
TEXTS = st.lists(st.sampled_from([*WORDS, "!", "\n", "7", " ", "é"]), min_size=1).map(" ".join)
Pair = tuple[Prompting, Any]
PROGRAM = """
import json, sys
from pathlib import Path
from frontier.engines.common.prompting import Prompting
prompting = Prompting(Path(sys.argv[1]), "plain")
print(json.dumps([prompting.encode(text, 1) for text in json.loads(sys.argv[2])]))
"""


def train(**changes: Any) -> bytes:
    """A SentencePiece model, trained as Llama's was but for the changes."""
    written = io.BytesIO()
    as_llamas = {
        "model_type": "bpe", "vocab_size": 400, "hard_vocab_limit": False, "byte_fallback": True,
        "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
        "minloglevel": 2,
    }  # fmt: skip
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS[n:] + WORDS[:n]) for n in range(len(WORDS))] * 9),
        model_writer=written,
        **as_llamas | changes,
    )
    return written.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose tokenizer is tokenizer.model and nothing else, trained as Llama's was."""
    folder = little.checkpoint(tmp_path_factory.mktemp("sentencepiece") / "model", vocab_size=420)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "tokenizer.model").write_bytes(train())
    return folder


@pytest.fixture(scope="module", params=[{}, {"tokenizer_class": "LlamaTokenizer"}])
def pair(trained: Path, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Pair:
    """Our reader, with and without its class being named, and SentencePiece itself."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("named") / "model")
    if request.param:
        (folder / "tokenizer_config.json").write_text(json.dumps(request.param))
    own = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    return Prompting(folder, "plain"), own


@settings(max_examples=50)
@given(text=TEXTS.filter(lambda text: not text.startswith(" ")))
def test_ids_are_those_of_sentencepiece(pair: Pair, text: str) -> None:
    """The ids follow the one token that begins Llama's texts."""
    prompting, own = pair
    assert prompting.encode(text, 1) == [own.bos_id(), *own.encode(text)]


KINDS: dict[str, dict[str, Any]] = {
    "as SentencePiece does by itself": {
        "model_type": "unigram", "byte_fallback": False, "remove_extra_whitespaces": True,
        "normalization_rule_name": "nmt_nfkc",
    },
    "unigram": {"model_type": "unigram"},
    "no bytes": {"byte_fallback": False},
    "no space in front": {"add_dummy_prefix": False},
    "other numbers": {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3},
    "lower case": {"normalization_rule_name": "nmt_nfkc_cf"},
}  # fmt: skip
SAID = ["Once upon a time", "  two  spaces ", "zwölf 好!\n\n7", "ﬁne ①", "a"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("named", [None, "LlamaTokenizer", "LLaMATokenizer"])
def test_other_trainings(kind: str, named: str | None, trained: Path, tmp_path: Path) -> None:
    """The file's own rules apply, which transformers ignores; the template is copied too."""
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / "tokenizer.model").write_bytes(train(**KINDS[kind]))
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    if named:
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": named}))
    own = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    prompting = Prompting(folder, "chat")
    for text in SAID:
        if text.startswith(" ") and kind not in ("as SentencePiece does by itself", "lower case"):
            continue  # transformers' Llama takes a space in front for the one that it would add
        ids = own.encode(text)
        assert prompting.encode(text, 1) == [own.bos_id(), *ids], text
        if own.unk_id() not in ids:
            assert prompting.tokenizer.decode(ids, skip_special_tokens=True) == own.decode(ids)


@pytest.mark.parametrize(
    ("changes", "read"),
    [({}, True), ({"add_dummy_prefix": False}, True), ({"model_type": "unigram"}, False)],
)
def test_symbols_of_a_user(
    changes: dict[str, Any], read: bool, trained: Path, tmp_path: Path
) -> None:
    """SentencePiece never cuts them: read as it does, or refused."""
    folder = shutil.copytree(trained, tmp_path / "model")
    model = train(user_defined_symbols=["<sep>", "##"], **changes)
    (folder / "tokenizer.model").write_bytes(model)
    own = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    text = "once<sep>upon ##a time"
    if read:
        assert Prompting(folder, "plain").encode(text, 1) == [own.bos_id(), *own.encode(text)]
    else:
        with pytest.raises(UserError, match="it would not give SentencePiece's ids"):
            Prompting(folder, "plain")


def test_other_ways_to_cut_a_text(trained: Path, tmp_path: Path) -> None:
    """A model of single characters, which transformers does not know, is refused in one line."""
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / "tokenizer.model").write_bytes(train(model_type="char", byte_fallback=False))
    with pytest.raises(UserError, match=r"tokenizer\.model") as refused:
        Prompting(folder, "plain")
    assert "\n" not in str(refused.value)


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
    """Its format, that of Llama 3, decides, not the content of an earlier file at the same path."""
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
