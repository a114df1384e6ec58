"""All paths in results/ and resources/: the outputs of each job, and the parsing of paths.

No other module and no rule spells one (checked by tests/unit/test_layout.py). The rules' patterns
come from here as well: the name "{variant}" gives a wildcard of Snakemake's.
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
MACHINES = RESOURCES / "machines"  # their limits, a file for each
MEASUREMENT, REQUESTS = "measurement.json", "requests.jsonl"
JOURNAL, JOURNAL_LOCK = "journal.jsonl", "journal.lock"
SERVER_LOG = "server.log"
"""The output of servers that were started for a measurement."""
STUDY, COMPARISONS, REPORT = "study", "comparisons", "report"
PROVENANCE, ANSWERS = "provenance", "answers"
"""The results' origins (JSON), each task's answer (text): written and locked with the report."""
TABLES = (STUDY, COMPARISONS)
"""The tables with a lock of their own."""
RATINGS = "ratings"
"""The table of judges, written and locked with the comparisons."""
ADDED, CHARTS = ids.FOLDERS
CELL = "results/VARIANT/DEVICE/TASK.json"
"""A cell's path, for messages."""
VERSION = 2
"""The version of the layout and format of files: written into them, and required on reading."""
JUDGED, PAIRS = "judged", "pairs.jsonl"
"""The folder of a judge's answers; which request to a judge is about which answer."""
LONGEST = 100  # characters of a name: file systems allow 255 bytes, with temporary names and @NAME

_ID = ids.PATTERN
_PLACE = (
    rf"(?P<variant>{_ID}(?:\+{_ID})*)/(?P<device>{_ID}(?:@{_ID})?)"
    rf"/(?P<task>{ids.UNDOTTED})(?:\.(?P<scenario>{ids.UNDOTTED}))?"
)
_SUMMARY = re.compile(rf"{_PLACE}\.json")
# A cell's summary, its table of requests, and its measurement.
_FILE = re.compile(
    rf"(?P<cell>{_PLACE})"
    rf"(?:\.json|\.parquet|/[0-9a-f]{{16}}/(?:{re.escape(MEASUREMENT)}|{re.escape(REQUESTS)}))"
)


@dataclass(frozen=True, order=True)
class Place:
    """A cell's place, by the names that identify it."""

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
        """The cell's table: a row per request."""
        return RESULTS / f"{self.name}.parquet"

    @property
    def folder(self) -> Path:
        """The folder of the cell's measurements."""
        return RESULTS / self.name

    def measurement(self, identity: str) -> Path:
        """The measurement with that identity; its requests are next to it."""
        return self.folder / identity / MEASUREMENT

    def judging(self, identity: str) -> Path:
        """The measurement of a judge at this place; its requests are next to it."""
        return self.folder / JUDGED / identity / MEASUREMENT


WILDCARDS = Place("{variant}", "{device}", "{task}{scenario}")
"""The place of any cell, as a pattern for the rules: a scenario includes its dot."""


def asked(variant: str, device: str, task: str) -> Place:
    """The place for requested names; the task may be followed by a scenario.

    Raises UserError for a scenario that paths do not name.
    """
    task, dot, scenario = task.partition(".")
    place = Place(variant, device, task, scenario or ids.SINGLE_STREAM)
    if dot and scenario in ("", ids.SINGLE_STREAM):
        raise UserError(f"{ids.SINGLE_STREAM} has no ending: the cell is {place.summary}")
    return place


def place_of(summary: Path | str) -> Place | None:
    """The place of VARIANT/DEVICE/TASK.json below results/; None for any other path."""
    found = _SUMMARY.fullmatch(Path(summary).as_posix())
    if not found or found["scenario"] == ids.SINGLE_STREAM:
        return None
    names = found["variant"], found["device"], found["task"]
    return Place(*names, found["scenario"] or ids.SINGLE_STREAM)


def check_version(found: object, where: Path | str) -> None:
    """Raises UserError unless this is the current layout's version; None: a file without one."""
    if found != VERSION:
        later = isinstance(found, int) and found > VERSION
        raise UserError(
            f"{where}: written by {'a later' if later else 'an earlier'} release, in another layout"
            f" ({'none' if found is None else found} instead of {VERSION})"
        )


def name_of(summary: Path) -> str:
    """VARIANT/DEVICE/TASK of a cell's JSON in any folder."""
    return "/".join(summary.with_suffix("").parts[-3:])


def cell_of(file: str) -> str | None:
    """VARIANT/DEVICE/TASK of the cell to which a name below results/ belongs, if any."""
    found = _FILE.fullmatch(file)
    return found["cell"] if found and max(map(len, file.split("/"))) <= LONGEST else None


def cells(results: Path) -> list[Path]:
    """The summaries of the cells measured here, without added ones."""
    found = ((path, place_of(path.relative_to(results))) for path in results.glob("*/*/*.json"))
    return sorted(path for path, place in found if place and "@" not in place.device)


def requests_of(summary: Path) -> Path:
    """The table of requests next to a cell's JSON."""
    return summary.with_suffix(".parquet")


def measurements_of(summary: Path) -> list[Path]:
    """A cell's measurements of all identities, sorted by identity."""
    return sorted(summary.with_suffix("").glob(f"*/{MEASUREMENT}"))


def scored_of(measurement: Path) -> Path:
    """The cell's JSON for a measurement."""
    folder = measurement.parent.parent
    return folder.with_name(f"{folder.name}.json")


def table(name: str, ending: str = "parquet", results: Path = RESULTS) -> Path:
    """A table of the study."""
    return results / f"{name}.{ending}"


def report() -> Path:
    """The report."""
    return table(REPORT, "html")


def lock(name: str, results: Path = RESULTS) -> Path:
    """The lock of a table or the report: its inputs, and the digests of its files."""
    return table(name, locks.NAME, results)


def charts(results: Path = RESULTS) -> Path:
    """The folder of the report's charts."""
    return results / CHARTS


def chart(kind: str, task: str, device: str) -> str:
    """The name of a chart's files, and its id in the page; `task` includes a scenario.

    Joined by a separator that no id contains: '-' would give two charts one name.
    """
    return ids.SEPARATOR.join((kind, task, device))


def written(name: str, results: Path = RESULTS) -> Path:
    """The path of a file named by the lock of a table or of the report."""
    return charts(results) / name if name.endswith((".svg", ".png")) else results / name


def added(results: Path, name: str) -> Path:
    """The list of the files added as `name`."""
    return results / ADDED / f"{name}.json"


def lists_of_added(results: Path) -> Iterator[Path]:
    """The lists of all added files."""
    yield from sorted((results / ADDED).glob("*.json"))


def incoming(results: Path, name: str) -> Path:
    """A folder for files being added as `name`, on the same file system as their final place."""
    return results / ADDED / f".{name}.incoming"


def dataset(name: str, identity: str) -> Path:
    """The lock of a dataset's folder."""
    return RESOURCES / "datasets" / name / identity / locks.NAME


def sample(task: str, identity: str) -> Path:
    """A task's rows."""
    return RESOURCES / "samples" / task / identity / "sample.jsonl"


def judged(task: str, identity: str) -> Path:
    """The requests to a judge about a cell's answers; the pairs are next to them."""
    return RESOURCES / "judged" / task / identity / "sample.jsonl"


def calibration(name: str, identity: str) -> Path:
    """The calibration texts of a quantization."""
    return RESOURCES / "calibrations" / name / identity / "texts.jsonl"


def model(name: str, identity: str, *, merged: bool = False) -> Path:
    """The lock of a checkpoint; `merged` with its adapter in the weights."""
    return RESOURCES / ("merged" if merged else "models") / name / identity / locks.NAME


def adapter(model: str, identity: str) -> Path:
    """The lock of a model's adapter."""
    return RESOURCES / "adapters" / model / identity / locks.NAME


def quantized(variant: str, format: str, identity: str) -> Path:
    """The lock of a checkpoint converted from a model's own, by the format that it is in."""
    return RESOURCES / "quantized" / variant / format / identity / locks.NAME


def lock_beside(file: Path) -> Path:
    """The lock in a file's folder."""
    return file.with_name(locks.NAME)
