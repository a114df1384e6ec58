"""Summaries by ROUGE-1, 2, L and Lsum, rouge-score's F1 averaged over documents, times 100.

With several references a document's score is that of the best one. `rouge_lsum`, the primary
metric, takes each line as a sentence; of texts of one line it is `rouge_l`, and of summaries with
a line a sentence, as CNN/DailyMail's, what papers call ROUGE-L. `words` is the answers' length, and
with `document`, `compression` the document's length over it, `novel_bigrams` the share of an
answer's bigrams that the document does not have, and `copied` the share of its words in runs of
five or more that stand in the document. All have bootstrap intervals over documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from frontier.answers.sentences import one_per_line
from frontier.answers.thoughts import THOUGHT
from frontier.answers.words import UNREAD_SHARE, Copying, copying, unicode_words, unread_letters
from frontier.blocks import Decides
from frontier.errors import UserError, did_you_mean
from frontier.scorers import POINTS, PROPORTION, MeanScorer, Metric, Score, ScoredItem
from frontier.scorers.common.proportions import references
from frontier.stats.bootstrap import bootstrap, mean
from frontier.stats.serial import Floats
from frontier.text import shown

TYPES = {
    "rouge1": "rouge1",
    "rouge2": "rouge2",
    "rouge_l": "rougeL",
    "rouge_lsum": "rougeLsum",
}
"""Metrics and their names in rouge-score."""


class _UnicodeTokenizer:
    """A tokenizer for rouge-score: words of any script."""

    def tokenize(self, text: str) -> list[str]:
        """The words, in order."""
        return unicode_words(text)


class Rouge(MeanScorer):
    """ROUGE in points, the answers' length, and how much of them is copied."""

    PRIMARY = "rouge_lsum"
    REFERENCES = "several"
    UNIT = POINTS

    stemmer: Annotated[bool, Decides("score")] = True
    """Porter's stemmer, as papers use it; for English only."""
    tokenizer: Annotated[Literal["english", "unicode"], Decides("score")] = "english"
    """`english`: rouge-score's, which reads a to z and digits only; `unicode`: words of any script
    and characters of those without spaces between words, without a stemmer."""
    split_sentences: Annotated[bool, Decides("score")] = False
    """A line for each sentence of an answer, by a rule of ours, for references that are so."""
    cut_at: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Decides("score")] = ()
    """An answer ends at the first of these texts, such as "\\n\\n"; those at its very beginning are
    skipped, as is white space there."""
    document: Annotated[str | None, Decides("score")] = None
    """The field with the text that is summarized."""

    def reads(self) -> tuple[str, ...]:
        """The document."""
        return (self.document,) if self.document else ()

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """All metrics. Raises UserError for references that the tokenizer cannot read."""
        scorer = self._rouge()
        self._check_readable(items)
        accepted = references(
            items, lambda text: text if unicode_words(text) else None, "has no word"
        )
        answers = [self._answer(item.prediction) for item in items]
        pairs = zip(answers, accepted, strict=True)
        found = [scorer.score_multi(known, answer) for answer, known in pairs]
        each = {
            name: np.array([one[kind].fmeasure for one in found]) for name, kind in TYPES.items()
        }
        metrics = {name: _mean(100 * values, POINTS) for name, values in each.items()}
        copied = [self._copying(item, answer) for item, answer in zip(items, answers, strict=True)]
        words = np.array([float(one.words) for one in copied])
        metrics["words"] = _mean(words, "words")
        if self.document:
            metrics |= _document_metrics(copied)
        read = "".join(one for item in items for one in item.references)
        return Score(
            metrics=metrics,
            details={
                "signature": self._signature(),
                "unread_letters": round(unread_letters(read), 4),
                "references": max((len(known) for known in accepted), default=0),
            },
            requests=[
                {
                    "score": float(each[self.PRIMARY][place]),
                    **{name: float(values[place]) for name, values in each.items()},
                    "words": int(words[place]),
                }
                for place in range(len(items))
            ],
        )

    def _rouge(self) -> Any:
        """rouge-score's scorer."""
        from rouge_score.rouge_scorer import RougeScorer  # imports nltk, which takes a second

        own = _UnicodeTokenizer() if self.tokenizer == "unicode" else None
        return RougeScorer(list(TYPES.values()), use_stemmer=self.stemmer, tokenizer=own)

    def _answer(self, text: str) -> str:
        """The part of a text that is scored."""
        spoken = THOUGHT.sub("", text).lstrip()
        while start := next((one for one in self.cut_at if spoken.startswith(one)), None):
            spoken = spoken.removeprefix(start).lstrip()
        ends = [spoken.find(one) for one in self.cut_at]
        spoken = spoken[: min((end for end in ends if end >= 0), default=None)]
        return one_per_line(spoken) if self.split_sentences else spoken

    def _check_readable(self, items: Sequence[ScoredItem]) -> None:
        if self.tokenizer == "unicode":
            return
        for item in items:
            for text in item.references:
                if unread_letters(text) > UNREAD_SHARE:
                    raise UserError(
                        f"request {item.id}: reference {shown(text)} has letters that ROUGE's "
                        "English tokenizer drops; set tokenizer: unicode"
                    )

    def _copying(self, item: ScoredItem, answer: str) -> Copying:
        if self.document and self.document not in item.fields:
            hint = did_you_mean(self.document, item.fields)
            raise UserError(f"scorer.document: rows have no field {self.document!r}{hint}")
        return copying(answer, item.fields[self.document] if self.document else "")

    def _signature(self) -> str:
        """All that decides a score, in sacreBLEU's style."""
        stem = "yes" if self.stemmer and self.tokenizer == "english" else "no"
        split = "rule" if self.split_sentences else "lines"
        return (
            f"types:{'+'.join(TYPES.values())}|f1:mean|stem:{stem}|tok:{self.tokenizer}"
            f"|sents:{split}|refs:best|rouge-score:{version('rouge-score')}"
        )


def _mean(values: Floats, unit: str) -> Metric:
    """The mean with its bootstrap interval."""
    return Metric.of(bootstrap(mean, values.reshape(-1, 1)), unit)


def _document_metrics(copied: Sequence[Copying]) -> dict[str, Metric]:
    """Compression, novel bigrams and copied words, of the answers that have some."""
    ratios = [one.document_words / one.words for one in copied if one.words]
    novel = [one.novel_bigrams / one.bigrams for one in copied if one.bigrams]
    shares = [one.copied_words / one.words for one in copied if one.words]
    return {
        "compression": _mean(np.array(ratios), "words per word"),
        "novel_bigrams": _mean(np.array(novel), PROPORTION),
        "copied": _mean(np.array(shares), PROPORTION),
    }
