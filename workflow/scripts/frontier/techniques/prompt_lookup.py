"""Prompt lookup: the text behind an earlier occurrence of the last tokens is the draft.

Each step verifies all drafted tokens at once and accepts those that the model would have generated
itself, so greedy answers are the same but for rounding. transformers' own implementation:
https://huggingface.co/docs/transformers/generation_strategies (prompt lookup decoding). OpenVINO
GenAI has one too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique
from frontier.techniques.common.speculating import no_rollback


class PromptLookup(Technique):
    """Keys of a `prompt_lookup` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers", "openvino_genai")
    CHOOSES: ClassVar[bool] = False
    SPECULATES: ClassVar[bool] = True
    SCENARIOS: ClassVar[tuple[str, ...]] = ("single-stream",)

    tokens: Annotated[int, Field(ge=1, le=100), Measure] = 5
    """The most tokens that are drafted in a step."""
    ngram: Annotated[int, Field(ge=1, le=20), Measure] = 2
    """The longest sequence of last tokens that is searched for in the prompt and the answer."""

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects architectures whose state cannot be taken back by rejected tokens."""
        return no_rollback(context.architecture)

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """The numbers of `generate`."""
        return {"prompt_lookup_num_tokens": self.tokens, "max_matching_ngram_size": self.ngram}

    def openvino_genai_loading(self, draft: Path | None) -> dict[str, Any]:
        """The pipeline that looks up drafts."""
        return {"prompt_lookup": True}

    def openvino_genai_generating(self) -> dict[str, Any]:
        """The same numbers by its names. It fills up a shorter draft with tokens that are wrong."""
        return {"num_assistant_tokens": self.tokens, "max_ngram_size": self.ngram}
