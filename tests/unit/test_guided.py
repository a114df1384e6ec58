"""Guided decoding on a model that writes English, whose answers must then be something else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import llguidance
import pytest

from frontier.engines import Generate, Generation, Settings
from frontier.engines.common.server_keys import RunsTechnique
from frontier.engines.loaded import transformers as engine
from frontier.errors import UserError
from frontier.techniques import Context, Technique, block_of, technique_of
from frontier.techniques.common import fitting
from quantizing import quantizer
from stories import stories260k

PROMPT, TOKENS = "Once upon a time", 60
PLAIN = Settings("cpu", "float32", 1, "plain", quantizer("native"))
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "maximum": 9}, "pet": {"enum": ["cat", "dog"]}},
    "required": ["age", "pet"],
    "additionalProperties": False,
}
CONSTRAINTS: dict[str, Any] = {
    "json_schema": SCHEMA,
    "regex": "(Lily|Tom), [0-9]{2}",
    "grammar": 'root ::= name " and " name\nname ::= "Lily" | "Tom" | "Ben"\n',
}
FITTING = {"json_schema": '{"pet": "cat", "age": 3}', "regex": "Tom, 12", "grammar": "Ben and Tom"}
UNFIT = {
    "json_schema": [
        '{"pet": "cow", "age": 3}',
        '{"age": 3}',
        '{"age": NaN, "pet": "cat"}',
        "",
        "{",
    ],
    "regex": ["Tom, 123", "Ben, 12", ""],
    "grammar": ["Ben and", "Ben and Tom and Tom", ""],
}
LOOKUP = {"kind": "prompt_lookup", "tokens": 3, "ngram": 1}
WHERE = Context("transformers", "cpu", "float32", "native", "llama")


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


def guided(key: str, constraint: Any = None) -> Technique:
    """The technique with one constraint."""
    return technique_of({"kind": "guided", key: constraint or CONSTRAINTS[key]})


def answer(stories: Path, *ways: Technique) -> Generation:
    """The answer of the model that runs with these techniques."""
    model = engine.load(stories, replace(PLAIN, techniques=ways))
    model.generate(Generate(PROMPT, 3))  # a request leaves nothing behind for the next
    return model.generate(Generate(PROMPT, TOKENS))


@pytest.mark.parametrize("key", CONSTRAINTS)
def test_answers_fit_and_end(stories: Path, key: str) -> None:
    """An answer fits, and ends by itself where nothing more can follow; its parent's does not."""
    fits = fitting.fits(block_of(guided(key)))
    found = answer(stories, guided(key))
    assert fits(found.text), found.text
    assert found.finish_reason == "stop"
    assert not fits(answer(stories).text)


@pytest.mark.parametrize("key", CONSTRAINTS)
def test_one_space_may_come_first(key: str) -> None:
    """A model that has learnt words with the space before them may begin with one; none has to."""
    letters = llguidance.LLTokenizer("byte")
    grammar = fitting.behind_a_space(fitting.grammar_of(block_of(guided(key)), spaces=" ?"))
    matcher = llguidance.LLMatcher(letters, grammar)
    assert not matcher.is_error(), matcher.get_error()

    def accepted(text: str) -> bool:
        own, tokens = matcher.deep_copy(), letters.tokenize_str(text)
        return own.try_consume_tokens(tokens) == len(tokens) and own.is_accepting()

    text = FITTING[key].replace('"pet": "cat", "age": 3', '"age": 3, "pet": "cat"')
    assert [accepted(lead + text) for lead in ("", " ", "  ")] == [True, True, False]


@pytest.mark.parametrize("key", CONSTRAINTS)
def test_drafted_tokens_are_taken_back(stories: Path, key: str) -> None:
    """Prompt lookup drafts tokens that do not fit: they are rejected, and the answer is the same."""
    alone, fast = answer(stories, guided(key)), answer(stories, guided(key), technique_of(LOOKUP))
    assert fast.text == alone.text


@pytest.mark.parametrize("key", CONSTRAINTS)
def test_what_fits_is_decided_apart_from_decoding(key: str) -> None:
    """The check of answers of any engine: the whole answer counts, and spaces around it do not."""
    fits = fitting.fits(block_of(guided(key)))
    assert fits(FITTING[key])
    assert fits(f" {FITTING[key]}\n")
    assert not any(map(fits, UNFIT[key]))


def test_an_ignored_constraint_is_found_out() -> None:
    """A complete answer that does not fit shows it, with the answer."""
    block = block_of(guided("regex"))
    assert fitting.ignored(block, ["Tom, 12"], ["Tom"]) is None
    reason = fitting.ignored(block, ["Tom, 12", "Once upon"], [])
    assert reason is not None
    assert "1 of 2 complete answers" in reason
    assert "Once upon" in reason


@pytest.mark.parametrize(
    ("key", "begun"),
    [("json_schema", ' {\n  "age": '), ("regex", "Li"), ("grammar", "Ben and \ufffd")],
)
def test_answers_that_are_cut_off_show_what_they_began_with(key: str, begun: str) -> None:
    """None of them could have fitted if the constraint was ignored; one that could is enough."""
    block = block_of(guided(key))
    assert fitting.ignored(block, [], ["Once upon", begun]) is None
    assert "no answer fits" in (fitting.ignored(block, [], ["Once upon a", "\ufffd" * 9]) or "")
    assert fitting.ignored(block, [], [" ", "\ufffd"]) is None
    assert fitting.ignored(block, [], []) is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "one of json_schema, regex and grammar"),
        ({"regex": "a", "grammar": 'root ::= "a"'}, "one of json_schema, regex and grammar"),
        ({"regex": "(a"}, "not a regular expression"),
    ],
)
def test_a_block_has_one_constraint(keys: dict[str, Any], words: str) -> None:
    """Neither none nor two."""
    with pytest.raises(UserError, match=words):
        technique_of({"kind": "guided", **keys})


@pytest.mark.parametrize(
    ("key", "constraint", "words"),
    [
        ("json_schema", {"type": "nonsense"}, "nonsense"),
        ("json_schema", {"not": {"type": "string"}}, "not"),
        ("regex", r"(a)\1", "llguidance cannot read it"),
        ("grammar", 'root ::= "a" | other\n', "other"),
    ],
)
def test_what_cannot_be_read_is_refused_while_planning(
    key: str, constraint: Any, words: str
) -> None:
    """The reason is the library's; one that it can read has none, nor has an environment it."""
    reason = guided(key, constraint).unsupported(WHERE)
    assert reason is not None
    assert words in reason
    assert guided(key).unsupported(WHERE) is None
    assert "no llguidance" in (guided(key).unsupported(replace(WHERE, environment="x")) or "")


def test_a_server_gets_the_schema_as_it_is() -> None:
    """A field with nothing but a placeholder has the value; another key's block is not for it."""
    runs = RunsTechnique.model_validate(
        {
            "technique": {"kind": "guided"},
            "fields": {"wanted": {"json": "{json_schema}"}, "text": "as {json_schema}"},
        }
    )
    block = block_of(guided("json_schema"))
    assert runs.stands_for(block)
    assert not runs.stands_for(block_of(guided("regex")))
    fields = runs.filled(block).fields
    assert fields["wanted"] == {"json": SCHEMA}
    assert fields["text"] == f"as {json.dumps(SCHEMA)}"
