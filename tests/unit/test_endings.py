"""The end of a text, found by reading after some tokens only, as if after each of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import chains
from frontier.engines.common import token_bytes
from frontier.engines.common.prompting import Prompting
from frontier.engines.common.stopping import Endings, Written

SPECIAL = ("<s>", "</s>", "<|im_end|>")
LLAMA = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
TEXTS = ("\n", "\n\n", " ", "a", "b", "ab", " a", " ab", "b\n", "Q", ":", "Q:", "\nQ", "\nQ:", "a b",
         "ä", "äb", "負", "。", "　", ".", " .", "'s", "  ", "\r\n", "<", ">", "</s", "0")  # fmt: skip
LETTERS = dict(zip(token_bytes.LETTERS.values(), token_bytes.LETTERS, strict=True))
BROKEN = (
    b"\xe8\xb2",
    b"\xa0",
    b"\xa0\n",
    b"\n\xe8",
    b"a\xe3\x80",
    b"\x82",
    b"\xc3",
    b"\xa4b",
    b"\xc0",
)


def built(pieces: Sequence[str], decoder: decoders.Decoder | None) -> Tokenizer:
    """A tokenizer whose vocabulary these pieces are; it is only decoded with."""
    core = Tokenizer(models.BPE({piece: at for at, piece in enumerate(dict.fromkeys(pieces))}, []))
    core.decoder = decoder
    core.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    core.add_tokens([AddedToken(word, normalized=False) for word in ("\n\n\n", " added", "negä")])
    return core


def byte_level() -> Tokenizer:
    """GPT-2's kind: its tokens may be parts of letters."""
    known = [text.encode() for text in TEXTS] + [bytes([byte]) for byte in range(256)]
    pieces = ["".join(LETTERS.get(byte, "À") for byte in one) for one in (*known, *BROKEN)]
    return built([*pieces, *pre_tokenizers.ByteLevel.alphabet()], decoders.ByteLevel())


def pieces(*last: decoders.Decoder) -> Tokenizer:
    """SentencePiece's kind, with bytes for letters that it has not."""
    known = [text.replace(" ", "▁") for text in TEXTS] + [f"<0x{byte:02X}>" for byte in range(256)]
    return built([*known, "<0xZZ>", "<0x"], decoders.Sequence([*LLAMA, *last]))


TOKENIZERS = {
    "bytes": byte_level,
    "bytes in a sequence": lambda: built(
        [*pre_tokenizers.ByteLevel.alphabet()], decoders.Sequence([decoders.ByteLevel()])
    ),
    "Llama": lambda: pieces(decoders.Strip(" ", 1, 0)),
    "Gemma": pieces,
    "WordPiece": lambda: built(
        ["a", "##b", "##:", "Q", ".", "\n", "'s", "ä"], decoders.WordPiece()
    ),
    "Metaspace": lambda: built(["▁a", "b", "a▁b", "▁", "\n", "▁▁", ":"], decoders.Metaspace()),
    "replaced in the whole": lambda: built(
        ["a", "b", "\n", " "], decoders.Sequence([decoders.Fuse(), decoders.Replace("ab", "\n")])
    ),
    "none": lambda: built(["a", "b", "\n"], None),
}
SIMPLE = ("bytes", "bytes in a sequence", "Llama", "Gemma")


@pytest.fixture(scope="module", params=TOKENIZERS)
def prompting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Prompting:
    """A checkpoint with each of them."""
    core = PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZERS[request.param](), bos_token="<s>", eos_token="</s>"
    )
    if core.backend_tokenizer.pre_tokenizer is None:
        core.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    found = Prompting(chains.checkpoint(tmp_path_factory.mktemp("endings"), core), "plain")
    assert (token_bytes.reader(found.tokenizer) is not None) == (request.param in SIMPLE)
    return found


def read_behind_each(prompting: Prompting, ids: Sequence[int], stop: Sequence[str]) -> int | None:
    """The number of tokens until a stop text is complete, reading after each of them."""

    def read(tokens: Sequence[int]) -> Written:
        return Written.read(
            tokens,
            prompting.special,
            lambda some: prompting.tokenizer.decode(
                some, skip_special_tokens=True, clean_up_tokenization_spaces=False
            ),
        )

    window = max((len(text.encode()) for text in stop), default=0) + 4
    for count in range(1, len(ids) + 1):
        near, whole = read(ids[max(0, count - window) : count]), read(ids[:count])
        if near.mentions(stop) and whole.cut(stop) is not None:
            return count
    return None


STOPS = st.sampled_from(
    [*TEXTS, *SPECIAL, "</s>\n", "a<s>", "\ufffd", "a\ufffd", " a ab", "ab Q: a b\n"]
)


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 10_000), max_size=40),
    st.lists(
        STOPS | st.text("ab \nQ:", min_size=1, max_size=4), min_size=1, max_size=3, unique=True
    ),
    st.data(),
)
def test_as_if_read_behind_each(
    prompting: Prompting, numbers: list[int], stop: list[str], data: st.DataObject
) -> None:
    """The same tokens, whatever they are and whatever ends them; also an id without a token."""
    size = len(prompting.tokenizer)
    ids = [number % (size + 1) for number in numbers]
    for at in data.draw(st.lists(st.integers(0, 40), max_size=6)):
        text = prompting.tokenizer(data.draw(st.sampled_from(stop)), add_special_tokens=False)
        ids[at:at] = [one for one in text["input_ids"] if one is not None]
    found = next((n for n in range(1, len(ids) + 1) if prompting.stopped(ids[:n], stop)), None)
    assert found == read_behind_each(prompting, ids, stop)


def test_a_token_that_hides_what_others_wrote() -> None:
    """It is within reach for as long as it may: here a byte that is no letter hides a line's end.

    When it is out of the window the line's end shows, and behind it what the window never showed.
    """
    core = PreTrainedTokenizerFast(tokenizer_object=TOKENIZERS["Llama"]())
    endings = Endings(["ab", "\n"], token_bytes.reader(core))
    names = ["a", "b", "Q", "Q", "<0xE5>", "<0x0A>", *["Q"] * 10]
    ids = [core.convert_tokens_to_ids(name) for name in names]
    possible = [endings.possible(ids[:count]) for count in range(1, len(ids) + 1)]
    assert endings.window == 6
    assert possible == [False, True, False, False, *[True] * 8, *[False] * 4]


def test_decoders_that_change_what_stands_between_tokens() -> None:
    """The bytes of their tokens are not known."""

    class Own(PreTrainedTokenizerFast):
        def _decode(self, *_given: object, **_named: object) -> str:
            return "what it likes"

    stripped = pieces(decoders.Strip(" ", 1, 1))
    assert token_bytes.reader(PreTrainedTokenizerFast(tokenizer_object=stripped)) is None
    assert token_bytes.reader(Own(tokenizer_object=pieces())) is None
    assert token_bytes.reader(PreTrainedTokenizerFast(tokenizer_object=pieces())) is not None
