"""A judge's texts about a cell's answers, from the files of its measurement."""

from __future__ import annotations

from pathlib import Path

from frontier.errors import UserError
from frontier.host import locks
from frontier.judging.asking import Inquiry
from frontier.judging.reading import Said
from frontier.results import measurement
from frontier.results.records import Record, read
from frontier.values import read_lines, sha256


def read_judged(
    judging: Path | None, said: Path | None, asked: Path | None, pairs: Path | None
) -> tuple[list[Inquiry], dict[str, Said]]:
    """The requests to the judge about each answer, and what it said; none without files.

    `judging` and `said` are the judge's measurement and requests, `asked` its sample, `pairs` the
    answers of each request. Raises UserError for altered files.
    """
    if judging is None or said is None or asked is None or pairs is None:
        return [], {}
    found = measurement.read(judging)
    for path, digest in ((said, found.requests_sha256), (asked, found.sample_sha256)):
        if sha256(path) != digest:
            raise UserError(f"{path}: not the file that was judged by (its sha256 differs)")
    locks.check_lock(asked.parent)
    texts = {one.id: _said(one) for one in read(said) if one.failure is None}
    return [Inquiry.of_line(line) for line in read_lines(pairs)], texts


def _said(record: Record) -> Said:
    """The text, or ln of the probabilities of the verdicts among which the judge chose."""
    if not record.chosen:
        return record.text
    found = zip(record.choices, record.logprobs, strict=True)
    return {choice: logprob for choice, logprob in found if logprob is not None}
