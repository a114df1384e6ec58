"""A grown model as the judge of a small world whose truth is known: its errors are counted."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from frontier.catalogue.recipe import Recipe
from frontier.engines import LoadedModel, Settings
from frontier.engines.loaded import transformers
from frontier.grammars import GRAMMARS, Example
from frontier.growing import train
from frontier.judging.asking import Inquiry, Item, Requests, known_pairs
from frontier.judging.reading import RANGE
from frontier.judging.templates import Template
from frontier.quantizers import quantizer_of
from frontier.requests import Generate
from frontier.scorers import ScoredItem
from frontier.scorers.judge import Judge

PROMPT = "{question} = {right} ? {answer} :"
TEMPLATE = Template("rating", "{question} = {ref_answer_1} ? {answer} :")
RECIPE = Recipe.model_validate(
    {
        "architecture": "llama", "hidden": 64, "layers": 2, "heads": 2, "intermediate": 192,
        "positions": 64, "vocabulary": 400, "steps": 300, "learning_rate": 0.012,
        "corpora": {"ratings": {"prompt": PROMPT, "examples": 6000, "rows": 64}},
    }
)  # fmt: skip
WORLD = [*islice(GRAMMARS.load("ratings")().examples("test", 1), 120)]
ITEMS = [
    Item(f"r{at}", one.fields["question"], one.fields["answer"], one.fields["right"], {})
    for at, one in enumerate(WORLD)
]
TRUTH = {f"r{at}": one.stratum == "right" for at, one in enumerate(WORLD)}
SCORED = [ScoredItem(item.id, item.answer or "", item.reference, {}) for item in ITEMS]
SCORER = Judge.model_validate_json(json.dumps({"judge": "grown", "device": "cpu"}))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model that was trained on ratings of other questions, loaded as any checkpoint is."""
    folder = tmp_path_factory.mktemp("judge")
    train.save(train.grow(RECIPE, train.prepare(RECIPE), lambda _loss: None), folder)
    settings = Settings("cpu", "float32", 1, "plain", quantizer_of({"method": "native"}))
    return transformers.load(folder, settings)


@pytest.fixture(scope="module")
def said(judge: LoadedModel) -> tuple[list[Inquiry], dict[str, str]]:
    """The requests about all answers and the check's pairs, and the judge's texts."""
    requests = Requests(TEMPLATE)
    requests.add(ITEMS)
    requests.check(known_pairs(ITEMS))
    texts = {name: judge.generate(Generate(text, 8)).text for name, text in requests.texts.items()}
    return requests.asked, texts


def test_its_questions_are_of_no_training_example() -> None:
    """A question is in one split, whatever answers are rated."""
    trained = {
        one.fields["question"] for one in islice(GRAMMARS.load("ratings")().examples("train", 0), 6000)
    }  # fmt: skip
    assert not trained & {item.question for item in ITEMS}
    assert 40 < sum(TRUTH.values()) < 80
    assert all(isinstance(one, Example) for one in WORLD)


def test_the_share_of_its_verdicts_that_are_wrong_is_known(
    said: tuple[list[Inquiry], dict[str, str]],
) -> None:
    """It errs less than a coin, and its score is wrong by its errors in both directions."""
    asked, texts = said
    score = SCORER.model_copy(update={"at_least": 0.0}).score_judged(SCORED, asked, texts)
    verdicts = {item.id: row["score"] for item, row in zip(SCORED, score.requests, strict=True)}
    assert not score.unscored, "it has learned to write ratings"
    assert {*verdicts.values()} <= {0.0, 1.0}
    wrong = {name for name, truth in TRUTH.items() if verdicts[name] != truth}
    praised = sum(not TRUTH[name] for name in wrong)
    share = len(wrong) / len(TRUTH)
    print(f"wrong verdicts: {share:.1%}, of them {praised} for wrong answers")
    assert share < 0.4
    truth = sum(TRUTH.values()) / len(TRUTH)
    measured = score.metrics["judged"].value
    assert measured == pytest.approx(truth + (2 * praised - len(wrong)) / len(TRUTH))
    assert score.metrics["rating"].value == pytest.approx(1 + RANGE * measured)


def test_its_check_decides_whether_its_verdicts_count(
    said: tuple[list[Inquiry], dict[str, str]],
) -> None:
    """The share of pairs in which it rates the right answer higher; below the threshold nothing."""
    asked, texts = said
    pairs = [one for one in asked if one.check]
    right = sum(
        "10" in texts[str(one.first)] and "10" not in texts[str(one.second)] for one in pairs
    )
    for at_least in (right / len(pairs), right / len(pairs) + 0.01):
        scorer = SCORER.model_copy(update={"at_least": at_least})
        found = scorer.score_judged(SCORED, asked, texts)
        assert found.details["check"]["value"] == pytest.approx(right / len(pairs))
        withheld = at_least > right / len(pairs)
        assert (found.metrics["judged"].value is None) == withheld
    assert right / len(pairs) > 0.5
