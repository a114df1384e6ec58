"""A checkpoint's tokenizer, from the files that it has, for transformers 4 and 5."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# The cache would return the content of an earlier file at the same path.
os.environ["TIKTOKEN_CACHE_DIR"] = ""

import transformers

from frontier.errors import UserError

PIECES, LLAMA = "tokenizer.model", "llamatokenizer"
BEGINNING = ("LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer")
"""Classes that add a beginning token by default; transformers 5 documents it but does not do it."""
PROBES = ("Once upon a time, there were 3 bears.", "zwölf\n\n好 {x: 1}")


def read(checkpoint: Path, trust_remote_code: bool) -> Any:
    """The checkpoint's tokenizer.

    transformers 5 saves most of them under a class name, and with a list of special tokens, that
    transformers 4 cannot read; tokenizer.json has everything needed.
    Raises UserError, and transformers' errors, if it cannot be read.
    """
    path = checkpoint / "tokenizer_config.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    own = trust_remote_code and "auto_map" in saved
    if saved.get("tokenizer_class") == "TokenizersBackend" and not own:
        return transformers.PreTrainedTokenizerFast.from_pretrained(
            checkpoint, extra_special_tokens={}
        )
    pieces = None if own or (checkpoint / "tokenizer.json").exists() else _pieces(checkpoint)
    if pieces is None:
        return transformers.AutoTokenizer.from_pretrained(
            checkpoint, trust_remote_code=trust_remote_code
        )
    return _of_pieces(checkpoint, saved, pieces)


def _of_pieces(checkpoint: Path, saved: dict[str, Any], own: Any) -> Any:
    """A tokenizer that has SentencePiece's file alone.

    Its class in transformers is used if it gives SentencePiece's ids, else the file's own rules:
    transformers 5 assumes Llama's handling of spaces and letters, or ignores it.
    Raises UserError if neither gives SentencePiece's ids.
    """
    from frontier.checkpoints import pieces  # imports protobuf, which few checkpoints need

    # Without a class, and for Llama's first one, transformers 5 chooses one that ignores
    # SentencePiece's spaces.
    named = str(saved.get("tokenizer_class", LLAMA)).lower().removesuffix("fast")
    other = named != LLAMA
    auto = transformers.AutoTokenizer if other else transformers.LlamaTokenizerFast
    probes = (*PROBES, *pieces.probes(checkpoint / PIECES))
    found = auto.from_pretrained(checkpoint)
    begins = type(found).__name__ in BEGINNING and found.bos_token is not None
    if begins and "add_bos_token" not in saved and not found.add_bos_token:
        found.add_bos_token = True
        found.update_post_processor()
    if _alike(found, own, probes):
        return found
    found = pieces.tokenizer(checkpoint / PIECES, own, saved)
    if _alike(found, own, probes):
        return found
    raise UserError(
        f"{checkpoint / PIECES}: read here, it would not give SentencePiece's ids; add the "
        "tokenizer.json that it was published with"
    )


def _alike(found: Any, own: Any, probes: Sequence[str]) -> bool:
    """True if a tokenizer gives SentencePiece's ids."""
    if found.bos_token is not None and found.bos_token_id not in (own.bos_id(), None):
        return False
    ids = (found(text, add_special_tokens=False)["input_ids"] for text in probes)
    return all(one == own.encode(text) for one, text in zip(ids, probes, strict=True))


def _pieces(checkpoint: Path) -> Any:
    """SentencePiece's own reading of its file; None if there is none (it may be tiktoken's)."""
    path = checkpoint / PIECES
    if not path.exists():
        return None
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except RuntimeError:
        return None
