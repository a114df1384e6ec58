"""The columns of ratings.parquet: name, type, unit and meaning."""

from __future__ import annotations

from frontier.results.columns import COLUMNS, NAMES, Column, with_interval

RATINGS: tuple[Column, ...] = (
    *(column for column in COLUMNS if column.name in NAMES),
    Column("judge", "text", "", "the variant that judged"),
    Column("judge_device", "text", "", "the device on which it judged"),
    Column("form", "text", "", "rating: each answer by itself; others: in pairs, in both orders"),
    Column(
        "own", "text", "",
        "the judge's relation to this variant: itself, same model or related model (by base): "
        "it may favour it, by an unknown amount; missing: none is known",
    ),
    *with_interval(
        "rating", "points",
        "Bradley and Terry's, by the games between the variants of a task, scenario and device; "
        "their mean is 1000, and 400 more are odds of 10 to 1 in favour",
    ),
    Column("rating_method", "text", "", "method of the interval of rating, or why it has none"),
    Column("unrated", "text", "", "why there is no rating"),
    Column(
        "rank", "count", "",
        "1, and one more for each variant whose interval is above this one's; missing without one",
    ),
    Column("games", "count", "games", "games of this variant, one for each order of a pair"),
    Column("wins", "number", "games", "games that it won; a tie is half a win"),
    Column("left_out", "count", "pairs", "pairs without a verdict in either order, not rated"),
    Column("questions", "count", "questions", "questions with a game of this variant"),
    *with_interval("score", "proportion", "the cell's score by this judge"),
    *with_interval(
        "check", "proportion",
        "pairs with a known better answer in which the judge named it; below the scorer's at_least "
        "its verdicts are withheld",
    ),
    Column("check_pairs", "count", "pairs", "pairs of the judge's check"),
    Column("withheld", "text", "", "why the judge's verdicts about this cell are withheld"),
    *with_interval("consistent", "proportion", "pairs with the same verdict in both orders"),
    *with_interval(
        "first_placed", "proportion",
        "verdicts for the answer that was shown first, of those for either: .5 is unbiased",
    ),
    *with_interval(
        "longer", "proportion",
        "pairs won by the longer answer, of those won by either whose lengths differ",
    ),
)  # fmt: skip
"""A row for each variant that a judge judged, in each task and scenario, on each device."""
