"""Random answers: the choice of tokens, the requests of a task with `samples`, and their scores."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.dialects import Ask, Dialect
from frontier.dialects.chat import Chat
from frontier.dialects.common.fields import fields
from frontier.engines.common.choosing import candidates, chooser, likeliest
from frontier.planning.cells import cell
from frontier.prompts import sample_ids
from frontier.requests import Sampling
from frontier.results.cell import Metric
from frontier.results.key import Key
from frontier.results.layout import Place
from frontier.scorers.code import Code
from frontier.specs.measure import MeasuredTask
from frontier.tables.sides import ComparedCell, scores

LOGITS = arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(-30, 30, width=32))
TASK = {"prompt": "{question} =", "max_new_tokens": 4, "stop": ()}
SAMPLES = {"count": 3, "temperature": 0.8, "top_p": 0.95, "seed": 0}
ROWS = [{"id": f"r{n}", "fields": {"question": f"{n} + 1"}} for n in range(2)]


@example(np.zeros(20, np.float32), 1.0, 0.5)  # half of them, but for the rounding of their sum
@given(LOGITS, st.floats(0.01, 5), st.floats(0.01, 1))
def test_candidates_are_as_few_as_have_the_share(
    logits: np.ndarray[Any, Any], temperature: float, top_p: float
) -> None:
    """The likeliest ones, together at least as likely, and without the last one less."""
    kept, shares = candidates(logits, Sampling(temperature, top_p, 0))
    every = np.exp(logits.astype(float) / temperature - (logits.astype(float) / temperature).max())
    every /= every.sum()
    assert shares == pytest.approx(every[kept])
    assert shares.sum() >= top_p - 1e-9
    if top_p < 1:
        assert shares[:-1].sum() < top_p + 1e-9
        left = np.delete(every, kept)
        assert not len(left) or shares.min() >= left.max()


@given(LOGITS, st.integers(0, 2**31 - 1))
def test_the_choice_depends_on_the_seed_alone(logits: np.ndarray[Any, Any], seed: int) -> None:
    """Each request has its own generator; a tiny temperature chooses a likeliest token."""
    sampling = Sampling(1.0, 0.9, seed)
    first, again = chooser(sampling), chooser(sampling)
    assert [first(logits) for _ in range(5)] == [again(logits) for _ in range(5)]
    assert logits[chooser(Sampling(1e-6, 1.0, seed))(logits)] == pytest.approx(
        logits.max(), abs=1e-3
    )
    assert chooser(None) is likeliest


def test_tokens_come_as_often_as_they_are_likely() -> None:
    """Within five standard errors, at temperature 2."""
    logits = np.log(np.array([0.16, 0.36, 0.04, 0.25], dtype=np.float32))
    shares = np.sqrt([0.16, 0.36, 0.04, 0.25])
    choose, count = chooser(Sampling(2.0, 1.0, 7)), 20_000
    found = Counter(choose(logits) for _ in range(count))
    for token, share in enumerate(shares / shares.sum()):
        assert abs(found[token] / count - share) < 5 * math.sqrt(share * (1 - share) / count)


def test_each_answer_has_a_request_and_a_seed_of_its_own() -> None:
    """The same in any other sample or count, so that nothing depends on what else is asked."""
    task = MeasuredTask.model_validate({**TASK, "samples": SAMPLES})
    found = task.questions(ROWS)
    assert [*found] == ["r0#1", "r0#2", "r0#3", "r1#1", "r1#2", "r1#3"]
    assert task.samples
    chosen = [task.samples.of(one) for one in found.values()]
    assert len({one.seed for one in chosen}) == 6
    assert {(one.temperature, one.top_p) for one in chosen} == {(0.8, 0.95)}
    assert len({one.input for one in found.values()}) == 6
    once = MeasuredTask.model_validate({**TASK, "samples": {**SAMPLES, "count": 1}})
    (first, _) = once.questions(ROWS).items()
    assert once.samples
    assert first[0] == "r0"
    assert once.samples.of(first[1]) == chosen[0]
    greedy = MeasuredTask.model_validate(TASK).questions(ROWS)
    assert [*greedy] == ["r0", "r1"] == [name for row in ROWS for name in sample_ids(row["id"], 1)]


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (None, {"temperature": 0}),
        (Sampling(0.8, 1.0, 5), {"temperature": 0.8, "seed": 5}),
        (Sampling(0.8, 0.9, 5), {"temperature": 0.8, "seed": 5, "top_p": 0.9}),
    ],
)
def test_servers_are_told(sampling: Sampling | None, said: dict[str, Any]) -> None:
    """The fields are those of OpenAI's protocol."""
    asked = fields(Chat(), Ask("m", "hello", 5, sampling=sampling), Dialect(api="chat"))
    assert {name: asked[name] for name in ("temperature", "seed", "top_p") if name in asked} == said


def test_where_nothing_is_sampled_a_cell_is_unsupported() -> None:
    """Scenarios with several requests at once; engines that say so are in the contract's tests."""
    catalogue = read_catalogue(ROOT / "config")
    task = catalogue.tasks["demo-arithmetic"]
    random = task.model_copy(update={"samples": SAMPLES})
    tasks = {**catalogue.tasks, "demo-arithmetic": random}
    catalogue = catalogue.model_copy(update={"tasks": tasks})
    place = Place("demo-llama", "cpu", "demo-arithmetic", "offline")
    found = cell(catalogue, place, lambda _accelerator, _gpus: None)
    assert (found.outcome, found.reason) == (
        "unsupported",
        "random answers are asked for one at a time, not in the scenario offline",
    )
    assert cell(
        catalogue, Place("demo-llama", "cpu", "demo-arithmetic"), lambda _accelerator, _gpus: None
    ).planned


def compared(copies: int) -> dict[str, Any]:
    """The comparison of two cells on 60 questions, with so many equal answers to each."""
    key = Key(variant="m-int4", model="m", quantization="int4", device="cpu", task="t")
    metric = Metric(value=0.5, low=None, high=None, unit="proportion", method="m")
    side = ComparedCell(
        Path("cell.json"), key, False, None, False, None, "pass_at_1", metric, Code(form="chat")
    )
    rows = [
        {
            "id": f"q{n}#{m}", "question": f"q{n}",
            "score": float(n % 2), "score_right": float(n % 2 and n % 5 > 0),
        }
        for n in range(60)
        for m in range(copies)
    ]  # fmt: skip
    return scores(side, side, pl.DataFrame(rows))


def test_copies_of_answers_say_no_more_in_a_comparison() -> None:
    """Questions are drawn: ten equal answers to each have the interval and p of one."""
    once, often = compared(1), compared(10)
    names = ("difference", "difference_low", "difference_high", "p")
    assert [often[name] for name in names] == pytest.approx([once[name] for name in names])
    assert often["p_method"] == "paired jackknife t over questions"
    assert often["requests"] == 600
    assert "lost" not in often
