"""The comparison with other tools: their output is read as it is, and each difference has a kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import little
from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))

from side_by_side.agreement import Steps, kind
from side_by_side.asked import Asked, Request
from side_by_side.programs import generate, hand
from side_by_side.running import FailedError, Ran, run
from side_by_side.tools import Outcome, lm_eval, optimum_benchmark
from side_by_side.tools.generate import Generate
from side_by_side.tools.loop import cut, outcome
from side_by_side.tools.ours import Ours
from side_by_side.workspace import random_llama

from side_by_side import agreement, table

TEXTS = st.text("ab \n.", max_size=8)
RAN = Ran(10.0, 500_000_000, 0.1)
OUTPUTS = ROOT / "tests" / "side_by_side"
"""Output of the tools' own releases, shortened."""


@given(TEXTS)
def test_a_text_equals_itself(text: str) -> None:
    """A missing one is not the same as an empty one."""
    assert kind(text, text, ["\n"]) == "equal"
    assert kind(text, None, ["\n"]) == "missing"


@given(TEXTS, st.sampled_from([" ", "\n", " \n"]))
def test_white_space_around_is_white_space(text: str, space: str) -> None:
    """No other kind has precedence."""
    assert kind(text, text + space, ["\n"]) == "white space"


@given(st.text("ab.", max_size=8), st.text("ab.", min_size=1, max_size=8))
@example("", "a")
def test_a_text_that_runs_on_behind_a_stop(text: str, more: str) -> None:
    """It is the same in either direction."""
    assert kind(text, f"{text}\n{more}", ["\n"]) == "stop text"
    assert kind(f"{text}\n{more}", text, ["\n"]) == "stop text"


@given(st.text("ab", min_size=1, max_size=5), st.integers(0, 4), st.floats(0, 1))
def test_a_tie_is_where_the_texts_part(text: str, place: int, margin: float) -> None:
    """The lead at that step counts, and no other one."""
    place %= len(text)
    other = text[:place] + "c"
    margins = [1.0] * len(text)
    margins[place] = margin
    steps = Steps([text[: step + 1] for step in range(len(text))], margins)
    expected = "rounding tie" if margin <= agreement.TIES["float32"] else "unexplained"
    assert kind(text, other, ["\n"], steps=steps) == expected
    assert kind(text, other, ["\n"]) == "unexplained"
    assert kind(text, other, ["\n"], other_ids=True, steps=steps) == "tokenization"


@given(st.dictionaries(st.text("abc", min_size=1), st.tuples(TEXTS, TEXTS), max_size=6))
def test_every_request_is_counted_once(texts: dict[str, tuple[str, str]]) -> None:
    """The words add up to all requests."""
    ours = {name: own for name, (own, _) in texts.items()}
    found = agreement.agreement(ours, {name: other for name, (_, other) in texts.items()}, ["\n"])
    assert found.keys() == ours.keys()
    equal = sum(own == other for own, other in texts.values())
    assert agreement.words(found).startswith(f"{equal} of {len(texts)}")


def test_generations_of_the_harness_are_read() -> None:
    """They are in the samples that it logs, by the place of the request."""
    lines = (OUTPUTS / "lm_eval_samples.jsonl").read_text(encoding="utf-8").splitlines()
    found = lm_eval.generations(map(json.loads, lines))
    assert sorted(found) == [0, 1, 2]
    assert all(isinstance(text, str) and text for text in found.values())


def test_a_report_of_optimum_benchmark_is_read() -> None:
    """Its decoding is divided by all tokens but the first, which is prefilled."""
    report = json.loads((OUTPUTS / "optimum_benchmark_report.json").read_text(encoding="utf-8"))
    found = optimum_benchmark.outcome(report, RAN)
    decode = report["decode"]["latency"]["values"]
    assert found.ttft == report["prefill"]["latency"]["values"]
    assert found.tpot == pytest.approx([one / 7 for one in decode])  # it generated 8 tokens each
    assert found.model_s == pytest.approx(sum(found.ttft) + sum(decode))


def rows() -> dict[str, table.Row]:
    """Rows of two tools in three rounds, and one that did not run."""
    ours, bare = Ours(), Generate()
    runs = [Outcome(Ran(5.0 + one, 10**8, 0.0), [0.01], [0.001], 2.0) for one in range(3)]
    twice = [Outcome(Ran(2 * (5.0 + one), 10**8, 0.0), [0.02], [0.001], 2.0) for one in range(3)]
    return {
        "ours": table.Row(ours, runs),
        "generate": table.Row(bare, twice),
        "lm-eval": table.Row(lm_eval.LmEval(), [], "no | network".replace("|", "/")),
    }


def test_ratios_are_paired_by_round() -> None:
    """A machine that is slower in one round is slower for both."""
    title, _, ours, bare, missing = table.lines(rows())
    assert len({line.count("|") for line in (title, ours, bare, missing)}) == 1
    assert "0.500 [0.500, 0.500]" in bare
    assert "67 %" in ours  # of 5, 6 and 7 s the model has 2
    assert "not run: no / network" in missing
    assert table.both(rows()) == table.NOTHING


@given(st.integers(1, 2000))
def test_a_random_model_has_about_its_size(megabytes: int) -> None:
    """Its recipe is the catalogue's, with layers of 28 MB."""
    recipe = random_llama(megabytes, {})
    assert abs(recipe["layers"] * 28.3 - megabytes) < 28.3
    assert recipe["steps"] == 0


def test_a_failed_program_says_why(tmp_path: Path) -> None:
    """The message has the end of its output."""
    with pytest.raises(FailedError, match="ended with 3:\nbecause"):
        run([sys.executable, "-c", "print('because'); raise SystemExit(3)"], tmp_path / "log")
    ran = run([sys.executable, "-c", "x = bytearray(80_000_000)"], tmp_path / "log")
    assert ran.peak_bytes > 80_000_000


def test_both_loops_give_the_same_answers(tmp_path: Path) -> None:
    """A bare `generate` and the loop by hand, on a random Llama."""
    checkpoint = little.checkpoint(tmp_path / "model")
    requests = [Request("a", "Once upon", [0, 50, 60], ""), Request("b", "What is", [0, 70], "")]
    asked = Asked(requests, 6, ["\n"], [1], [], "float32")
    file = tmp_path / "asked.json"
    asked.write(file)
    assert Asked.read(file) == asked
    threads, found = torch.get_num_threads(), []
    for program in (generate, hand):
        program.main(str(checkpoint), str(file), str(tmp_path / "answers.json"), threads)
        answers = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))
        found.append(outcome(answers, RAN, asked))
    assert found[0].texts == found[1].texts
    assert found[0].texts.keys() == {"a", "b"}
    assert all(len(one.ttft) == 2 and one.model_s for one in found)
    assert cut("a\nb", asked) == "a"


def test_the_command_explains_itself() -> None:
    """It starts, and lists the tools."""
    done = subprocess.run(
        [sys.executable, ROOT / "bench/side_by_side", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "optimum-benchmark" in done.stdout
