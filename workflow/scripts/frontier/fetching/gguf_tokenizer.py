"""The tokenizer in a GGUF file, as the files in which transformers has it.

So all engines tokenize alike, render the same chat template and count the same tokens. llama.cpp's
own tokenizer is compared with this one before the file is used (frontier/conversions/gguf.py).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontier.checkpoints.gguf_header import GgufHeader
from frontier.errors import UserError, one_line
from frontier.fetching.gguf_settings import token
from frontier.text import shown

if TYPE_CHECKING:
    import tokenizers

PIECES, OF_BYTES = "llama", "gpt2"
"""llama.cpp's names for SentencePiece's tokenizers, and for those of bytes."""
UNKNOWN, CONTROL, USERS, BYTES = 2, 3, 4, 6
"""Types of tokens, by SentencePiece's numbers."""
ROLES = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER, LOWER = r"((?=[\p{L}])([^a-z]))", r"((?=[\p{L}])([^A-Z]))"
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""llama.cpp's own, which is Mistral's but for marks and the case of other letters than A to Z."""
GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{{N}}{{1,3}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = {
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "olmo", "jais"), (GPT2,)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3"), (LLAMA3,)),
    **dict.fromkeys(("dbrx", "smaug-bpe"), (LLAMA3,)),
    **dict.fromkeys(("gpt-4o", "llama4"), (GPT4O,)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez"), (QWEN2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (r"\p{N}", GPT2)),
    "tekken": (TEKKEN,),
    "falcon": (r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"),
    "default": (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
}
"""The regular expressions that split a text into words, by llama.cpp's name of the way."""
WHOLE_WORDS = ("llama3", "llama-v3", "llama-bpe", "falcon3", "tekken")
"""Ways in which a word that is a token stays one, whatever the merges say."""
BEGINNING = ("llama3", "llama-v3", "llama-bpe", "falcon3")
"""Ways in which a text has a beginning token if the file does not say."""


def check(header: GgufHeader) -> None:
    """Raises UserError for a file without a tokenizer that can be read here."""
    keys, kind = header.keys, header.keys.get("tokenizer.ggml.model")
    tokens = keys.get("tokenizer.ggml.tokens")
    if kind in (None, "none") or not isinstance(tokens, list) or not tokens:
        raise UserError("it has no tokenizer")
    if kind not in (PIECES, OF_BYTES):
        raise UserError(f"its tokenizer is of the kind {shown(kind)}, which is not known here")
    if kind == OF_BYTES and _words(header) not in WORDS:
        raise UserError(
            f"its tokenizer splits words as {shown(_words(header))}, which is not known here"
        )
    beside = ("token_type", "scores") if kind == PIECES else ("token_type",)
    for name in beside:
        found = keys.get(f"tokenizer.ggml.{name}")
        if not isinstance(found, list) or len(found) != len(tokens):
            raise UserError(f"its tokenizer has no {name} for each token")


def write(header: GgufHeader, folder: Path) -> None:
    """Writes the tokenizer's files, with the chat template. Raises UserError if it cannot be read.

    It is a tokenizer.json: SentencePiece's rules as it follows them itself, and llama.cpp too.
    """
    check(header)
    pieces = header.keys["tokenizer.ggml.model"] == PIECES
    found = _of_pieces(header) if pieces else _of_bytes(header)
    found.save(str(folder / "tokenizer.json"))
    text = json.dumps({**settings(header), "clean_up_tokenization_spaces": False})
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


def settings(header: GgufHeader) -> dict[str, Any]:
    """The tokenizer_config.json: tokens by their roles, and the chat template."""
    tokens = header.keys.get("tokenizer.ggml.tokens") or []
    found: dict[str, Any] = {
        name: tokens[number]
        for role, name in ROLES.items()
        if (number := token(header, role)) is not None and number < len(tokens)
    }
    found |= {"add_bos_token": _begins(header), "add_eos_token": _ends(header)}
    found["tokenizer_class"] = "TokenizersBackend"
    template = header.keys.get("tokenizer.chat_template")
    if isinstance(template, str) and template:
        found["chat_template"] = template
    return found


def _begins(header: GgufHeader) -> bool:
    """True if a text begins with the beginning token."""
    said = header.keys.get("tokenizer.ggml.add_bos_token")
    pieces = header.keys.get("tokenizer.ggml.model") == PIECES
    return (pieces or _words(header) in BEGINNING) if said is None else bool(said)


def _ends(header: GgufHeader) -> bool:
    return header.keys.get("tokenizer.ggml.add_eos_token") is True


def _words(header: GgufHeader) -> str:
    return str(header.keys.get("tokenizer.ggml.pre", "default"))


def _tokens(header: GgufHeader) -> tuple[list[str], list[int]]:
    """The tokens and their types."""
    return header.keys["tokenizer.ggml.tokens"], header.keys["tokenizer.ggml.token_type"]


def _of_pieces(header: GgufHeader) -> tokenizers.Tokenizer:
    """The tokenizer of SentencePiece's file, whose types of pieces GGUF has by the same numbers."""
    import sentencepiece
    from transformers.convert_slow_tokenizer import import_protobuf

    from frontier.checkpoints import pieces  # imports protobuf, which few checkpoints need

    tokens, kinds = _tokens(header)
    scores = header.keys["tokenizer.ggml.scores"]
    proto = import_protobuf().ModelProto()
    for one, score, kind in zip(tokens, scores, kinds, strict=True):
        proto.pieces.add(piece=one, score=score, type=kind)
    trained, rules = proto.trainer_spec, proto.normalizer_spec
    trained.model_type = trained.BPE
    trained.vocab_size = len(tokens)
    trained.byte_fallback = BYTES in kinds
    for role, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        number = token(header, key)
        if number is None and role == "unk" and UNKNOWN in kinds:
            number = kinds.index(UNKNOWN)
        setattr(trained, f"{role}_id", -1 if number is None else number)
        if number is not None:
            setattr(trained, f"{role}_piece", tokens[number])
    if trained.unk_id < 0:
        raise UserError("its tokenizer has no token for what it does not know")
    keys = header.keys
    rules.name = "identity"
    rules.add_dummy_prefix = keys.get("tokenizer.ggml.add_space_prefix") is not False
    rules.remove_extra_whitespaces = keys.get("tokenizer.ggml.remove_extra_whitespaces") is True
    rules.escape_whitespaces = True
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder, "tokenizer.model")).write_bytes(proto.SerializeToString())
        try:
            own = sentencepiece.SentencePieceProcessor(model_file=str(path))
            found = pieces.tokenizer(path, own, settings(header))
        except Exception as error:  # tokenizers raises no other
            raise UserError(f"its tokenizer cannot be used: {one_line(error)[:200]}") from None
    core: tokenizers.Tokenizer = found.backend_tokenizer
    return core


def _of_bytes(header: GgufHeader) -> tokenizers.Tokenizer:
    """A tokenizer of bytes, by the merges in the file."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors

    (tokens, kinds), words = _tokens(header), _words(header)
    merges = [merge.partition(" ") for merge in header.keys.get("tokenizer.ggml.merges") or []]
    pairs = [(left, right) for left, _, right in merges]
    vocabulary = {one: number for number, one in enumerate(tokens)}
    try:
        model = models.BPE(vocabulary, pairs, ignore_merges=words in WHOLE_WORDS)
    except Exception as error:  # tokenizers raises no other
        raise UserError(f"its tokenizer cannot be used: {one_line(error)[:200]}") from None
    found = tokenizers.Tokenizer(model)
    split = [
        pre_tokenizers.Split(tokenizers.Regex(one), "isolated", invert=False)
        for one in WORDS[words]
    ]
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    found.pre_tokenizer = pre_tokenizers.Sequence([*split, whole])
    found.decoder = decoders.ByteLevel()
    special = (UNKNOWN, CONTROL)
    found.add_tokens(
        [
            tokenizers.AddedToken(one, normalized=False, special=kind in special)
            for one, kind in zip(tokens, kinds, strict=True)
            if kind in (*special, USERS)
        ]
    )
    first = token(header, "bos") if _begins(header) else None
    last = token(header, "eos") if _ends(header) else None
    if first is not None or last is not None:
        around = {tokens[one]: one for one in (first, last) if one is not None}
        begin = [] if first is None else [tokens[first]]
        end = [] if last is None else [tokens[last]]
        found.post_processor = processors.TemplateProcessing(
            single=[*begin, "$A", *end], special_tokens=list(around.items())
        )
    return found
