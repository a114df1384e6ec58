"""A catalogue written another way: the same blocks, and so the same identities."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from frontier import techniques
from frontier.catalogue.configuration import FILES, read_catalogue, read_study
from frontier.catalogue.entries import Catalogue
from frontier.chosen import explicit
from frontier.planning.steps import Steps
from frontier.quantizers import block_of

CONFIG = ROOT / "config"


class Odd(yaml.SafeDumper):
    """Writes numbers and texts as hardly anybody does."""


Odd.add_representer(int, lambda dumper, n: dumper.represent_scalar("tag:yaml.org,2002:int", hex(n)))
Odd.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def again(change: Callable[[Any], str]) -> Callable[[str], str]:
    """Writes a file's values another way."""
    return lambda text: change(yaml.safe_load(text))


def with_aliases(content: Any) -> str:
    """Every block and list that stands there twice is an alias the second time."""
    seen: dict[str, Any] = {}

    def same(value: Any) -> Any:
        if isinstance(value, dict):
            value = {key: same(one) for key, one in value.items()}
        elif isinstance(value, list):
            value = [same(one) for one in value]
        else:
            return value
        return seen.setdefault(json.dumps(value, default=str), value)

    return yaml.safe_dump(same(content), sort_keys=False)


def with_merges(content: Any) -> str:
    """Each block of a section has its keys from an anchor, merged."""
    lines = []
    for section, blocks in content.items():
        lines.append(f"{section}:")
        if not isinstance(blocks, dict):
            lines[-1] += f" {json.dumps(blocks)}"
            continue
        for name, block in blocks.items():
            lines.append(f"  {json.dumps(name)}:")
            if isinstance(block, dict):
                lines.append(f"    <<: &{section}_{len(lines)} {json.dumps(block, default=str)}")
            else:
                lines[-1] += f" {json.dumps(block)}"
    return "\n".join(lines) + "\n"


WAYS: dict[str, Callable[[str], str]] = {
    "a byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no comments, other quotes": again(lambda content: yaml.safe_dump(content)),
    "0x18 for 24, all texts in quotes": again(lambda content: yaml.dump(content, Dumper=Odd)),
    "as JSON": again(lambda content: json.dumps(content, default=str, indent=1)),
    "aliases": again(with_aliases),
    "merges": again(with_merges),
}


def read(folder: Path) -> Catalogue:
    """The catalogue in a folder's config/."""
    return read_catalogue(folder / "config")


def blocks(catalogue: Catalogue) -> dict[str, Any]:
    """All that a catalogue says, a plug-in's defaults included."""

    found = catalogue.model_dump(mode="json")
    for name, one in catalogue.quantizations.items():
        found["quantizations"][name] = block_of(one)
    for name, technique in catalogue.techniques.items():
        found["techniques"][name] = techniques.block_of(technique)
    for name, task in catalogue.tasks.items():
        own = explicit(catalogue.loaders[name])
        found["tasks"][name]["sample"] = [task.sample.size, task.sample.seed, own]
        found["tasks"][name]["scorer"] = explicit(catalogue.scorers[name])
    return found


def said(section: str, catalogue: Catalogue) -> dict[str, Any]:
    """A section's blocks with every key that has a default."""
    found = {}
    for name, block in getattr(catalogue, section).items():
        found[name] = block.model_dump(mode="json", by_alias=True)
        if section in ("engines", "techniques"):
            found[name]["kind"] = block.kind
        if section == "quantizations":
            found[name] |= {"method": block.method}
            if name == "native":  # which has no other key
                found[name] = {"method": block.method, "label": block.label}
        if section == "tasks":
            found[name]["sample"] |= catalogue.loaders[name].model_dump(mode="json")
            found[name]["scorer"] |= catalogue.scorers[name].model_dump(mode="json")
        if section == "models" and block.prompt != "chat":  # where they would be meaningless
            found[name] = {key: one for key, one in found[name].items() if "template" not in key}
    return found


def identities(folder: Path, catalogue: Catalogue) -> dict[str, str]:
    """The identities of all results of the project's own study."""
    study = read_study([folder / "config" / "config.yaml"], [], catalogue)
    steps = Steps(catalogue, study, lambda _accelerator, _count: 64 * 10**9)
    found = {f"score {cell.name}": steps.score(cell).identity for cell in steps.cells}
    planned = [cell for cell in steps.cells if cell.planned]
    found |= {f"measure {cell.name}": steps.measure(cell).identity for cell in planned}
    return found | {"aggregate": steps.aggregate.identity, "compare": steps.compare.identity}


@pytest.fixture(scope="module")
def before() -> tuple[dict[str, Any], dict[str, str]]:
    """The project's own catalogue, and the identities of its study."""
    catalogue = read(ROOT)
    return blocks(catalogue), identities(ROOT, catalogue)


@pytest.mark.parametrize("way", WAYS)
def test_written_another_way(
    before: tuple[dict[str, Any], dict[str, str]], tmp_path: Path, way: str
) -> None:
    """Every file of config/ at once: every block, and every identity."""
    (tmp_path / "config").mkdir()
    for name in (*FILES, "config"):
        text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
        other = WAYS[way](text)
        assert other != text
        (tmp_path / "config" / f"{name}.yaml").write_bytes(other.encode())
    catalogue = read(tmp_path)
    assert blocks(catalogue) == before[0]
    assert identities(tmp_path, catalogue) == before[1]


def test_defaults_said_explicitly(
    before: tuple[dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    """Every key of every block with the value that it has anyway, plug-ins' keys too."""
    shutil.copytree(CONFIG, tmp_path / "config")
    catalogue = read(ROOT)
    for stem, sections in FILES.items():
        content = {name: said(name, catalogue) for name in sections}
        path = tmp_path / "config" / f"{stem}.yaml"
        short = len(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8"))))
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        assert path.stat().st_size > short
    after = read(tmp_path)
    assert blocks(after) == before[0]
    assert identities(tmp_path, after) == before[1]
