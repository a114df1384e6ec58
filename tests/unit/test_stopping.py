"""The end of an answer: the same token by token as in the whole text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import chains
from frontier.engines.common.prompting import Prompting
from frontier.engines.common.stopping import Written


@pytest.fixture(scope="module")
def prompting(tmp_path_factory: pytest.TempPathFactory) -> Prompting:
    """Bytes, a few words and special tokens."""
    folder = tmp_path_factory.mktemp("chain")
    return Prompting(chains.checkpoint(folder, chains.tokenizer()), "plain")


def generated(prompting: Prompting, ids: list[int], stop: tuple[str, ...]) -> tuple[str, int, str]:
    """The answer of an engine whose model would continue as `ids` do, checked after each token."""
    for count in range(1, len(ids) + 1):
        if ids[count - 1] in prompting.eos or prompting.stopped(ids[:count], stop):
            break
    answer = prompting.answer(1, ids[:count], [0] * count, 0, stop)
    return answer.text, count, answer.finish_reason


@pytest.mark.parametrize(
    ("text", "stop", "answer"),
    [
        ("\nnegative", ["\n"], "negative"),
        ("\n\n\nnegative\npositive", ["\n"], "negative"),
        (" \n negative\n", ["\n"], " negative"),
        ("\r\nnegative", ["\n", "\r\n"], "negative"),
        ("\n\nnegative\nso\n\nQ", ["\n\n"], "negative\nso"),
        (" negative positive", [" "], "negative"),
        ("\u3000negative\u3000", ["\u3000"], "negative"),
        ("\n    return x\n", ["\n"], "    return x"),
        ("  negative", ["\n"], "  negative"),
        ("negative\nQ: next", ["\nQ:"], "negative"),
        ("\nQ: next", ["\nQ:"], ""),
        ("\nQ: next", ["\n", "\nQ:"], ""),
        ("negative. Q", ["Q", "."], "negative"),
        ("\n\n", ["\n"], ""),
        ("negative", [], "negative"),
        ("我认为是负面。\n", ["\n", "。"], "我认为是负面"),
        ("x" * 40 + "The end of this very long answer" + "y", ["The end of this very long answer"], "x" * 40),
    ],
)  # fmt: skip
def test_answers(prompting: Prompting, text: str, stop: list[str], answer: str) -> None:
    """White space before anything else is written ends nothing, and is no part of the answer."""
    ids = prompting.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert generated(prompting, ids, tuple(stop))[0] == answer
    assert prompting.answer(1, ids, [0] * len(ids), 0, tuple(stop)).text == answer


STOPS = ("\n", "\n\n", " ", "Q:", "\nQ:", "neg", "ä", "負", "<|im_end|>", "<|im_end|>\n", "e\n<s>")


@given(
    st.lists(st.integers(0, 268), min_size=1, max_size=40),
    st.lists(st.sampled_from(STOPS), max_size=3, unique=True),
)
@example([198, 198, 258, 198], ["<|im_end|>\n"])
@example([65, 228, 102, 258, 65], ["<|im_end|>"])
def test_by_the_token_as_in_the_whole(
    prompting: Prompting, ids: list[int], stop: list[str]
) -> None:
    """An answer ends where the stop text is known to be complete, whatever the model writes.

    No answer holds a stop text, but for white space before anything is written, and none is cut
    off before the first.
    """
    text, count, reason = generated(prompting, ids, tuple(stop))
    answer = prompting.answer(1, ids[:count], [0] * count, 0, tuple(stop))
    assert (answer.text, answer.finish_reason) == (text, reason)
    assert (reason == "stop") == (
        ids[count - 1] in prompting.eos or prompting.stopped(ids[:count], tuple(stop))
    )
    assert all(one not in text for one in stop if one.strip() and "<" not in one)
    assert all(one not in text.lstrip() for one in stop)
    if reason == "length":
        assert count == len(ids)
        whole = prompting.tokenizer.decode(ids, skip_special_tokens=True)
        assert whole.endswith(text)
        assert not whole.removesuffix(text).strip()


@given(st.text("ab\n "), st.lists(st.sampled_from(["a", "ab", "\n", "b\n", " "]), max_size=3))
def test_without_special_tokens_it_is_the_first_that_is_found(text: str, stop: list[str]) -> None:
    """Against the definition, place by place."""
    begin = len(text) - len(text.lstrip())
    places = [
        at
        for at in range(len(text))
        for one in stop
        if text.startswith(one, at) and (one.strip() or at >= begin)
    ]
    assert Written(text).cut(stop) == min(places, default=None)


def test_special_tokens_have_their_places() -> None:
    """Special tokens come first, between others, last, and one after another."""
    written = Written("one two", ((0, "<s>"), (3, "<a>"), (3, "<b>"), (7, "</s>")))
    assert written.cut(["<s>"]) == 0
    assert written.cut(["<b>"]) == 3
    assert written.cut(["ne<a>"]) == 1
    assert written.cut([" two</s>"]) == 3
    assert written.cut(["</s>"]) == 7
    assert written.cut(["one two"]) == 0
    assert written.cut(["<a> two"]) is None
    assert written.cut([">"]) is None
    assert written.cut(["<"]) is None
