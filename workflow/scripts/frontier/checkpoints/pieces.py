"""A fast tokenizer from SentencePiece's file alone, by the rules in the file itself."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import tokenizers
import transformers
from tokenizers import decoders, models, normalizers, processors
from transformers.convert_slow_tokenizer import generate_merges, import_protobuf

BESIDE = ("special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
CONFIG, PIECES = "tokenizer_config.json", "tokenizer.model"
CONTROL, USERS = 3, 4  # types of pieces: control symbols, user-defined symbols
SPACE = "▁"
MANY = 50


def tokenizer(model: Path, pieces: Any, saved: dict[str, Any]) -> Any:
    """The tokenizer of a tokenizer.model and the files next to it.

    `pieces` is SentencePiece's reading of it, `saved` the tokenizer_config.json. A text begins with
    the file's beginning-of-sequence token unless `saved` says otherwise.
    """
    found = _converted(model)
    names = {
        role: pieces.id_to_piece(number)
        for role, number in (
            ("bos_token", pieces.bos_id()),
            ("eos_token", pieces.eos_id()),
            ("unk_token", pieces.unk_id()),
        )
        if number >= 0
    }
    first, last = names.get("bos_token"), names.get("eos_token")
    framed = [first] if first and saved.get("add_bos_token", True) else []
    framed += ["$A", *([last] if last and saved.get("add_eos_token", False) else [])]
    special = [(name, pieces.piece_to_id(name)) for name in names.values()]
    found.post_processor = processors.TemplateProcessing(
        single=" ".join(framed), special_tokens=special
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found.save(str(place / "tokenizer.json"))
        for name in BESIDE:
            if (model.parent / name).exists():
                shutil.copyfile(model.parent / name, place / name)
        unsaid = ("tokenizer_class", "add_bos_token", "add_eos_token", "legacy", "sp_model_kwargs")
        rest = {key: value for key, value in saved.items() if key not in unsaid}
        (place / CONFIG).write_text(json.dumps(names | rest), encoding="utf-8")
        return transformers.PreTrainedTokenizerFast.from_pretrained(place)


def probes(model: Path) -> list[str]:
    """Texts with some of the user-defined symbols, which SentencePiece never splits."""
    symbols = [piece.piece for piece in _proto(model).pieces if piece.type == USERS]
    return [f"a{symbol.replace(SPACE, ' ')}a" for symbol in symbols[:MANY]]


def _proto(model: Path) -> Any:
    proto = import_protobuf().ModelProto()
    proto.ParseFromString(model.read_bytes())
    return proto


def _converted(model: Path) -> tokenizers.Tokenizer:
    """A tokenizer with the file's pieces and its own normalization of spaces and letters."""
    proto = _proto(model)
    rules = proto.normalizer_spec
    found = tokenizers.Tokenizer(_model(proto))
    named = [(piece.piece, piece.type) for piece in proto.pieces if piece.type in (CONTROL, USERS)]
    found.add_tokens(
        [
            tokenizers.AddedToken(name, normalized=False, special=kind == CONTROL)
            for name, kind in named
        ]
    )
    steps: list[Any] = []
    if rules.precompiled_charsmap:
        steps.append(normalizers.Precompiled(rules.precompiled_charsmap))
    if rules.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    if rules.add_dummy_prefix:
        steps.append(normalizers.Prepend(" "))
    found.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    strip = [decoders.Strip(" ", 1, 0)] if rules.add_dummy_prefix else []
    found.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return found


def _model(proto: Any) -> Any:
    """The segmentation model. Raises ValueError for SentencePiece's other two types."""
    trained, scores = proto.trainer_spec, [(piece.piece, piece.score) for piece in proto.pieces]
    fallback = trained.byte_fallback
    if trained.model_type == trained.UNIGRAM:
        return models.Unigram(scores, trained.unk_id, byte_fallback=fallback)
    if trained.model_type != trained.BPE:
        raise ValueError(f"{PIECES}: neither unigram nor BPE")
    vocabulary = {piece: number for number, (piece, _) in enumerate(scores)}
    return models.BPE(
        vocabulary,
        generate_merges(vocabulary, dict(scores)),
        unk_token=trained.unk_piece,
        fuse_unk=True,
        byte_fallback=fallback,
    )
