"""Guided decoding: only tokens with which an answer can still fit a schema, a regex or a grammar.

In transformers by llguidance (https://github.com/guidance-ai/llguidance), with at most one space
before an answer and between the parts of JSON; in ONNX Runtime GenAI by its own copy of that,
without these spaces; in servers by their own. A server that ignored it is found out by its answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, model_validator

from frontier import patterns
from frontier.blocks import Arguments, Measure, Text
from frontier.chosen import explicit
from frontier.errors import Reason, one_line
from frontier.techniques import Context, Technique
from frontier.techniques.common.fitting import behind_a_space, grammar_of, lark_of

KEYS = ("json_schema", "regex", "grammar")


class Guided(Technique):
    """Keys of a `guided` block: exactly one of `json_schema`, `regex` and `grammar`."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers", "onnxruntime_genai")
    CHOOSES: ClassVar[bool] = False
    SCENARIOS: ClassVar[tuple[str, ...]] = ("single-stream",)

    json_schema: Annotated[Arguments | None, Measure] = None
    """A JSON schema: answers are JSON that it accepts."""
    regex: Annotated[Annotated[Text, AfterValidator(patterns.check)] | None, Measure] = None
    """A regular expression that matches answers as a whole, without a leading space."""
    grammar: Annotated[Text | None, Measure] = None
    """A grammar in GBNF, llama.cpp's notation, whose `root` matches answers as a whole."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        """Raises ValueError unless there is exactly one constraint."""
        if [getattr(self, key) for key in KEYS].count(None) != len(KEYS) - 1:
            raise ValueError("must have one of json_schema, regex and grammar, and no other")
        return self

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects what llguidance cannot read, and environments without it."""
        if context.environment and context.engine == "transformers":
            return f"the environment {context.environment} has no llguidance"
        if find_spec("llguidance") is None:
            return "llguidance is not installed; `make setup` installs it"
        from llguidance import LLMatcher

        try:
            wrong = LLMatcher.validate_grammar(self._grammar())
        except ValueError as error:
            wrong = str(error)
        return f"llguidance cannot read it: {one_line(wrong)[:300]}" if wrong else None

    @property
    def genai_guidance(self) -> tuple[str, str]:
        """The constraint by ONNX Runtime GenAI's names."""
        if self.json_schema is not None:
            schema = {**self.json_schema, "x-guidance": {"whitespace_flexible": False}}
            return "json_schema", json.dumps(schema)
        if self.regex is not None:
            return "regex", self.regex
        return "lark_grammar", lark_of(self.grammar or "")

    def transformers_processing(self, prompting: Any, vocabulary: int) -> Callable[[], Any]:
        """The function that makes each request's logits processor."""
        from frontier.techniques.common.constraint import constrained

        return constrained(self._grammar(), prompting.tokenizer, vocabulary, sorted(prompting.eos))

    def _grammar(self) -> str:
        """The constraint as llguidance reads it."""
        block = explicit(self, Technique.model_fields)
        return behind_a_space(grammar_of(block, spaces=" ?"))
