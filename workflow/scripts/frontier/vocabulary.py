"""A checkpoint's tokenizer, of whichever files it has, by transformers 4 and 5 alike."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

# It would give what an earlier file of the same path held.
os.environ["TIKTOKEN_CACHE_DIR"] = ""

import transformers

from frontier.errors import UserError

PIECES = "tokenizer.model"
BEGINNING = ("LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer")
"""Classes that begin a text unless told otherwise; transformers 5 says so, and does not do it."""
PROBES = ("Once upon a time, there were 3 bears.", "zwölf\n\n好 {x: 1}")


def read(checkpoint: Path, trust_remote_code: bool) -> Any:
    """The checkpoint's tokenizer.

    transformers 5 saves most of them under a name, and with a list of special tokens, that
    transformers 4 cannot read; tokenizer.json holds all that is needed.
    Raises UserError, and what transformers raises, for one that cannot be read.
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


def _of_pieces(checkpoint: Path, saved: dict[str, Any], pieces: Any) -> Any:
    """A tokenizer that has SentencePiece's file alone.

    Raises UserError where transformers makes other ids of it than SentencePiece does.
    """
    # Without a class, transformers 5 takes one that knows nothing of SentencePiece's spaces.
    named = "tokenizer_class" in saved
    auto = transformers.AutoTokenizer if named else transformers.LlamaTokenizerFast
    found = auto.from_pretrained(checkpoint)
    begins = type(found).__name__ in BEGINNING and found.bos_token is not None
    if begins and "add_bos_token" not in saved and not found.add_bos_token:
        found.add_bos_token = True
        found.update_post_processor()
    for text in PROBES:
        if found(text, add_special_tokens=False)["input_ids"] != pieces.encode(text):
            raise UserError(
                f"{checkpoint / PIECES}: transformers reads it as {type(found).__name__}, whose "
                "ids are not SentencePiece's; add the tokenizer.json that it was published with"
            )
    return found


def _pieces(checkpoint: Path) -> Any:
    """SentencePiece's own reading of its file; None where there is none (it may be tiktoken's)."""
    path = checkpoint / PIECES
    if not path.exists():
        return None
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except RuntimeError:
        return None
