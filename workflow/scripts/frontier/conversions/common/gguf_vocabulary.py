"""The vocabulary of a GGUF file, with which llama.cpp itself turns text into ids and back.

The engine in this process gives llama.cpp ids, and needs none of it; a server is asked in text.
llama.cpp implements its tokenizers itself and chooses one by a name in the file, so a name is only
written if llama.cpp then gives the checkpoint's own ids.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import llama_cpp

from frontier.checkpoints import special_tokens, vocabulary
from frontier.engines.common import llama_log
from frontier.engines.common.stopping import BROKEN
from frontier.errors import OutOfMemoryError

Describe = Callable[[gguf.GGUFWriter], None]
"""Adds keys to a file's header."""

BYTE_LEVEL = (
    "gpt-2", "llama-bpe", "qwen2", "falcon", "deepseek-llm", "deepseek-coder", "smollm", "tekken",
    "default",
)  # fmt: skip
"""llama.cpp's names for ways to split a text into words, for tokenizers of bytes."""
TEXTS, TOKENS, SPACES = 1024, 12, ("", "", " ", "\n")
ALIKE = 0.99
"""The share of the texts that must get the same ids; Unicode's tables differ between versions."""


def fitting(checkpoint: Path, rows: int, begun: Callable[[Path], gguf.GGUFWriter]) -> Describe:
    """Returns the function that adds the vocabulary, of `rows` tokens, to a file's header.

    `begun` begins a file with its other keys. If no tokenizer of llama.cpp gives the checkpoint's
    ids, the vocabulary is "none", and servers cannot use the file.
    """
    found: dict[int, Describe] = {}
    try:
        tokenizer = vocabulary.read(checkpoint, trust_remote_code=False)
        candidates = list(_candidates(tokenizer, checkpoint, rows))
    except OutOfMemoryError:
        raise
    except Exception:  # it is read again for measuring, which reports it
        return _none
    texts = texts_of(tokenizer) if candidates else []
    expected = [tokenizer(text)["input_ids"] for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        for candidate in candidates:
            writer = begun(path := Path(folder, "vocabulary.gguf"))
            candidate(writer)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.close()
            ids = _ids(path, texts)
            alike = sum(map(list.__eq__, expected, ids))
            found.setdefault(alike, candidate)
            if alike == len(texts):
                break
    most = max(found, default=0)
    return found[most] if texts and most >= ALIKE * len(texts) else _none


def _none(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_model("none")


def _candidates(tokenizer: Any, checkpoint: Path, rows: int) -> Iterator[Describe]:
    """The vocabulary under each name with which llama.cpp might give the same ids."""
    core = json.loads(tokenizer.backend_tokenizer.to_str())
    if core["model"]["type"] != "BPE":
        return
    special = gguf.SpecialVocab(checkpoint, n_vocab=rows)
    special.add_special_token = {"bos": bool(special_tokens.frame(tokenizer)[0]), "eos": False}
    merges = [
        merge if isinstance(merge, str) else " ".join(merge) for merge in core["model"]["merges"]
    ]
    tokens, kinds = _tokens(tokenizer, rows)

    def common(writer: gguf.GGUFWriter, model: str) -> None:
        writer.add_tokenizer_model(model)
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        special.add_to_gguf(writer, quiet=True)

    def byte_level(writer: gguf.GGUFWriter, words: str) -> None:
        common(writer, "gpt2")
        writer.add_tokenizer_pre(words)
        writer.add_token_merges(merges)

    def pieces(writer: gguf.GGUFWriter, space: bool) -> None:
        common(writer, "llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(_scores(tokens, merges))
        writer.add_add_space_prefix(space)

    if core["model"].get("byte_fallback"):
        for space in (True, False):
            yield partial(pieces, space=space)
    else:
        for words in BYTE_LEVEL:
            yield partial(byte_level, words=words)


def _tokens(tokenizer: Any, rows: int) -> tuple[list[str], list[gguf.TokenType]]:
    """Each row's token and its type; rows without a token are marked as unused."""
    left_out, added = special_tokens.left_out(tokenizer), tokenizer.added_tokens_decoder
    tokens, kinds = [], []
    for row in range(rows):
        token = tokenizer.backend_tokenizer.id_to_token(row)
        if token is None:
            kind = gguf.TokenType.UNUSED
        elif row == tokenizer.unk_token_id:
            kind = gguf.TokenType.UNKNOWN
        elif row in left_out:
            kind = gguf.TokenType.CONTROL
        elif row in added:
            kind = gguf.TokenType.USER_DEFINED
        elif len(token) == len("<0x00>") and token.startswith("<0x"):
            kind = gguf.TokenType.BYTE
        else:
            kind = gguf.TokenType.NORMAL
        tokens.append(f"[PAD{row}]" if token is None else token)
        kinds.append(kind)
    return tokens, kinds


def _scores(tokens: Sequence[str], merges: Sequence[str]) -> list[float]:
    """SentencePiece's scores as far as they matter: the earlier a merge, the higher."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", ""), rank)
    return [-float(ranks.get(token, 0)) for token in tokens]


def texts_of(tokenizer: Any) -> list[str]:
    """Texts of the vocabulary's tokens in any order, the same ones each time."""
    rng = random.Random(0)
    special = special_tokens.left_out(tokenizer)
    usable = sorted(set(tokenizer.get_vocab().values()) - special.keys())
    texts = []
    for _ in range(TEXTS):
        chosen = rng.choices(usable, k=rng.randint(1, TOKENS))
        parts = [tokenizer.decode([token], clean_up_tokenization_spaces=False) for token in chosen]
        texts.append("".join(part + rng.choice(SPACES) for part in parts if BROKEN not in part))
    return texts


def _ids(path: Path, texts: Sequence[str]) -> list[list[int]]:
    """llama.cpp's ids for the texts, special ones included; [] if it does not read the file."""
    llama_log.listen()
    options = llama_cpp.llama_model_default_params()
    options.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(bytes(path), options)
    if not model:
        return []
    found = ids_of(model, texts)
    llama_cpp.llama_model_free(model)
    return found


def ids_of(model: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of a model of llama.cpp for the texts, special ones included."""
    known = llama_cpp.llama_model_get_vocab(model)
    found = []
    for text in texts:
        content = text.encode()
        room = 2 * len(content) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(known, content, len(content), ids, room, True, True)
        found.append(ids[: max(0, count)])
    return found
