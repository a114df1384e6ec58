"""Every path of results/ and resources/: where each job writes, and what a path says.

No other module and no rule spells one (tests/unit/test_layout.py holds that). The rules' patterns
come from here as well: what is asked for as "{variant}" is a wildcard of Snakemake's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frontier.catalogue import ids
from frontier.errors import UserError
from frontier.host import caches, locks

RESULTS, RESOURCES = Path("results"), caches.OWN
FOLDERS = (RESULTS, RESOURCES)
MEASUREMENT, REQUESTS = "measurement.json", "requests.jsonl"
JOURNAL, JOURNAL_LOCK = "journal.jsonl", "journal.lock"
STUDY, COMPARISONS, REPORT = "study", "comparisons", "report"
TABLES = (STUDY, COMPARISONS)
ADDED, CHARTS = ids.FOLDERS
CELL = "results/VARIANT/DEVICE/TASK.json"
"""How a cell's path reads in a message."""
VERSION = 2
"""Of the layout of files and of what they hold: written into them, and required of what is read."""
LONGEST = 100  # letters of a name: file systems take 255 bytes, temporary names and @NAME included

_ID = ids.PATTERN
_PLACE = (
    rf"(?P<variant>{_ID}(?:\+{_ID})*)/(?P<device>{_ID}(?:@{_ID})?)"
    rf"/(?P<task>{ids.UNDOTTED})(?:\.(?P<scenario>{ids.UNDOTTED}))?"
)
_SUMMARY = re.compile(rf"{_PLACE}\.json")
# A cell's summary, its table of requests, and what both were scored from.
_FILE = re.compile(
    rf"(?P<cell>{_PLACE})"
    rf"(?:\.json|\.parquet|/[0-9a-f]{{16}}/(?:{re.escape(MEASUREMENT)}|{re.escape(REQUESTS)}))"
)


@dataclass(frozen=True, order=True)
class Place:
    """Where a cell lies: by which names it is asked for."""

    variant: str
    device: str
    task: str
    scenario: str = ids.SINGLE_STREAM

    @property
    def name(self) -> str:
        """VARIANT/DEVICE/TASK or VARIANT/DEVICE/TASK.SCENARIO, the same below any results/."""
        ending = "" if self.scenario == ids.SINGLE_STREAM else f".{self.scenario}"
        return f"{self.variant}/{self.device}/{self.task}{ending}"

    @property
    def summary(self) -> Path:
        """The cell's JSON."""
        return self.summary_in(RESULTS)

    def summary_in(self, results: Path) -> Path:
        """The cell's JSON below another folder."""
        return results / f"{self.name}.json"

    @property
    def requests(self) -> Path:
        """The cell's table: a row a request."""
        return RESULTS / f"{self.name}.parquet"

    def measurement(self, identity: str) -> Path:
        """What was measured by that identity; its requests lie beside it."""
        return RESULTS / self.name / identity / MEASUREMENT


WILDCARDS = Place("{variant}", "{device}", "{task}{scenario}")
"""The place of any cell, as the rules ask for it: a scenario has its dot before it."""


def asked(variant: str, device: str, task: str) -> Place:
    """The place of names that somebody asks for; the task may have a scenario behind it.

    Raises UserError for a scenario that no path names.
    """
    task, dot, scenario = task.partition(".")
    place = Place(variant, device, task, scenario or ids.SINGLE_STREAM)
    if dot and scenario in ("", ids.SINGLE_STREAM):
        raise UserError(f"{ids.SINGLE_STREAM} has no ending: the cell is {place.summary}")
    return place


def place_of(summary: Path | str) -> Place | None:
    """The place of VARIANT/DEVICE/TASK.json below results/; None for a path that is no cell's."""
    found = _SUMMARY.fullmatch(Path(summary).as_posix())
    if not found or found["scenario"] == ids.SINGLE_STREAM:
        return None
    names = found["variant"], found["device"], found["task"]
    return Place(*names, found["scenario"] or ids.SINGLE_STREAM)


def check_version(found: object, where: Path | str) -> None:
    """Raise UserError unless this is the layout that is read here; None: a file that says none."""
    if found != VERSION:
        later = isinstance(found, int) and found > VERSION
        raise UserError(
            f"{where}: written by {'a later' if later else 'an earlier'} release, in another layout"
            f" ({'none' if found is None else found} where this one reads {VERSION})"
        )


def name_of(summary: Path) -> str:
    """VARIANT/DEVICE/TASK of a cell's JSON, in whatever folder it lies."""
    return "/".join(summary.with_suffix("").parts[-3:])


def cell_of(file: str) -> str | None:
    """VARIANT/DEVICE/TASK of the cell that a name below results/ belongs to; None if to none."""
    found = _FILE.fullmatch(file)
    return found["cell"] if found and max(map(len, file.split("/"))) <= LONGEST else None


def cells(results: Path) -> list[Path]:
    """The summaries of the cells that were made here; none that were added."""
    found = ((path, place_of(path.relative_to(results))) for path in results.glob("*/*/*.json"))
    return sorted(path for path, place in found if place and "@" not in place.device)


def requests_of(summary: Path) -> Path:
    """The table of requests beside a cell's JSON."""
    return summary.with_suffix(".parquet")


def measurements_of(summary: Path) -> list[Path]:
    """What was measured for a cell, by any identity, in order of these."""
    return sorted(summary.with_suffix("").glob(f"*/{MEASUREMENT}"))


def scored_of(measurement: Path) -> Path:
    """The cell's JSON that a measurement is scored as."""
    folder = measurement.parent.parent
    return folder.with_name(f"{folder.name}.json")


def table(name: str, ending: str = "parquet", results: Path = RESULTS) -> Path:
    """A table of the study."""
    return results / f"{name}.{ending}"


def report() -> Path:
    """The report."""
    return table(REPORT, "html")


def lock(name: str, results: Path = RESULTS) -> Path:
    """What a table or the report was made of, with the digests of its files."""
    return table(name, locks.NAME, results)


def charts(results: Path = RESULTS) -> Path:
    """The folder of the report's charts."""
    return results / CHARTS


def written(name: str, results: Path = RESULTS) -> Path:
    """Where a file lies that the lock of a table or of the report names."""
    return charts(results) / name if name.endswith((".svg", ".png")) else results / name


def added(results: Path, name: str) -> Path:
    """The list of the files that were added as `name`."""
    return results / ADDED / f"{name}.json"


def lists_of_added(results: Path) -> Iterator[Path]:
    """The lists of all that was added."""
    yield from sorted((results / ADDED).glob("*.json"))


def incoming(results: Path, name: str) -> Path:
    """A folder for what is being added as `name`: beside its place, for files to be moved there."""
    return results / ADDED / f".{name}.incoming"


def dataset(name: str, identity: str) -> Path:
    """The lock of a dataset's folder."""
    return RESOURCES / "datasets" / name / identity / locks.NAME


def sample(task: str, identity: str) -> Path:
    """A task's rows."""
    return RESOURCES / "samples" / task / identity / "sample.jsonl"


def calibration(name: str, identity: str) -> Path:
    """The texts that a quantization looks at."""
    return RESOURCES / "calibrations" / name / identity / "texts.jsonl"


def model(name: str, identity: str) -> Path:
    """The lock of a checkpoint."""
    return RESOURCES / "models" / name / identity / locks.NAME


def adapter(model: str, identity: str) -> Path:
    """The lock of a model's adapter."""
    return RESOURCES / "adapters" / model / identity / locks.NAME


def quantized(variant: str, engine: str, identity: str) -> Path:
    """The lock of a checkpoint that was made of a model's own."""
    return RESOURCES / "quantized" / variant / engine / identity / locks.NAME


def lock_beside(file: Path) -> Path:
    """The lock of the folder that a file lies in."""
    return file.with_name(locks.NAME)
