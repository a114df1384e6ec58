"""Cells with a judge's games into ratings.parquet and the report: a small world of known truth."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cells import ROOT, Cell, write
from frontier.errors import UserError
from frontier.judging import games
from frontier.judging.asking import Item, Requests, known_pairs
from frontier.judging.kinship import ITSELF, RELATED, SAME_MODEL, kinship
from frontier.results.outputs import schema
from frontier.results.rating_columns import RATINGS
from frontier.scorers import CHOSEN, ScoredItem
from frontier.scorers.judge import Judge
from frontier.stats.ratings import Game, ratings
from frontier.tables.ratings import ALONE, table
from score import GAMES

QUESTIONS = [f"demo-sentiment-test-{row:06d}" for row in range(40)]
"""The requests of tests/cells.py."""
SKILLS = {"llama": 0.8, "llama-int8": 0.7, "llama-int4": 0.35}
Says = Callable[[str], str]


def answers(variant: str) -> dict[str, str]:
    """Right answers, and wrong ones that differ between variants."""
    rng = np.random.default_rng(sum(map(ord, variant)))
    right = rng.random(len(QUESTIONS)) < SKILLS[variant]
    return {
        name: f"right {row}" if good else f"wrong {row} {variant}"
        for row, (name, good) in enumerate(zip(QUESTIONS, right, strict=True))
    }


def honest(text: str) -> str:
    asked = text.split("<question>\nquestion ")[1].split("\n")[0]
    first, second = (
        part.split("\n</answer")[0].split(">\n", 1)[1] == f"right {asked}"
        for part in text.split("<answer")[1:]
    )
    return "[[C]]" if first == second else "[[A]]" if first else "[[B]]"


def first(text: str) -> str:
    return "[[A]]"


def judge(**options: Any) -> Judge:
    given = {"judge": "llama-int8", "device": "cpu", "form": "pair", "against": [*SKILLS]}
    return Judge.model_validate_json(json.dumps({**given, **options}))


def written(
    results: Path, variant: str, says: Says = honest, others: Sequence[str] = (*SKILLS,),
    texts: Mapping[str, Mapping[str, str]] | None = None, **options: Any,
) -> Path:  # fmt: skip
    """A cell that was scored by the judge's verdicts on its answers."""
    scorer = judge(**{"against": [*others], **options})
    given = texts or {name: answers(name) for name in SKILLS}
    items = [
        Item(name, f"question {row}", given[variant][name], f"right {row}",
             {one: given[one][name] for one in others if one != variant})
        for row, name in enumerate(QUESTIONS)
    ]  # fmt: skip
    requests = Requests(scorer.asks())
    requests.add(items)
    requests.check(known_pairs(items))
    said = {name: says(text) for name, text in requests.texts.items()}
    scored = [ScoredItem(name, given[variant][name], "", {}) for name in QUESTIONS]
    found = scorer.score_judged(scored, requests.asked, said)
    model, _, quantization = variant.partition("-")
    path = write(results, Cell(model, quantization or "native", requests=len(QUESTIONS)))
    cell = json.loads(path.read_text(encoding="utf-8"))
    cell["score"] |= {
        "primary": "judged", "details": found.details, "scorer": CHOSEN.write(scorer),
        "metrics": {name: asdict(one) for name, one in found.metrics.items()},
    }  # fmt: skip
    path.write_text(json.dumps(cell), encoding="utf-8")
    rows = pl.read_parquet(path.with_suffix(".parquet"))
    more = pl.DataFrame(found.requests, schema_overrides={games.COLUMN: GAMES})
    rows.with_columns(more.get_columns()).write_parquet(path.with_suffix(".parquet"))
    return path


def by_variant(found: pl.DataFrame) -> dict[str, dict[str, Any]]:
    assert found.schema == schema(RATINGS)
    return {row["variant"]: row for row in found.to_dicts()}


def test_every_pair_of_variants_counts_once(tmp_path: Path) -> None:
    """The ratings of games counted here, of which each is judged in the cells of both sides."""
    rows = by_variant(table([written(tmp_path, variant) for variant in SKILLS]))
    given = {name: answers(name) for name in SKILLS}
    played = []
    for question in QUESTIONS:
        for one, other in (("llama", "llama-int8"), ("llama", "llama-int4"), ("llama-int8", "llama-int4")):  # fmt: skip
            good = [given[name][question].startswith("right") for name in (one, other)]
            score = 0.5 + (good[0] - good[1]) / 2
            played += [Game(one, other, score, question)] * 2
    for expected in ratings(played):
        row = rows[expected.player]
        assert row["rating"] == pytest.approx(expected.estimate.value)
        assert row["rating_low"] == pytest.approx(expected.estimate.low)
        assert row["rating_high"] == pytest.approx(expected.estimate.high)
        assert (row["rank"], row["games"], row["questions"]) == (expected.rank, 160, 40)
        assert row["wins"] == expected.wins
        assert (row["check"], row["check_pairs"], row["withheld"]) == (1, 20, None)
        assert row["consistent"] == 1
    assert rows["llama"]["rating"] > rows["llama-int4"]["rating_high"]
    assert sum(row["rating"] for row in rows.values()) == pytest.approx(3000)
    assert [rows[name]["own"] for name in SKILLS] == [SAME_MODEL, ITSELF, SAME_MODEL]


def test_one_cell_knows_its_games_with_variants_without_one(tmp_path: Path) -> None:
    rows = by_variant(table([written(tmp_path, "llama")]))
    assert {name: row["games"] for name, row in rows.items()} == {
        "llama": 160, "llama-int8": 80, "llama-int4": 80,
    }  # fmt: skip
    assert rows["llama-int4"]["rating"] is not None
    assert rows["llama-int4"]["check"] is rows["llama-int4"]["score"] is None


def test_a_judge_that_failed_its_check_rates_nobody(tmp_path: Path) -> None:
    rows = by_variant(table([written(tmp_path, variant, first) for variant in SKILLS]))
    for row in rows.values():
        assert row["rating"] is row["rating_low"] is row["rank"] is None
        assert "named the better answer in 0%" in row["withheld"]
        assert row["unrated"] == row["withheld"]
        assert (row["check"], row["first_placed"], row["games"]) == (0, 1, 0)


def test_variants_without_finite_ratings_have_the_reason(tmp_path: Path) -> None:
    """One that wins every game; one that is not compared; equal answers, whose spread is 0."""
    texts = {"llama": {name: f"right {row}" for row, name in enumerate(QUESTIONS)},
             "llama-int4": {name: f"wrong {name}" for name in QUESTIONS}}  # fmt: skip
    pair = ("llama", "llama-int4")
    won = [written(tmp_path / "won", name, others=pair, texts=texts) for name in pair]
    for row in by_variant(table(won)).values():
        assert row["rating"] is None
        assert "lost, or won, all their games" in row["unrated"]
        assert row["games"] == 80
    baseline = written(
        tmp_path / "rated", "llama", lambda _: "[[5]]", (), form="rating", at_least=0.0
    )
    assert by_variant(table([baseline]))["llama"]["unrated"] == ALONE
    same = dict.fromkeys(pair, texts["llama"])
    equal = [written(tmp_path / "equal", name, others=pair, texts=same) for name in pair]
    for row in by_variant(table(equal)).values():
        assert (row["rating"], row["rating_low"]) == (pytest.approx(1000), None)
        assert "fewer than 10 questions with a win or a loss" in row["rating_method"]


def test_pairs_without_a_verdict_are_left_out_and_counted(tmp_path: Path) -> None:
    def sometimes(text: str) -> str:
        return "I cannot say" if "question 3\n" in text else honest(text)

    pair = ("llama", "llama-int4")
    texts = {name: answers(name) for name in pair}
    texts["llama"][QUESTIONS[3]], texts["llama-int4"][QUESTIONS[3]] = "right 3", "wrong 3"
    paths = [written(tmp_path, name, sometimes, pair, texts) for name in pair]
    for row in by_variant(table(paths)).values():
        assert (row["left_out"], row["games"], row["questions"]) == (1, 78, 39)


def test_cells_by_another_scorer_have_no_row(tmp_path: Path) -> None:
    assert table([write(tmp_path, Cell("llama"))]).is_empty()


def test_a_judge_of_conduct_is_shown_with_its_check(tmp_path: Path) -> None:
    path = written(tmp_path, "llama")
    cell = json.loads(path.read_text(encoding="utf-8"))
    options = {"judge": "llama-int8", "device": "cpu"}
    cell["score"] |= {"scorer": {"kind": "conduct", "options": options}}
    path.write_text(json.dumps(cell), encoding="utf-8")
    (row,) = table([path]).to_dicts()
    assert (row["check"], row["check_pairs"], row["unrated"]) == (1, 20, ALONE)


@pytest.mark.parametrize("part", ["details", "games"])
def test_a_cell_without_what_is_read_is_refused(tmp_path: Path, part: str) -> None:
    path = written(tmp_path, "llama")
    if part == "details":
        cell = json.loads(path.read_text(encoding="utf-8"))
        del cell["score"]["details"]["check"]["pairs"]
        path.write_text(json.dumps(cell), encoding="utf-8")
    else:
        at = path.with_suffix(".parquet")
        pl.read_parquet(at).drop(games.COLUMN).write_parquet(at)
    with pytest.raises(UserError, match="score it again"):
        table([path])


def test_a_judge_is_known_by_its_model_and_the_models_original() -> None:
    models = {"llama": "llama", "llama-2-7b-int8": "llama-2-7b", "tuned": "tuned"}
    assert kinship("llama-2-7b", "llama", models, {}) is None
    assert kinship("llama-2-7b", "llama-2-7b-int8", models, {}) == SAME_MODEL
    assert kinship("llama-int4", "llama", models, {}) == SAME_MODEL
    assert kinship("tuned", "llama", models, {"tuned": "llama"}) == RELATED
    assert kinship("gpt-9", "llama", models, {}) is None


def run(program: str, *arguments: str | Path) -> None:
    given = [sys.executable, ROOT / "workflow" / "scripts" / program, *arguments]
    ran = subprocess.run(list(map(str, given)), capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr


def test_the_report_shows_ratings_with_what_is_known_of_the_judge(tmp_path: Path) -> None:
    listed = tmp_path / "cells.txt"
    paths = [written(tmp_path / "results", variant) for variant in SKILLS]
    listed.write_text("\n".join(map(str, paths)), encoding="utf-8")
    common = ["--cells-from", listed]
    study, compared, rated = (tmp_path / f"{name}.parquet" for name in ("study", "comparisons", "ratings"))  # fmt: skip
    locks = [tmp_path / f"{name}.lock.json" for name in ("study", "comparisons", "report")]
    run("aggregate.py", *common, "--parquet", study, "--csv", tmp_path / "s.csv", "--lock", locks[0])  # fmt: skip
    run("compare.py", *common, "--parquet", compared, "--csv", tmp_path / "c.csv", "--ratings", rated, "--lock", locks[1])  # fmt: skip
    assert {"ratings.parquet", "ratings.csv"} <= json.loads(locks[1].read_text())["files"].keys()
    page = tmp_path / "report.html"
    run("render.py", *common, "--study", study, "--comparisons", compared, "--ratings", rated,
        "--charts", tmp_path / "charts", "--output", page, "--lock", locks[2])  # fmt: skip
    html = page.read_text(encoding="utf-8")
    assert '<h2 id="judged">Judged</h2>' in html
    assert '<div class="scroll" data-place="demo-sentiment/cpu"' in html.partition('id="judged"')[2]
    assert "100.0 % of 20" in html
    assert "The judge judges itself: by how much it favours itself is not known." in html
    assert "The judge is of the same model" in html
    assert [path.suffix for path in sorted((tmp_path / "charts").glob("ratings-*"))] == [".png", ".svg"]  # fmt: skip
    best = by_variant(pl.read_parquet(rated))["llama"]
    assert f"{best['rating']:.0f}" in html
    assert f"{best['rating_low']:.0f}" in html
