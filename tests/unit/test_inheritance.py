"""`like:` in a block of the catalogue."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.catalogue.inheritance import LONGEST_CHAIN, resolved
from frontier.errors import UserError

SECTION = "config/devices.yaml: devices"


def test_own_keys_go_first_and_whole() -> None:
    """A block in a block replaces the other's; a label is never copied; `like` is removed."""
    base = {"accelerator": "cpu", "warmup": {"minimum": 2, "maximum": 9}, "label": "Base"}
    blocks = {
        "a": {"like": "b", "threads": 2, "warmup": {"minimum": 3}},
        "b": {"like": "base", "threads": 1, "label": "B"},
        "base": base,
    }
    found = resolved(blocks, SECTION)
    assert found["base"] == base
    assert found["b"] == base | {"threads": 1, "label": "B"}
    assert found["a"] == {"accelerator": "cpu", "threads": 2, "warmup": {"minimum": 3}}
    assert blocks["a"]["like"] == "b", "what was read is left as it is"


def test_circles_of_any_length_are_named() -> None:
    """The error names all blocks of the circle, from the one that is read first."""
    blocks = {"a": {"like": "b"}, "b": {"like": "c"}, "c": {"like": "a"}}
    with pytest.raises(UserError, match=r"devices\.a\.like: refers to itself: a -> b -> c -> a$"):
        resolved(blocks, SECTION)


def test_long_chains_are_refused() -> None:
    """The longest allowed chain passes, one more block does not."""
    chain: dict[str, Any] = {f"d{n}": {"like": f"d{n + 1}"} for n in range(LONGEST_CHAIN - 1)}
    last = f"d{LONGEST_CHAIN - 1}"
    assert resolved(chain | {last: {"x": 1}}, SECTION)["d0"] == {"x": 1}
    more = chain | {last: {"like": "end"}, "end": {"x": 1}}
    with pytest.raises(UserError, match=rf"d0\.like: leads through more than {LONGEST_CHAIN}"):
        resolved(more, SECTION)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("bsae", r"unknown id 'bsae' \(did you mean 'base'\?\)"),
        (3, r"must be the id of another block \(found 3\)"),
        ("odd", "odd is not a block"),
    ],
)
def test_what_is_no_other_block(other: object, words: str) -> None:
    """The error is one line that names the block."""
    blocks = {"a": {"like": other}, "base": {}, "odd": None}
    with pytest.raises(UserError, match=rf"^{SECTION}\.a\.like: {words}$"):
        resolved(blocks, SECTION)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(string.ascii_lowercase[:6]), st.integers(), max_size=6),
        min_size=1,
        max_size=LONGEST_CHAIN,
    )
)
def test_saying_a_key_is_as_good_as_taking_it(chain: list[dict[str, int]]) -> None:
    """The last of a chain has what all of them say, the nearest first."""
    blocks: dict[str, Any] = {str(at): dict(keys) for at, keys in enumerate(chain)}
    for at in range(1, len(chain)):
        blocks[str(at)]["like"] = str(at - 1)
    said: dict[str, int] = {}
    for at, keys in enumerate(chain):
        said |= keys
        assert resolved(blocks, SECTION)[str(at)] == said
