"""Reads config/*.yaml into the catalogue and the study; reports errors in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from frontier.blocks import Derived
from frontier.catalogue import ids, inheritance, secrets
from frontier.catalogue.checking import Line, all_of, check, one_of, plugin_of, scenarios
from frontier.catalogue.devices import Device
from frontier.catalogue.entries import Catalogue, QuantizerMethod
from frontier.catalogue.examples import Examples, examples
from frontier.catalogue.fields import with_fields
from frontier.catalogue.question import Config
from frontier.catalogue.reading import parse, read_yaml
from frontier.catalogue.references import check_references
from frontier.catalogue.samples import check_samples
from frontier.catalogue.source_lines import line_of
from frontier.datasets import LOADERS, Loader
from frontier.engine_block import EngineKind
from frontier.engines import ENGINES, Engine
from frontier.errors import UserError, did_you_mean
from frontier.quantizers import QUANTIZERS, Quantizer
from frontier.scorers import SCORERS, Scorer
from frontier.techniques import TECHNIQUES, Technique, TechniqueKind
from frontier.text import visible

FILES = {
    "models": ("models",),
    "quantizations": ("quantizations", "calibrations"),
    "techniques": ("techniques",),
    "engines": ("engines",),
    "devices": ("devices",),
    "tasks": ("datasets", "tasks"),
}


def _with_plugins(catalogue: Catalogue, path: Path) -> Catalogue:
    """The catalogue with the loader and the scorer of each task, as its blocks set them."""
    loaders: dict[str, Loader] = {}
    scorers: dict[str, Scorer] = {}
    shots: dict[str, Examples] = {}
    datasets = {name: (one.loader, one.source) for name, one in catalogue.datasets.items()}
    for name, dataset in catalogue.datasets.items():
        LOADERS.load(dataset.loader, f"config/tasks.yaml: datasets.{name}.loader")
    for name, task in catalogue.tasks.items():
        where = f"config/tasks.yaml: tasks.{name}"
        one_of(task.dataset, catalogue.datasets, f"{where}.dataset")
        loader = LOADERS.load(catalogue.datasets[task.dataset].loader, where)
        line = partial(_line, path, ("tasks", name, "sample"))
        keys = check(
            loader, task.sample.options, f"{where}.sample", ("size", "seed", "shares"), line
        )
        scorer = SCORERS.load(task.scorer.kind, f"{where}.scorer.kind")
        line = partial(_line, path, ("tasks", name, "scorer"))
        scorers[name] = check(scorer, task.scorer.options, f"{where}.scorer", ("kind",), line)
        loaders[name] = with_fields(keys, task, scorers[name], where)
        check_samples(task.samples, scorers[name], where)
        if task.shots:
            read = loaders[name]
            shots[name] = examples(task.shots, task.dataset, read, datasets, f"{where}.shots")
    found = {"loaders": loaders, "scorers": scorers, "examples": shots}
    return catalogue.model_copy(update=found)


def _check_no_engine_keys(blocks: Mapping[str, Any], engines: Mapping[str, Engine]) -> None:
    """Raises UserError that says where it belongs for a device's key that is its engine's."""
    for name, block in blocks.items():
        given = block if isinstance(block, dict) else {}
        engine = engines.get(str(given.get("engine", Device.model_fields["engine"].default)))
        own = {*type(engine).model_fields} - {*Device.model_fields} if engine else {}
        for key in given:
            if key in own:
                raise UserError(
                    f"config/devices.yaml: devices.{name}.{key}: is a key of an engine: give it to "
                    "one in config/engines.yaml, and name that as the device's engine"
                )


def _engine(block: Any, where: str, line: Line) -> Engine:
    """An engine's block as the class of its kind."""
    return plugin_of(ENGINES, EngineKind, block, where, line)


def _quantizer(block: Any, where: str, line: Line) -> Quantizer:
    """A quantization's block as the class of its method."""
    return plugin_of(QUANTIZERS, QuantizerMethod, block, where, line)


def _technique(block: Any, where: str, line: Line) -> Technique:
    """A technique's block as the class of its kind."""
    return plugin_of(TECHNIQUES, TechniqueKind, block, where, line)


READERS: dict[type[BaseModel], Callable[..., BaseModel]] = {
    Engine: _engine,
    Quantizer: _quantizer,
    Technique: _technique,
}
"""Readers of the blocks that are plug-ins, by section."""


def catalogue_folder() -> Path:
    """config/ of the working directory, or the workflow's own if that has no catalogue.

    Another workflow that uses this one as a module need not have one.
    """
    here = Path("config")
    if any(here.joinpath(f"{stem}.yaml").exists() for stem in FILES):
        return here
    return Path(__file__).resolve().parents[4] / "config"


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue in `folder` (config/). Raises UserError in one line for the first error."""
    sections: dict[str, Any] = {}
    for stem, expected in FILES.items():
        path = folder / f"{stem}.yaml"
        optional = not any(Catalogue.model_fields[key].is_required() for key in expected)
        content = {} if optional and not path.exists() else read_yaml(path)
        for key in content:
            if key not in expected:
                hint = did_you_mean(key, expected)
                raise UserError(f"config/{path.name}: {visible(key, 80)}: unknown key{hint}")
        for key in expected:
            field = Catalogue.model_fields[key]
            section = content.get(key, None if field.is_required() else {})
            if not isinstance(section, dict):
                raise UserError(f"config/{path.name}: {key}: missing, or not a mapping")
            kind = field.annotation.__args__[1]  # type: ignore[union-attr]
            for name in section:
                ids.check(name, f"config/{path.name}: {key}", dots=key != "tasks")
            if issubclass(kind, Derived):
                section = inheritance.resolved(section, f"config/{path.name}: {key}")
            if kind is Device:
                _check_no_engine_keys(section, sections["engines"])
            sections[key] = {}
            for name, block in section.items():
                where = f"config/{path.name}: {key}.{name}"
                line = partial(_line, path, (key, name))
                if kind in READERS:
                    sections[key][name] = READERS[kind](block, where, line)
                else:
                    sections[key][name] = check(kind, block, where, line=line)
    catalogue = Catalogue(**sections)
    ids.check_variants(catalogue.models, catalogue.quantizations)
    check_references(catalogue)
    return _with_plugins(catalogue, folder / "tasks.yaml")


def read_study(files: Sequence[Path], settings: Sequence[str], catalogue: Catalogue) -> Config:
    """The study of its file: nothing of config/config.yaml is merged into another file's.

    With several files, each top-level key comes from the last file that has it. `settings` are
    Snakemake's `--config KEY=VALUE`, VALUE in YAML; a block there overrides keys of the file's.
    Raises UserError in one line.
    """
    values: dict[str, Any] = {}
    for path in files:
        values |= read_yaml(_here(path))
    where = " + ".join([*map(str, map(_here, files)), *(["--config"] if settings else [])])
    for setting in settings:
        key, _, text = setting.partition("=")
        given = text if key == "title" else parse(text, f"--config {key}")
        if isinstance(given, dict) and isinstance(values.get(key), dict):
            given = values[key] | given
        values[key] = given
    line = partial(_line, files[0], ()) if len(files) == 1 and not settings else None
    return read_config(values, catalogue, where, line)


def _check_techniques(given: Sequence[str], catalogue: Catalogue, where: str) -> None:
    """Raises UserError for an unknown technique, and for one that is twice in a combination."""
    for one in given:
        names = one.split("+")
        all_of(names, catalogue.techniques, where)
        if len({*names}) < len(names):
            raise UserError(f"{where}: {visible(one, 80)}: has a technique twice")


def _line(path: Path, parents: tuple[str, ...], keys: tuple[str, ...]) -> int | None:
    return line_of(path, (*parents, *keys))


def _here(path: Path) -> Path:
    """The path relative to the working directory, if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def read_config(
    values: dict[str, Any], catalogue: Catalogue, where: str, line: Line | None = None
) -> Config:
    """The study from a configuration's `values`. Raises UserError in one line."""
    secrets.refuse(json.dumps(values, ensure_ascii=False, default=str), where, lines=False)
    config = check(Config, values, where, line=line)
    study = config.study
    for axis in ("models", "quantizations", "devices", "tasks"):
        names = getattr(study, axis)
        all_of(names, getattr(catalogue, axis), f"{where}: study.{axis}")
        if not names:
            raise UserError(f"{where}: study.{axis}: is empty, so the study has no cells")
    _check_techniques(study.techniques, catalogue, f"{where}: study.techniques")
    all_of(study.scenarios, scenarios(), f"{where}: study.scenarios")
    if not study.scenarios:
        raise UserError(f"{where}: study.scenarios: is empty, so the study has no cells")
    for number, part in enumerate(study.also):
        for axis in ("models", "quantizations", "devices"):
            known = getattr(catalogue, axis)
            all_of(getattr(part, axis), known, f"{where}: study.also.{number}.{axis}")
        _check_techniques(part.techniques, catalogue, f"{where}: study.also.{number}.techniques")
    for name in config.sources:
        one_of(name, catalogue.datasets, f"{where}: sources")
    return config
