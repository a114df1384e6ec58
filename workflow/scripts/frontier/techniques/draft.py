"""A draft model: a smaller model of the same vocabulary writes the next tokens first.

Each step verifies all drafted tokens at once and accepts those that the model would have generated
itself, so greedy answers are the same but for rounding. transformers calls it assisted decoding
(https://huggingface.co/docs/transformers/assisted_decoding); OpenVINO GenAI has it too. Source:
Leviathan and others, "Fast Inference from Transformers via Speculative Decoding" (2023).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique
from frontier.techniques.common.speculating import no_rollback


class Draft(Technique):
    """Keys of a `draft` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers", "openvino_genai")
    CHOOSES: ClassVar[bool] = False
    SPECULATES: ClassVar[bool] = True
    SCENARIOS: ClassVar[tuple[str, ...]] = ("single-stream",)

    draft: Annotated[str, Measure]
    """Id of models.yaml: the smaller model, of the same tokenizer, at its native quantization and
    in the variant's precision. Its weights count as the variant's."""
    tokens: Annotated[int, Field(ge=1, le=100), Measure] = 5
    """The most tokens that are drafted in a step."""
    schedule: Annotated[Literal["constant", "heuristic_transient"], Measure] = "constant"
    """`constant`: a step drafts `tokens`. `heuristic_transient`: that is where each request begins;
    two more behind a step that accepted all, one fewer behind any other. transformers' `heuristic`
    is not there: it continues from one request to the next, so that times depend on their order."""
    confidence: Annotated[float, Field(ge=0, le=0.99), Measure] = 0.0
    """A draft ends at a token that the draft model gives a lower probability; transformers adapts
    the limit during a request. At 0 it does not ask: each draft has all its tokens."""

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects architectures whose state cannot be taken back by rejected tokens."""
        if context.engine == "openvino_genai" and self != self._constant():
            return "OpenVINO GenAI drafts by schedule: constant and confidence: 0 here"
        return no_rollback(context.architecture)

    def _constant(self) -> Draft:
        return self.model_copy(update={"schedule": "constant", "confidence": 0.0})

    def openvino_genai_loading(self, draft: Path | None) -> dict[str, Any]:
        """The draft's pipeline, with the properties and the cache of the model's own."""
        import openvino_genai

        return {"draft_model": openvino_genai.draft_model(draft, "CPU")}

    def openvino_genai_generating(self) -> dict[str, Any]:
        """The tokens of each draft."""
        return {"num_assistant_tokens": self.tokens}

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """The draft model, whose own settings `generate` reads."""
        return {"assistant_model": draft}

    def change_transformers_draft(self, draft: Any) -> None:
        """Replaces the draft's settings: its checkpoint's sampling would be applied otherwise."""
        import transformers

        draft.generation_config = transformers.GenerationConfig(
            do_sample=False,
            num_assistant_tokens=self.tokens,
            num_assistant_tokens_schedule=self.schedule,
            assistant_confidence_threshold=self.confidence,
        )
