"""Add a model to config/models.yaml from its checkpoint's own files, or check those there.

Of a hub's model only the small files and the headers of the weights are fetched. What the files do
not decide is left out of the block, and listed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH leaves it out

from frontier.catalogue import configuration, ids, writing
from frontier.catalogue.checking import check, one_of
from frontier.catalogue.models import Model
from frontier.checkpoints.gguf_header import ENDING
from frontier.errors import UserError, did_you_mean, run
from frontier.fetching import gguf_files, skeletons
from frontier.proposing import cards, gguf_models, models
from frontier.proposing.models import Proposal
from frontier.text import shown

CONFIG = Path("config")
FILE = CONFIG / "models.yaml"
ORDER = ("hub", "revision", "file", "path", "base", "label", "licence", "gated")
"""The keys that a block begins with."""


def main() -> None:
    """Adds a model, or checks the catalogue's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", help="its id; by default from the name of the repository, folder")
    parser.add_argument("--hub", help="a hub's repository: ORG/NAME")
    parser.add_argument("--revision", default="main", help="its branch, tag or commit (main)")
    parser.add_argument("--file", help="the GGUF file of the repository that is the model")
    parser.add_argument("--path", help="a checkpoint's folder, or a GGUF file, instead")
    parser.add_argument(
        "--check", nargs="*", metavar="ID", help="compare models of the catalogue: these, or all"
    )
    given = parser.parse_args()
    known = configuration.read_catalogue(CONFIG).models
    if given.check is not None:
        compare(given.check, known)
    elif bool(given.hub) == bool(given.path):
        raise UserError(
            "give either a hub's repository (HUB=org/name) or a folder, or GGUF file (PATH=…)"
        )
    else:
        print(add(given, known))


def add(given: argparse.Namespace, known: Mapping[str, Model]) -> str:
    """Writes the block of a new model; returns what it says, and what it does not."""
    origin = {"hub": given.hub, "revision": given.revision} if given.hub else {"path": given.path}
    origin["file"] = given.file
    keys: dict[str, Any] = {name: one for name, one in origin.items() if one}
    entry = check(Model, keys, "new-model")
    called = removed_ending(given.file or given.hub or str(Path(given.path).name))
    name = given.name or name_of(called)
    ids.check(name, f"{FILE}: models")
    if name in known:
        raise UserError(f"{FILE}: models.{name}: already exists; choose another name (NAME=…)")
    found = read(entry, known)
    found.keys = {**keys, "label": label_of(called), **found.keys}
    block = {key: found.keys[key] for key in ORDER if key in found.keys}
    block |= {key: value for key, value in found.keys.items() if key not in block}
    lines = writing.lines_of(name, block)
    writing.write(CONFIG, {FILE: writing.with_block(FILE, "models", lines)})
    notes = [f"not decided: {one}" for one in found.open]
    return "\n".join(
        [
            *(f"{FILE}: models.{name}: written", *lines, *notes),
            f"see: python workflow/scripts/plan.py results/{name}/cpu/demo-sentiment.json",
        ]
    )


def read(model: Model, known: Mapping[str, Model]) -> Proposal:
    """The proposal for a model's checkpoint. Raises UserError in one line."""
    if model.path and model.gguf:
        header = gguf_files.checked(model.path)
        return gguf_models.proposed(header, cards.of_folder(model.path.parent), known)
    if model.path:
        return models.proposed(model.path, cards.of_folder(model.path), known)
    assert model.hub, "one of hub and path is given"
    try:
        record = skeletons.record(model.hub, str(model.revision))
    except UserError as error:
        others = [one.hub for one in known.values() if one.hub and one.hub != model.hub]
        raise UserError(f"{error}{did_you_mean(model.hub, others)}") from None
    with tempfile.TemporaryDirectory() as folder:
        if model.file:
            header = skeletons.gguf(model.hub, record, model.file, Path(folder))
            found = gguf_models.proposed(header, record.card, known)
            return pinned(found, record)
        skeletons.skeleton(model.hub, record, Path(folder), model.trust_remote_code)
        found = models.proposed(Path(folder), record.card, known)
    return pinned(found, record)


def pinned(found: Proposal, record: skeletons.Record) -> Proposal:
    """The proposal with the hub's own facts."""
    found.keys["revision"] = record.commit
    if record.gated:
        found.keys["gated"] = True
    return found


def compare(wanted: Iterable[str], known: Mapping[str, Model]) -> None:
    """Prints what checkpoints contradict; raises UserError if there is anything."""
    files = {name: one for name, one in known.items() if one.hub or one.path}
    chosen = [one_of(name, files, "--check") for name in wanted] or list(files)
    faults = 0
    for name in chosen:
        try:
            lines = list(models.differences(known[name], read(known[name], known)))
        except UserError as error:
            lines = [str(error)]
        faults += len(lines)
        for line in lines or ["as its checkpoint"]:
            print(f"models.{name}: {line}", flush=True)
    if faults:
        raise UserError(f"{FILE}: {faults} differences in {len(chosen)} models")


def removed_ending(name: str) -> str:
    """A file's name without its folders, and the ending of GGUF."""
    last = name.rstrip("/").rpartition("/")[2]
    return last[: -len(ENDING)] if last.lower().endswith(ENDING) else last


def name_of(origin: str) -> str:
    """An id from the last part of a repository's or a folder's name."""
    last = origin.rstrip("/").rpartition("/")[2].lower()
    name = re.sub(r"[._-]*[^a-z0-9._-]+[._-]*|[._-]{2,}", "-", last).strip("._-")
    if len(name) > ids.LONGEST:
        raise UserError(f"{shown(last)} is too long for an id; choose one (NAME=…)")
    return name


def label_of(origin: str) -> str:
    """A name to read, from the last part of a repository's or a folder's name."""
    last = origin.rstrip("/").rpartition("/")[2]
    words = last.replace("-", " ").replace("_", " ").split()
    return " ".join("instruct" if word == "Instruct" else word for word in words)


if __name__ == "__main__":
    run(main)
