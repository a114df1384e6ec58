"""A watermark: after each token some tokens, other ones each time, become likelier, as a trace.

transformers' own implementation of Kirchenbauer et al. 2023 (https://arxiv.org/abs/2301.10226): the
last tokens seed a green list, a share of the vocabulary, whose logits are raised. Its own detector
counts the green tokens of each answer, after the answer's times were taken. (TGI's own watermark
is a field of its /generate alone, which none of our dialects speaks.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Technique

if TYPE_CHECKING:
    from transformers import WatermarkDetector, WatermarkingConfig

CANDIDATES = 40
"""The likeliest tokens among which transformers looks for green ones with `selfhash`."""
RARE = 1e-9
"""The probability, for each token, that none of those is green, which is an error there."""


class Watermark(Technique):
    """Keys of a `watermark` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)
    CHOOSES: ClassVar[bool] = False
    SCENARIOS: ClassVar[tuple[str, ...]] = ("single-stream",)

    greenlist_ratio: Annotated[float, Field(gt=0, le=0.99), Measure] = 0.25
    """The share of the vocabulary that is green."""
    bias: Annotated[float, Field(gt=0, le=100), Measure] = 2.0
    """Added to the logits of green tokens."""
    hashing_key: Annotated[int, Field(ge=1, le=2**31 - 1), Measure] = 15485863
    """The secret by which the watermark is found again."""
    seeding_scheme: Annotated[Literal["lefthash", "selfhash"], Measure] = "lefthash"
    """`lefthash`: the token before decides which tokens are green; `selfhash`: the token itself
    and those before it, which is slower."""
    context_width: Annotated[int, Field(ge=1, le=20), Measure] = 1
    """The number of tokens that `selfhash` reads; `lefthash` reads one."""

    @model_validator(mode="after")
    def _effective(self) -> Self:
        """Raises ValueError for keys that transformers would ignore, or fail with."""
        if self.seeding_scheme == "lefthash":
            if self.context_width != 1:
                raise ValueError("context_width: lefthash reads one token, whatever this says")
        elif (1 - self.greenlist_ratio) ** CANDIDATES > RARE:
            raise ValueError(
                "greenlist_ratio: must be at least 0.41 with selfhash, which fails where none of "
                f"the {CANDIDATES} likeliest tokens is green"
            )
        return self

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """The configuration of `generate`."""
        return {"watermarking_config": self._config()}

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Compares the logits of a token before and after `generate` has changed them."""
        import torch

        token = model.generation_config.pad_token_id or 0
        fed = torch.full((1, self.context_width + 1), token, device=model.device)
        output = model.generate(
            input_ids=fed, attention_mask=torch.ones_like(fed), max_new_tokens=1,
            output_logits=True, output_scores=True, return_dict_in_generate=True,
            **self.transformers_generating(model, None),
        )  # fmt: skip
        if torch.equal(output.logits[0].float(), output.scores[0].float()):
            return "no token became likelier"
        return None

    def seen_in_transformers(
        self, model: Any, prompt: Sequence[int], tokens: Sequence[int]
    ) -> Mapping[str, Any]:
        """The green tokens that the detector counts, and all that it tests.

        A token that follows the same ones again is tested once.
        """
        import torch

        before = self.context_width - (self.seeding_scheme == "selfhash")
        ids = [*prompt[len(prompt) - before :], *tokens]
        config = model.config.get_text_config()
        begins = config.bos_token_id
        # The detector leaves out a text's beginning, and refuses what is then too short.
        if len(ids) - (ids[:1] == [begins]) <= self.context_width:
            return {"watermark": (0, 0)}
        detector = _detector(self, config.vocab_size, begins, str(model.device))
        found = detector(torch.tensor([ids], device=model.device), return_dict=True)
        tested = int(found.num_tokens_scored[0])
        return {"watermark": (round(float(found.green_fraction[0]) * tested), tested)}

    def _config(self) -> WatermarkingConfig:
        from transformers import WatermarkingConfig

        return WatermarkingConfig(
            greenlist_ratio=self.greenlist_ratio,
            bias=self.bias,
            hashing_key=self.hashing_key,
            seeding_scheme=self.seeding_scheme,
            context_width=self.context_width,
        )


@lru_cache(maxsize=1)
def _detector(
    watermark: Watermark, vocabulary: int, beginning: int | None, device: str
) -> WatermarkDetector:
    """transformers' detector, with its table of a million numbers.

    `vocabulary`, `beginning`: the size of the model's vocabulary, and the token that begins texts.
    """
    from transformers import PretrainedConfig, WatermarkDetector

    return WatermarkDetector(
        PretrainedConfig(vocab_size=vocabulary, bos_token_id=beginning),
        device=device,
        watermarking_config=watermark._config(),
        ignore_repeated_ngrams=True,
    )
