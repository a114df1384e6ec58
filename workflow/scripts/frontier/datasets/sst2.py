"""SST-2 of GLUE: the hub's Parquet files by their old and new names (also validation/0000.parquet),
or TSV files with the columns sentence and label, packed (.gz, .bz2, .xz, .zip, .tar) or not.

The columns are found by the header, since both orders are in circulation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from frontier.blocks import Decides
from frontier.datasets import Loader, Row
from frontier.datasets.common.files import ByteStrings, DatasetFile, entries, lines
from frontier.errors import UserError

LABELS = {"0": "negative", "1": "positive"}
SPLITS = {"train": "train", "dev": "validation", "validation": "validation"}


class Sst2(Loader):
    """Sentences with labels."""

    # dev.tsv, validation-00000-of-00001.parquet, the same with a hash, glue-validation.parquet; and
    # 0000.parquet in a folder of the split's name.
    FILES = re.compile(
        r"((glue|sst-?2)[-_])?(?P<split>train|dev|validation)"
        r"(-(?P<shard>\d+)-of-(?P<shards>\d+))?(-[0-9a-f]{16})?\.(tsv|parquet)"
        r"|(?P<number>\d+)\.parquet"
    )

    split: Annotated[Literal["train", "validation"], Decides("sample")] = "train"
    """The split; training sentences are shorter, mostly phrases."""

    def fields(self) -> tuple[str, ...]:
        """The sentence only."""
        return ("sentence",)

    def rows(self, folder: Path) -> Iterator[Row]:
        """Each sentence of the split with its label; ids count rows from 0, like GLUE's idx.

        Raises UserError naming the file and row of a malformed row, or the missing files.
        """
        found = _files(folder, self.split)
        read = ByteStrings()
        for number, (where, at, sentence, label) in enumerate(_raw(found)):
            if isinstance(sentence, bytes):
                raise UserError(f"{where}: row {at}: the sentence is stored as bytes, not as text")
            if isinstance(sentence, str):
                sentence = read.decoded(sentence, f"{where}: row {at}")
            if not isinstance(sentence, str) or not sentence.strip():
                raise UserError(f"{where}: row {at} has no sentence")
            if str(label) not in LABELS:
                raise UserError(f"{where}: row {at}: label {label!r} is neither 0 nor 1")
            name = LABELS[str(label)]
            yield Row(f"sst2-{self.split}-{number:06d}", {"sentence": sentence.strip()}, name, name)


def _files(folder: Path, split: str) -> list[DatasetFile]:
    """The files of a split: one TSV, or the shards of one Parquet table."""
    found = [entry for entry in entries(folder, Sst2.FILES) if _split(entry) == split]
    # In a folder with all of GLUE, other tasks have files with the same names.
    own = [entry for entry in found if _of_sst2(entry)]
    found = own or found
    if not found:
        wanted = "train" if split == "train" else "dev.tsv or validation"
        raise UserError(
            f"{folder}: no {split} split of SST-2 (looked for {wanted}.tsv or .parquet files)"
        )
    parquet = all(entry.name.suffix == ".parquet" for entry in found)
    if len({entry.name.parent for entry in found}) > 1 or (len(found) > 1 and not parquet):
        names = ", ".join(entry.where for entry in found)
        raise UserError(f"{folder}: several files could be the {split} split: {names}")
    _check_shards(folder, split, found)
    return found


def _split(entry: DatasetFile) -> str | None:
    """The split of a file, by its name or its folder's."""
    match = Sst2.FILES.fullmatch(entry.name.name)
    assert match, f"{entry.where} is not one of the loader's files"
    return SPLITS.get(match["split"] or entry.name.parent.name)


def _of_sst2(entry: DatasetFile) -> bool:
    return any(part.casefold() in ("sst2", "sst-2") for part in entry.name.parent.parts)


def _check_shards(folder: Path, split: str, found: list[DatasetFile]) -> None:
    """Raises UserError if a shard is missing, or there are two tables."""
    matches = [Sst2.FILES.fullmatch(entry.name.name) for entry in found]
    numbers = [int(match["shard"] or match["number"] or 0) for match in matches if match]
    totals = {int(match["shards"] or 0) for match in matches if match}
    names = ", ".join(entry.where for entry in found)
    if len(set(numbers)) < len(numbers) or len(totals) > 1:
        raise UserError(f"{folder}: several files could be the {split} split: {names}")
    if sorted(numbers) != list(range(totals.pop() or len(numbers))):
        raise UserError(f"{folder}: shards of the {split} split are missing, there are: {names}")


def _raw(found: Sequence[DatasetFile]) -> Iterator[tuple[str, int, Any, Any]]:
    """File, row number as in an editor, sentence and label, unchecked."""
    for entry in found:
        if entry.name.suffix == ".parquet":
            yield from _parquet(entry)
        else:
            yield from _tsv(entry)


def _parquet(entry: DatasetFile) -> Iterator[tuple[str, int, Any, Any]]:
    if entry.path is None:
        raise UserError(f"{entry.where}: a Parquet file must be unpacked to be read")
    # Imported here, since it takes a second or more, which checking options need not cost.
    import datasets
    import pyarrow as pa  # type: ignore[import-untyped]

    try:
        table = datasets.IterableDataset.from_parquet(str(entry.path))
        for number, row in enumerate(table):
            if not {"sentence", "label"} <= row.keys():
                raise UserError(
                    f"{entry.where}: columns are {', '.join(row)}; needed: sentence, label"
                )
            yield entry.where, number, row["sentence"], row["label"]
    except (pa.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{entry.where}: unreadable Parquet file ({error})") from None


def _tsv(entry: DatasetFile) -> Iterator[tuple[str, int, Any, Any]]:
    numbered = lines(entry)
    header = next(numbered, (1, ""))[1].split("\t")
    if sorted(header) != ["label", "sentence"]:
        raise UserError(
            f"{entry.where}: row 1 must be the header 'sentence' and 'label', tab-separated"
        )
    sentence, label = header.index("sentence"), header.index("label")
    for number, text in numbered:
        cells = text.split("\t")
        if len(cells) != 2:
            raise UserError(f"{entry.where}: row {number} has {len(cells)} columns instead of 2")
        yield entry.where, number, cells[sentence], cells[label]
