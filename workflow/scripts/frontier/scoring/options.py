"""The choices of a question with their likelihoods, as a scorer gets them."""

from __future__ import annotations

from typing import Any

from frontier.errors import UserError
from frontier.prompts import choices_of
from frontier.results.records import Record
from frontier.scorers import Option


def options(
    record: Record, row: dict[str, Any], choices: tuple[str, ...] | str | None
) -> tuple[Option, ...]:
    """The choices of a question with their likelihoods; none of a generated text (`choices` None).

    The right ones of a row's own choices are the first, since a text may be right and wrong at
    once. Raises UserError if others were asked for.
    """
    if choices is None or record.failure:
        return ()
    right = (row["reference"], *row.get("also_accepted", ()))
    wanted = choices_of(choices, row)
    if wanted != record.choices:
        raise UserError(f"request {row['id']}: not asked for the choices of its row")
    own = choices == "row"
    return tuple(
        Option(text, place < len(right) if own else text in right, logprob)
        for place, (text, logprob) in enumerate(zip(wanted, record.logprobs, strict=True))
    )
