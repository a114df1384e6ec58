"""Drafts in transformers' `generate`: the draft model, and the number of drafted tokens.

Counting costs nothing that is timed: each step's draft is only remembered, and read afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

from frontier.checkpoints import vocabulary
from frontier.engines import Generation, Settings
from frontier.engines.common import loading
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.prompting import Prompting
from frontier.errors import Reason, UnsupportedError
from frontier.machine import torch_devices


def load_draft(settings: Settings, model: Any, prompting: Prompting) -> Any:
    """The second model that a technique loads, in the first one's precision; None without one.

    Raises UnsupportedError if it has another vocabulary than the model.
    """
    if settings.draft is None:
        return None
    loading.check_causal(settings.draft, trust_remote_code=False)
    if reason := other_tokens(settings.draft, prompting):
        raise UnsupportedError(f"the draft model {reason}")
    with out_of_memory():
        draft = loading.load_whole(
            settings.draft,
            dtype=getattr(torch, settings.dtype),
            device_map=torch_devices.device_map(settings.accelerator, settings.gpus),
        )
    loading.check_range(draft)
    sizes = [one.config.get_text_config().vocab_size for one in (draft, model)]
    if len({*sizes}) > 1:
        raise UnsupportedError(
            f"the draft model has logits of {sizes[0]} tokens, the model itself of {sizes[1]}"
        )
    for one in settings.techniques:
        one.change_transformers_draft(draft)
    return draft.eval()


def other_tokens(draft: Path, prompting: Prompting) -> Reason | None:
    """The reason why a draft model's ids are other tokens; None if each is the same."""
    own, its = prompting.tokenizer.get_vocab(), vocabulary.read(draft, False).get_vocab()
    if own == its:
        return None
    other = sorted(name for name in own.keys() | its.keys() if own.get(name) != its.get(name))
    return (
        f"has another vocabulary: {len(other)} tokens have other ids or are missing, such as "
        f"{other[0][:40]!r}"
    )


class Drafts:
    """The drafts of one request, step by step."""

    def __init__(self, model: Any) -> None:
        """Remembers from now on what each step of the model's `generate` is given to verify."""
        # An adapter's wrapper forwards `generate` to the model in it.
        own = model.get_base_model() if hasattr(model, "get_base_model") else model
        make = own._get_candidate_generator
        self._steps: list[tuple[Any, Any]] = []

        def remembering(*arguments: Any, **named: Any) -> Any:
            generator = make(*arguments, **named)
            candidates = generator.get_candidates

            def draft(input_ids: Any, **further: Any) -> Any:
                found = candidates(input_ids, **further)
                self._steps.append((input_ids, found[0]))
                return found

            generator.get_candidates = draft
            return generator

        own._get_candidate_generator = remembering

    def forget(self) -> None:
        """Begins a request."""
        self._steps.clear()

    def counted(self, answer: Generation, tokens: Sequence[int]) -> Generation:
        """The answer with the number of tokens that were drafted for it, and that it has.

        `tokens`: its ids. A token behind the answer's end was drafted in vain.
        """
        drafted = accepted = at = 0
        for (before, after), arrival in zip(self._steps, answer.arrivals, strict=True):
            draft = after[0, before.shape[1] :].tolist()
            own = tokens[at : at + arrival.tokens]
            at += arrival.tokens
            drafted += len(draft)
            alike = (one == other for one, other in zip(draft, own, strict=False))
            accepted += len(list(takewhile(bool, alike)))
        return replace(answer, drafted_tokens=drafted, accepted_tokens=accepted)
