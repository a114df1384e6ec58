"""Requests to judges and their verdicts: the pitfalls of the field, and MT-Bench's own templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.errors import UserError
from frontier.judging import verdicts
from frontier.judging.agreement import Judged, check, habits, trusted
from frontier.judging.templates import (
    OWN,
    PAIRS,
    Answered,
    Template,
    from_alpaca_eval,
    from_mt_bench,
    own,
    request,
)
from frontier.judging.verdicts import Verdict

DATA = Path(__file__).parents[3] / "shared" / "data"
ASKED = Answered(("What is 2 + 2?",), ("4",), ("four",))
OTHER = Answered(("What is 2 + 2?",), ("5",))


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Good. Rating: [[8]]", 8), ("[[8.5]]", 8.5), ("Rating: [7]", 7), ("[[10]].", 10),
        ("The answer says [[10]], which is no rating. [[2]]", 2),
        ("[9] out of [10], so [[3]]", 3),
        ("Rating: [[11]]", None), ("[[0]]", None), ("[[-3]]", None), ("[[8/10]]", None),
        ("[[rating]]", None), ("8", None), ("", None), ("[[5]] then [[99]]", None),
        ("<think>[[9]]</think>[[2]]", 2), ("<think>It may be [[9]]", None), ("[[٥]]", None),
    ],
)  # fmt: skip
def test_ratings(text: str, rating: float | None) -> None:
    assert verdicts.rating(text) == rating


@pytest.mark.parametrize(
    ("form", "text", "verdict"),
    [
        ("pair", "A is better: [[A]]", Verdict(1)), ("pair", "[[B]]", Verdict(0)),
        ("pair", "tie [[C]]", Verdict(0.5)),
        ("pair", "B ends with '[[B]]', a trick. My verdict: [[A]]", Verdict(1)),
        ("pair", "A", None), ("pair", "[[a]]", None), ("pair", "[[A>B]]", None), ("pair", "", None),
        ("arena", "[[A>>B]]", Verdict(1, strong=True)), ("arena", "[[A>B]]", Verdict(1)),
        ("arena", "[[A=B]]", Verdict(0.5)), ("arena", "[[B>A]]", Verdict(0)),
        ("arena", "[[B>>A]]", Verdict(0, strong=True)),
        ("arena", "not [[A>B]] but [[B>A]]", Verdict(0)),
        ("arena", "[[A>B]] or [[A<B]]", None), ("arena", "[[A]]", None), ("arena", "A>B", None),
        ("identifier", "m", Verdict(1)), ("identifier", " M\n", Verdict(0)),
        ("identifier", '"M"', Verdict(0)), ("identifier", "m is better", None),
        ("identifier", "", None),
    ],
)  # fmt: skip
def test_verdicts_of_pairs(form: str, text: str, verdict: Verdict | None) -> None:
    assert PAIRS[form](text) == verdict


def test_identifiers_by_probability() -> None:
    found = verdicts.by_logprobs({"m": -4.048847, "M": -0.017597, "I": -9.0})
    assert found is not None
    assert 2 - found.preference == pytest.approx(1.98256, abs=5e-6)
    assert verdicts.by_logprobs({" m": -0.1, "m": -3.0, "The": -4.0}) == Verdict(1)
    assert verdicts.by_logprobs({"The": -0.1}) is None
    assert verdicts.by_logprobs({}) is None


@given(st.text(max_size=60))
def test_no_text_stops_a_reader(text: str) -> None:
    assert verdicts.rating(text) is None or "[" in text
    for read in PAIRS.values():
        found = read(text)
        assert found is None or found.preference in (0, 0.5, 1)


def test_an_answer_cannot_fill_other_fields() -> None:
    """An answer that holds a field's name, or braces of code, reaches the judge as it is."""
    sly = Answered(("Q {answer_b}?",), ("f'{x}' {question} {{answer_b}} \\1",))
    honest = Answered(sly.questions, ("plain",))
    text = request(own("pair"), sly, honest)
    assert text.count("plain") == 1
    assert sly.answers[0] in text
    assert "Q {answer_b}?" in text


def test_order_and_roles() -> None:
    text = request(own("pair"), ASKED, OTHER)
    assert text.index("\n4\n") < text.index("\n5\n")
    swapped = request(own("pair"), OTHER, ASKED)
    assert swapped.index("\n5\n") < swapped.index("\n4\n")
    with pytest.raises(ValueError, match="different questions"):
        request(own("pair"), ASKED, Answered(("Another?",), ("5",)))
    with pytest.raises(ValueError, match="no value for the field 'answer_a'"):
        request(own("pair"), ASKED)


@pytest.mark.parametrize("form", sorted(OWN))
def test_own_templates(form: str) -> None:
    template = own(form)  # type: ignore[index]
    assert template.form == form
    assert template.turns == 1
    assert not template.needs_reference
    second = None if form == "rating" else OTHER
    assert "What is 2 + 2?" in request(template, ASKED, second)


def test_a_template_shows_the_answers() -> None:
    with pytest.raises(ValueError, match=r"needs \{answer\}"):
        Template("rating", "{question}")
    with pytest.raises(ValueError, match=r"needs \{answer_a\} and \{answer_b\}"):
        Template("pair", "{question} {answer_a}")


def test_templates_of_two_turns_with_references() -> None:
    text = "{question_1}|{ref_answer_1}|{answer_1}|{question_2}|{ref_answer_2}|{answer_2}"
    template = Template("rating", text)
    assert (template.turns, template.needs_reference) == (2, True)
    both = Answered(("q1", "q2"), ("a1", "a2"), ("r1", "r2"))
    assert request(template, both) == "q1|r1|a1|q2|r2|a2"
    with pytest.raises(ValueError, match="shows 2 turns"):
        request(template, ASKED)
    with pytest.raises(ValueError, match="'ref_answer_2'"):
        request(template, Answered(("q1", "q2"), ("a1", "a2"), ("r1",)))


def test_templates_of_files(tmp_path: Path) -> None:
    row = {"name": "single", "type": "single", "system_prompt": "s", "prompt_template": "{answer}!"}
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps(row) + "\n")
    assert from_mt_bench(file, "single") == Template("rating", "{answer}!", "s")
    with pytest.raises(UserError, match=r"no template 'singel'.*single"):
        from_mt_bench(file, "singel")
    file.write_text("{}\n")
    with pytest.raises(UserError, match="not a file of judges' templates"):
        from_mt_bench(file, "single")
    text = (
        "<|im_start|>system\nbe fair\n<|im_end|>\n<|im_start|>user\n"
        '{ "instruction": """{instruction}""" } {output_1} {output_2}\n<|im_end|>\n'
    )
    file.write_text(text)
    found = from_alpaca_eval(file)
    assert (found.form, found.system) == ("identifier", "be fair")
    assert request(found, ASKED, OTHER) == '{ "instruction": """What is 2 + 2?""" } 4 5'
    file.write_text("nothing")
    with pytest.raises(UserError, match="ChatML"):
        from_alpaca_eval(file)


@pytest.mark.skipif(not (DATA / "mt_bench").is_dir(), reason="MT-Bench's files are not here")
def test_mt_bench_own_templates() -> None:
    file = DATA / "mt_bench" / "judge_prompts.jsonl"
    names = [json.loads(line)["name"] for line in file.read_text().splitlines()]
    assert len(names) == 8
    both = Answered(("q one", "q two"), ("a one", "a two"), ("r one", "r two"))
    for name in names:
        template = from_mt_bench(file, name)
        assert template.turns == (2 if "multi-turn" in name else 1)
        assert template.needs_reference == ("math" in name)
        text = request(template, both, None if template.form == "rating" else both)
        assert "{question" not in text
        assert ("q two" in text) == (template.turns == 2)
        assert ("r one" in text) == template.needs_reference


@pytest.mark.skipif(not (DATA / "alpaca_eval").is_dir(), reason="AlpacaEval's are not here")
def test_alpaca_eval_own_prompt() -> None:
    template = from_alpaca_eval(DATA / "alpaca_eval" / "judge_prompt.txt")
    text = request(template, ASKED, OTHER)
    assert '"instruction": """What is 2 + 2?"""' in text
    assert text.index('"""4"""') < text.index('"""5"""')
    assert "{output" not in text


def test_habits_of_a_judge_who_prefers_what_is_first() -> None:
    pairs = [Judged(1, 0, 10, 20) for _ in range(8)] + [Judged(1, 1, 30, 20), Judged(0, 0, 30, 20)]
    pairs += [Judged(None, 1, 5, 6), Judged(0.5, 0.5, 5, 6), Judged(None, None, 9, 9, equal=True)]
    found = habits(pairs)
    assert [pair.preference for pair in pairs[-5:]] == [1, 0, None, 0.5, 0.5]
    assert found.consistent.value == pytest.approx(3 / 11)
    assert found.first_placed.value == pytest.approx((8 + 8 + 2 + 0) / 21)
    assert found.longer.value == pytest.approx(1 / 2)
    assert found.ties.value == pytest.approx(9 / 11)
    assert (found.unparsable, found.equal) == (1, 1)
    nothing = habits([])
    assert nothing.consistent.value is nothing.longer.value is None


def test_a_judge_below_its_threshold_is_not_trusted() -> None:
    found = check([1, 1, 1, 0, None, 0.5, 1, 1, 1, 1])
    assert found.value == 0.7
    assert trusted(found, 0.7) is None
    assert "70% of the pairs" in (trusted(found, 0.8) or "")
    assert trusted(check([]), 0.8) == "the judge was not checked"
