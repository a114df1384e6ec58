"""The format of the tables."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.results import outputs

START = "=+-@＝＋－＠\t\r\n"
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def cells(table: pl.DataFrame) -> list[list[str]]:
    """The CSV as Python's own reader reads it."""
    return list(csv.reader(io.StringIO(outputs.csv(table).decode(), newline="")))


@given(st.lists(ANY | st.tuples(st.sampled_from(START), ANY).map("".join), min_size=1))
def test_no_text_is_a_formula(texts: list[str]) -> None:
    """At most one apostrophe is added, whatever a text begins with."""
    head, *rows = cells(pl.DataFrame({"n": range(len(texts)), "=reason": texts}))
    assert head == ["n", "'=reason"]
    for text, (_, written) in zip(texts, rows, strict=True):
        assert written in (text, f"'{text}")
        assert written[:1] not in START or written == "" or float(written) is not None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('=HYPERLINK("http://x","y")', "'=HYPERLINK(\"http://x\",\"y\")"), ("@SUM(1)", "'@SUM(1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"), ("\t=1", "'\t=1"), ("-", "'-"),
        ("-4.5", "-4.5"), ("+1e-3", "+1e-3"), ("warm-up: latency", "warm-up: latency"), ("", ""), ("-.", "'-."),
        ("+1.2.3", "'+1.2.3"), ("-.5", "-.5"), ("-5.", "-5."),
    ],
)  # fmt: skip
def test_texts(text: str, written: str) -> None:
    """Formulas are none any more; numbers and other texts are as they were."""
    assert cells(pl.DataFrame({"n": [1], "reason": [text]}))[1] == ["1", written]


def test_numbers_and_what_is_missing_stay() -> None:
    """A negative number is no formula, and null is empty."""
    table = pl.DataFrame({"difference": [-1.5, None], "reason": [None, "-x"]})
    assert cells(table)[1:] == [["-1.5", ""], ["", "'-x"]]
