"""A file of pairs whose better answer is known, by which a judge is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from frontier.datasets.common.cells import cell, is_missing, text_of
from frontier.datasets.common.files import entries
from frontier.datasets.common.tables import Form, records
from frontier.errors import UserError
from frontier.judging.asking import Known

COLUMNS = ("question", "better", "worse")
REFERENCE = "reference"
FILES = re.compile(r".*\.(csv|tsv|jsonl|ndjson|json|parquet)", re.IGNORECASE)
FEWEST = 5
"""Pairs below which a check says too little."""


def read(file: Path) -> list[Known]:
    """The pairs of a table with the columns question, better, worse and, if known, reference.

    Raises UserError naming the row or the column, and for a table of too few pairs.
    """
    found = list(_rows(file))
    if len(found) < FEWEST:
        raise UserError(f"{file}: has {len(found)} pairs; a judge's check needs {FEWEST} or more")
    return found


def _rows(file: Path) -> Iterator[Known]:
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    for entry in entries(file, FILES):
        for where, _, values in records(entry, Form(), ()):
            texts = [text_of(cell(values, name, where), where) for name in COLUMNS]
            for name, text in zip(COLUMNS, texts, strict=True):
                if is_missing(text):
                    raise UserError(f"{where}: {name!r} is empty")
            question, better, worse = texts
            if better.strip() == worse.strip():
                raise UserError(f"{where}: 'better' and 'worse' are the same")
            right = values.get(REFERENCE)
            reference = "" if is_missing(right) else text_of(right, where)
            yield Known(question, better, worse, reference)
