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
from frontier.catalogue.reading import line_of, parse, read_yaml
from frontier.catalogue.samples import check_samples
from frontier.conversions import plain_formats
from frontier.datasets import LOADERS, Loader
from frontier.engine_block import EngineKind
from frontier.engines import ENGINES, Engine
from frontier.errors import UserError, did_you_mean
from frontier.quantizers import QUANTIZERS, Quantizer, block_of, formats
from frontier.scorers import SCORERS, Scorer
from frontier.text import visible

FILES = {
    "models": ("models",),
    "quantizations": ("quantizations", "calibrations"),
    "engines": ("engines",),
    "devices": ("devices",),
    "tasks": ("datasets", "tasks"),
}


def _check_quantizations(catalogue: Catalogue) -> None:
    for name, quantizer in catalogue.quantizations.items():
        where = f"config/quantizations.yaml: quantizations.{name}"
        if name == "native" and block_of(quantizer) != {"method": "native"}:
            raise UserError(
                f"{where}: must be `method: native` and nothing else: the model as published"
            )
        if (texts := quantizer.calibrated_with) is not None:
            one_of(texts, catalogue.calibrations, f"{where}.calibration")
    for name, calibration in catalogue.calibrations.items():
        where = f"config/quantizations.yaml: calibrations.{name}.tasks"
        all_of(calibration.tasks, catalogue.tasks, where)


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


def _check_formats(engines: Mapping[str, Engine]) -> None:
    """Raises UserError for a format that nothing makes: all of an engine's cells would lack one."""
    known = formats() | plain_formats()
    for name, engine in engines.items():
        for format in engine.reads:
            one_of(format, known, f"config/engines.yaml: engines.{name}.reads")


def _check_devices(catalogue: Catalogue) -> None:
    for name, engine in catalogue.engines.items():
        all_of(engine.scenarios, scenarios(), f"config/engines.yaml: engines.{name}.scenarios")
    for name, device in catalogue.devices.items():
        where = f"config/devices.yaml: devices.{name}"
        one_of(device.engine, catalogue.engines, f"{where}.engine")
        all_of(device.serves, catalogue.models, f"{where}.serves")
        engine = catalogue.engines[device.engine]
        if device.prefix_cache and (reason := engine.why_not_cached()):
            raise UserError(f"{where}.prefix_cache: {device.engine} {reason}")
        if device.price_per_hour and engine.price_per_million_tokens:
            raise UserError(
                f"{where}.price_per_hour: {device.engine} has a price_per_million_tokens: an "
                "endpoint has one of them"
            )


def _check_endpoints(catalogue: Catalogue) -> None:
    """Raises UserError for a model behind a name that is said to be where no endpoint is."""
    for name, model in catalogue.models.items():
        where = f"config/models.yaml: models.{name}.endpoints"
        all_of(model.endpoints, catalogue.engines, where)
        for engine in model.endpoints:
            if not catalogue.engines[engine].remote:
                raise UserError(f"{where}: {engine} is no endpoint (accelerators: [remote])")


def _check_bases(catalogue: Catalogue) -> None:
    """Raises UserError for a base that is no other model."""
    for name, model in catalogue.models.items():
        if model.base is not None:
            where = f"config/models.yaml: models.{name}.base"
            one_of(model.base, catalogue.models.keys() - {name}, where)


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


READERS: dict[type[BaseModel], Callable[..., BaseModel]] = {
    Engine: _engine,
    Quantizer: _quantizer,
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
        content = read_yaml(path)
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
    _check_quantizations(catalogue)
    _check_formats(catalogue.engines)
    _check_devices(catalogue)
    _check_endpoints(catalogue)
    _check_bases(catalogue)
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
    all_of(study.scenarios, scenarios(), f"{where}: study.scenarios")
    if not study.scenarios:
        raise UserError(f"{where}: study.scenarios: is empty, so the study has no cells")
    for number, part in enumerate(study.also):
        for axis in ("models", "quantizations", "devices"):
            known = getattr(catalogue, axis)
            all_of(getattr(part, axis), known, f"{where}: study.also.{number}.{axis}")
    for name in config.sources:
        one_of(name, catalogue.datasets, f"{where}: sources")
    return config
