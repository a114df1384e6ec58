"""The variants that a model judged, and what is known of the judge, as the report shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from frontier import words
from frontier.judging.kinship import ITSELF
from frontier.report.deciding.findings import Group
from frontier.report.naming import Naming
from frontier.report.writing.tables import Box
from frontier.results.columns import StudyRow
from frontier.text import visible

HEADINGS = (
    "Rating", "Rank", "Games", "Judged", "Judge’s check", "Same in both orders", "For the first",
    "For the longer",
)  # fmt: skip


@dataclass(frozen=True)
class JudgedTable:
    """The variants of one task in one scenario on one device, judged by one judge."""

    task: str
    device: str
    place: str
    judge: str
    rows: list[tuple[str, list[Box], str]]
    """A variant, its figures, and remarks."""


def judged_tables(groups: Sequence[Group], naming: Naming) -> list[JudgedTable]:
    """A table for each judge of each group."""
    return list(_tables(groups, naming))


def _tables(groups: Sequence[Group], naming: Naming) -> Iterator[JudgedTable]:
    for group in groups:
        judges: dict[tuple[str, str, str], list[StudyRow]] = {}
        for row in sorted(group.ratings, key=lambda row: -(row["rating"] or 0)):
            judges.setdefault((row["judge"], row["judge_device"], row["form"]), []).append(row)
        for (judge, device, form), rows in judges.items():
            how = "each answer by itself" if form == "rating" else "pairs of answers in both orders"
            yield JudgedTable(
                naming.task(group.task, group.scenario),
                naming.devices.label(group.device),
                group.place,
                f"{_variant(judge, naming)} on {naming.devices.label(device)}, {how}",
                [(_variant(row["variant"], naming), _boxes(row), _remarks(row)) for row in rows],
            )


def _variant(variant: str, naming: Naming) -> str:
    """A variant's label; its id where the study has no cell of it."""
    return naming.variant(variant) if naming.knows(variant) else visible(variant, 80)


def _boxes(row: StudyRow) -> list[Box]:
    rating = Box(words.MISSING)
    if row["rating"] is not None:
        ends = row["rating_low"], row["rating_high"]
        rating = Box(f"{row['rating']:.0f}", words.interval(ends, places=0))
    rank = words.MISSING if row["rank"] is None else str(row["rank"])
    check = _share(row, "check")
    if row["check_pairs"] is not None:
        counted = f"{check.text} of {row['check_pairs']}"
        check = Box(counted, check.interval)
    shares = [_share(row, name) for name in ("consistent", "first_placed", "longer")]
    return [rating, Box(rank), Box(f"{row['games']}"), _share(row, "score"), check, *shares]


def _share(row: StudyRow, name: str) -> Box:
    """A share with its interval, in points."""
    if row[name] is None:
        return Box(words.MISSING)
    low, high = (
        None if row[end] is None else 100 * row[end] for end in (f"{name}_low", f"{name}_high")
    )
    return Box(words.score(100 * row[name], proportion=True), words.interval([low, high], places=1))


def _remarks(row: StudyRow) -> str:
    """The remarks that a reader of the figures needs."""
    found = []
    if row["own"] == ITSELF:
        found.append("The judge judges itself: by how much it favours itself is not known.")
    elif row["own"]:
        found.append(f"The judge is of the {row['own']}: by how much it favours it is not known.")
    if row["withheld"]:
        found.append(f"Withheld: {row['withheld']}.")
    elif row["unrated"]:
        found.append(f"No rating: {row['unrated'].removeprefix('no rating: ')}.")
    elif row["rating_low"] is None and row["rating_method"]:
        found.append(f"{row['rating_method'].capitalize()}.")
    if row["left_out"]:
        found.append(f"{words.count(row['left_out'], 'pair')} without a verdict left out.")
    return visible(" ".join(found), 600)
