"""MMLU: 57 subjects in four categories, as the original's CSV files or the hub's Parquet files.

Letters are the answers. A question is without white space around it, options are as in the files.
Source: Hendrycks et al., "Measuring massive multitask language understanding" (ICLR 2021), whose
code has the categories.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from frontier.blocks import Decides
from frontier.datasets import Loader, Row
from frontier.datasets.common.cells import text_of
from frontier.datasets.common.files import entries
from frontier.datasets.common.tables import Form, records
from frontier.errors import UserError, did_you_mean
from frontier.text import shown

LETTERS = "ABCD"
CATEGORIES = {
    "STEM": """
        abstract_algebra astronomy college_biology college_chemistry college_computer_science
        college_mathematics college_physics computer_security conceptual_physics
        electrical_engineering elementary_mathematics high_school_biology high_school_chemistry
        high_school_computer_science high_school_mathematics high_school_physics
        high_school_statistics machine_learning
    """,
    "humanities": """
        formal_logic high_school_european_history high_school_us_history high_school_world_history
        international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy
        prehistory professional_law world_religions
    """,
    "social sciences": """
        econometrics high_school_geography high_school_government_and_politics
        high_school_macroeconomics high_school_microeconomics high_school_psychology
        human_sexuality professional_psychology public_relations security_studies sociology
        us_foreign_policy
    """,
    "other": """
        anatomy business_ethics clinical_knowledge college_medicine global_facts human_aging
        management marketing medical_genetics miscellaneous nutrition professional_accounting
        professional_medicine virology
    """,
}
CATEGORY = {subject: name for name, listed in CATEGORIES.items() for subject in listed.split()}
"""Each subject's category."""
SPLITS = {"dev": "dev", "validation": "val", "test": "test"}
"""The splits, with their names in the original's files."""
CSV = Form(header=("question", *LETTERS, "answer"))
PARQUET = ("question", "subject", "choices", "answer")


class Mmlu(Loader):
    """Questions with four lettered options; a stratum is a subject."""

    FILES = re.compile(
        r"(?P<subject>\w+)_(?P<csv>dev|val|test)\.csv"
        r"|(?P<split>dev|validation|test)-\d+-of-\d+\.parquet"
    )

    split: Annotated[Literal["dev", "validation", "test"], Decides("sample")] = "test"
    """The split: `dev` has five questions of each subject, for shots."""

    def fields(self) -> tuple[str, ...]:
        """The question, its options, and its subject and category in words."""
        return ("question", *LETTERS, "subject", "category")

    def rows(self, folder: Path) -> Iterator[Row]:
        """The questions; ids have the subject, and the number of the question in it from 0.

        Raises UserError naming the file and row of an error, or if there are no files of the split.
        """
        numbers: Counter[str] = Counter()
        for where, subject, cells in self._raw(folder):
            if subject not in CATEGORY:
                hint = did_you_mean(subject, CATEGORY)
                raise UserError(f"{where}: {shown(subject)} is not a subject of MMLU{hint}")
            texts = {name: text_of(cells[name], where) for name in ("question", *LETTERS, "answer")}
            if lacking := next((name for name, text in texts.items() if not text.strip()), None):
                raise UserError(f"{where}: {lacking!r} is empty")
            if (answer := texts.pop("answer").strip()) not in LETTERS:
                raise UserError(f"{where}: answer {shown(answer)} is none of A, B, C, D")
            texts["question"] = texts["question"].strip()
            fields = texts | {"subject": subject.replace("_", " "), "category": CATEGORY[subject]}
            yield Row(f"{subject}-{self.split}-{numbers[subject]:06d}", fields, answer, subject)
            numbers[subject] += 1
        if not numbers:
            raise UserError(f"{folder}: no questions of MMLU's split {self.split!r}")

    def _raw(self, folder: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Each row's place, subject and cells, in the files' order."""
        for entry in entries(folder, self.FILES):
            found = self.FILES.fullmatch(entry.name.name)
            assert found
            if found["csv"] == SPLITS[self.split]:
                for where, _, cells in records(entry, CSV, ()):
                    yield where, found["subject"], cells
            elif found["split"] == self.split:
                for where, _, cells in records(entry, Form(), PARQUET):
                    choices, answer = cells["choices"], cells["answer"]
                    if not isinstance(choices, list) or len(choices) != len(LETTERS):
                        raise UserError(f"{where}: choices are not four")
                    if not isinstance(answer, int) or not 0 <= answer < len(LETTERS):
                        raise UserError(f"{where}: answer {shown(str(answer))} is not 0, 1, 2 or 3")
                    lettered = dict(zip(LETTERS, choices, strict=True))
                    yield where, cells["subject"], {**cells, **lettered, "answer": LETTERS[answer]}
