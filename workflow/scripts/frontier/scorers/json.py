"""JSON as the answer: its fields are compared with the reference's, nested ones too.

`exact_match`, the primary metric, is the share of answers in which all compared fields are right;
`fields_right` the share of fields, over all answers; `valid` the share of answers that are JSON as
a whole, without other text. An answer without JSON has no field right. Fields that the reference
does not have do not count.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from frontier.answers import json_values
from frontier.blocks import Decides
from frontier.errors import UserError, did_you_mean
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem, Scorer
from frontier.scorers.common.proportions import Verdict, references, scored
from frontier.stats.bootstrap import bootstrap, ratio
from frontier.stats.intervals import wilson
from frontier.text import shown
from frontier.values import NO_VALUE, at


class Json(Scorer):
    """The share of answers whose fields are all right, and the share of right fields."""

    PRIMARY = "exact_match"
    REFERENCES = "several"

    fields: Annotated[tuple[str, ...], Decides("score")] = ()
    """The fields compared, such as `name`, `address.city`, `items.0.price`; without it all of the
    reference's that are no objects."""

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """All metrics. Raises UserError for a reference that is not JSON, or lacks a field."""
        accepted = references(items, self._reference, "is not a JSON object or list")
        verdicts, counts = [], []
        right: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        for item, known in zip(items, accepted, strict=True):
            answer = json_values.read(item.prediction)
            # Of several references the one with the most fields right.
            each = [self._compared(item, answer, one) for one in known]
            best = max(each, key=lambda one: sum(one.values()) / len(one))
            right.update(path for path, fine in best.items() if fine)
            asked.update(best)
            counts.append([float(sum(best.values())), float(len(best))])
            text = None if answer is NO_VALUE else json.dumps(answer, default=str)[:1000]
            columns = {"fields_right": sum(best.values()), "fields": len(best)}
            verdicts.append(Verdict(all(best.values()), text, columns))
        details = {"fields": {path: [right[path], asked[path]] for path in sorted(asked)}}
        found = scored(self.PRIMARY, items, verdicts, reads_answers=True, details=details)
        share = bootstrap(ratio, counts)
        whole = [json_values.whole(item.prediction) is not NO_VALUE for item in items]
        metrics = {
            **found.metrics,
            "fields_right": Metric.of(share, PROPORTION),
            "valid": Metric.of(wilson(sum(whole), len(whole)), PROPORTION),
        }
        return replace(found, metrics=metrics)

    def _reference(self, text: str) -> Any:
        found = json_values.whole(text)
        return found if isinstance(found, dict | list) and found else None

    def _compared(self, item: ScoredItem, answer: Any, known: Any) -> dict[str, bool]:
        """Whether each compared field of a reference is right in the answer."""
        if isinstance(known, list) and not self.fields:
            return {"": json_values.same(answer, known)}
        paths = self.fields or tuple(json_values.leaves(known))
        for path in paths:
            if at(known, path) is NO_VALUE:
                hint = did_you_mean(path, json_values.leaves(known))
                raise UserError(
                    f"request {item.id}: reference {shown(item.reference)} has no field "
                    f"{path!r}{hint}"
                )
        return {path: json_values.same(at(answer, path), at(known, path)) for path in paths}
